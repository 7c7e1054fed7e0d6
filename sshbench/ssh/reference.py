"""Reference implementation in numpy, layer by layer in float64; backends and exported files are compared with it.

It shares no code with them, neither libraries nor the description of the graph, and is too slow for other uses.

Source: Najibi et al., SSH, ICCV 2017, section 3; release, models/test_ssh.prototxt.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import MODULES
from sshbench.ssh.weights import Weights

NAME = "numpy (float64)"


def outputs(weights: Weights, image: Float32Array) -> list[tuple[FloatArray, FloatArray]]:
    """Compute the outputs of the three modules for one image.

    Args:
        weights: Parameters and widths.
        image: float32 (3, height, width), BGR minus the mean.

    Returns:
        For each module class scores (4, h, w) and deltas (8, h, w), float64.
    """

    def convolve(x: FloatArray, layer: str, stride: int = 1) -> FloatArray:
        return _convolution(x, weights.parameters[f"{layer}.weight"], weights.parameters[f"{layer}.bias"], stride)

    def relu(x: FloatArray) -> FloatArray:
        return np.maximum(x, 0)

    x: FloatArray = image.astype(np.float64)
    features: list[FloatArray] = []
    stem = weights.architecture.stem
    for stage, widths in enumerate(weights.architecture.trunk, start=1):
        if stage > 2 or (stage == 2 and stem == 1):
            x = _pool(x)
        for position in range(1, len(widths) + 1):
            x = relu(convolve(x, f"conv{stage}_{position}", stem if (stage, position) == (1, 1) else 1))
        features.append(x)
    fourth, fifth = features[3:]
    lateral = relu(convolve(fourth, "conv4_128"))
    context = _upsample(relu(convolve(fifth, "conv5_128")))[:, : lateral.shape[1], : lateral.shape[2]]
    first = relu(convolve(lateral + context, "conv4_fuse_final"))
    found = []
    for module, x in zip(MODULES, (first, fifth, _pool(fifth)), strict=True):
        near = relu(convolve(x, f"{module}.dimred"))
        far = convolve(relu(convolve(near, f"{module}.conv7x7_1")), f"{module}.conv7x7")
        branches = (convolve(x, f"{module}.conv3x3"), convolve(near, f"{module}.conv5x5"), far)
        joined = relu(np.concatenate(branches))
        found.append((convolve(joined, f"{module}.cls_score"), convolve(joined, f"{module}.bbox_pred")))
    return found


def _convolution(x: FloatArray, weight: Float32Array, bias: Float32Array, stride: int) -> FloatArray:
    """Convolve (c, h, w) with zeros around, one tap of the kernel after the other."""
    side = weight.shape[2]
    pad = side // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height, width = (-(-size // stride) for size in x.shape[1:])
    total: FloatArray = np.repeat(bias.astype(np.float64)[:, None], height * width, axis=1)
    for i, j in np.ndindex(side, side):
        seen = padded[:, i : i + x.shape[1] : stride, j : j + x.shape[2] : stride]
        total += weight[:, :, i, j].astype(np.float64) @ seen.reshape(len(x), -1)
    return total.reshape(-1, height, width)


def _pool(x: FloatArray) -> FloatArray:
    """Return the maximum of each 2 x 2 cell; cells over the border are cut, not dropped."""
    channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2)), constant_values=-np.inf)
    pooled: FloatArray = padded.reshape(channels, -(-height // 2), 2, -(-width // 2), 2).max(axis=(2, 4))
    return pooled


def _upsample(x: FloatArray) -> FloatArray:
    """Double the size: each input pixel spreads by the bilinear kernel of side 4, with zeros beyond the border."""
    line: npt.NDArray[np.float64] = np.array([0.25, 0.75, 0.75, 0.25])
    channels, height, width = x.shape
    spread = np.zeros((channels, 2 * height + 2, 2 * width + 2))
    for i, j in np.ndindex(4, 4):
        spread[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += line[i] * line[j] * x
    return spread[:, 1:-1, 1:-1]
