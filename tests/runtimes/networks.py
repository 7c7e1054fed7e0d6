"""Tiny networks that tests make, and the same networks in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]


def parameters(seed: int = 0) -> dict[str, Floats]:
    """Weights of two convolutions of 3 x 3, the second one the head."""
    rng = np.random.default_rng(seed)
    return {
        "w1": rng.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32),
        "b1": rng.normal(0, 0.1, 8).astype(np.float32),
        "w2": rng.normal(0, 0.2, (8, 8, 3, 3)).astype(np.float32),
        "b2": rng.normal(0, 0.1, 8).astype(np.float32),
        "w3": rng.normal(0, 0.2, (2, 8, 1, 1)).astype(np.float32),
        "b3": rng.normal(0, 0.1, 2).astype(np.float32),
    }


def network(weights: dict[str, Floats] | None = None) -> bytes:
    """An ONNX file: two convolutions with ReLU, a third one as head, and a sigmoid; nodes without names."""
    weights = weights or parameters()
    size: list[str | int | None] = ["n", 3, "h", "w"]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["c3"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["c3"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, ir_version=6, opset_imports=[helper.make_opsetid("", 11)])
    return bytes(model.SerializeToString(deterministic=True))


def in_numpy(x: Floats, weights: dict[str, Floats] | None = None) -> npt.NDArray[np.float64]:
    """What the network computes, in double precision."""
    weights = weights or parameters()
    first = np.maximum(_convolved(x, weights["w1"], weights["b1"]), 0)
    second = np.maximum(_convolved(first, weights["w2"], weights["b2"]), 0)
    third: npt.NDArray[np.float64] = 1 / (1 + np.exp(-_convolved(second, weights["w3"], weights["b3"])))
    return third


def _convolved(x: npt.NDArray[np.floating], weight: Floats, bias: Floats) -> npt.NDArray[np.float64]:
    side = weight.shape[2]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (side // 2,) * 2, (side // 2,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    found: npt.NDArray[np.float64] = np.einsum("nchwij,ocij->nohw", windows, weight.astype(np.float64))
    return found + bias[:, None, None]
