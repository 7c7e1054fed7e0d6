"""Differences from the reference implementation: of backends, and of exported files as other libraries read them."""

from __future__ import annotations

import numpy as np

from sshbench.errors import CheckFailedError
from sshbench.records import FloatArray
from sshbench.ssh import reference
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.backends import Run
from sshbench.ssh.weights import Weights

SIZES = ((64, 96), (131, 77), (33, 250))
TOLERANCE = 1e-4


def differences(weights: Weights, run: Run) -> dict[str, float]:
    """Return the largest difference from the reference at each of `SIZES`.

    Args:
        weights: Weights of the network.
        run: The network under test.

    Returns:
        By size (`64x96`, height first), relative to the largest value of each output; infinite if an output has another
        shape or is not finite.

    Raises:
        CheckFailedError: The network under test fails at one of the sizes.
    """
    rng = np.random.default_rng(0)
    found = {}
    for height, width in SIZES:
        batch = rng.normal(0, 50, (1, 3, height, width)).astype(np.float32)
        name = f"{height}x{width}"
        try:
            outputs = run(batch)
        except Exception as error:  # the libraries' own exceptions share no other base
            raise CheckFailedError(f"the network fails at {name} ({error})") from error
        pairs = zip(reference.outputs(weights, batch[0]), outputs, strict=True)
        found[name] = max(
            _difference(expected, _host(actual)[0]) for pair in pairs for expected, actual in zip(*pair, strict=True)
        )
    return found


def opencv_network(content: bytes) -> Run:
    """Return the network of an ONNX file as OpenCV reads it.

    Args:
        content: Content of the file. OpenCV does not support dynamic sizes: each batch gets a copy with its size.
    """
    import cv2
    from onnx import ModelProto

    from sshbench.ssh.onnx_graph import OUTPUTS

    def run(batch: Float32Array) -> list[tuple[Float32Array, Float32Array]]:
        model = ModelProto.FromString(content)
        for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, batch.shape, strict=True):
            dimension.dim_value = size
        network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), dtype=np.uint8))
        network.setInput(batch)
        arrays = [np.asarray(array, dtype=np.float32) for array in network.forward(OUTPUTS)]
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    return run


def _difference(expected: FloatArray, actual: Float32Array) -> float:
    if expected.shape != actual.shape or not np.isfinite(actual).all():
        return float("inf")
    return float(np.abs(expected - actual).max() / np.abs(expected).max())


def _host(array: object) -> Float32Array:
    if isinstance(array, np.ndarray):
        return np.asarray(array, dtype=np.float32)
    import torch

    assert isinstance(array, torch.Tensor)
    return np.asarray(array.float().cpu().numpy(), dtype=np.float32)
