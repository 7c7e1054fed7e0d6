"""SSH as an ONNX model of dynamic size, written without torch.

Details that other exporters get wrong: pools that round up, the transposed convolution with its fixed
bilinear weights, the crop to the lateral feature's size.

The crop reads the size with `Shape` and `Slice`, not with the `start` and `end` of a newer `Shape`, which OpenCV does
not read.
"""

from __future__ import annotations

import numpy as np

from sshbench.ssh.architecture import MODULES
from sshbench.ssh.graph_writer import INPUT, GraphWriter
from sshbench.ssh.weights import Weights

OUTPUTS = [f"{module}_{kind}" for module in MODULES for kind in ("cls", "bbox")]


def onnx_model(weights: Weights) -> bytes:
    """Return the content of the network's ONNX file; `onnx.checker` has checked it.

    Args:
        weights: Parameters and widths.

    Returns:
        A model with the float32 input `image` (n, 3, height, width), BGR minus the mean, and the outputs `m1_cls`
        (n, 4, h, w), `m1_bbox` (n, 8, h, w) and so on. Equal weights give equal bytes.
    """
    graph = GraphWriter(weights.parameters)
    x = INPUT
    features: list[str] = []
    for stage, widths in enumerate(weights.architecture.trunk, start=1):
        stem = weights.architecture.stem
        x = graph.pool(x) if stage > 2 or (stage == 2 and stem == 1) else x
        for position in range(1, len(widths) + 1):
            stride = stem if (stage, position) == (1, 1) else 1
            x = graph.relu(graph.convolution(x, f"conv{stage}_{position}", stride=stride))
        features.append(x)
    fourth, fifth = features[3], features[4]
    lateral = graph.relu(graph.convolution(fourth, "conv4_128"))
    context = _upsample(graph, graph.relu(graph.convolution(fifth, "conv5_128")), weights.architecture.lateral)
    fused = graph.node("Add", [_crop(graph, context, lateral), lateral])
    first = graph.relu(graph.convolution(fused, "conv4_fuse_final"))
    for module, inputs in zip(MODULES, (first, fifth, graph.pool(fifth)), strict=True):
        _module(graph, module, inputs)
    metadata = {**weights.metadata, "architecture": weights.architecture.as_json()}
    outputs = {name: 4 if name.endswith("cls") else 8 for name in OUTPUTS}
    return graph.content(weights.architecture.name, outputs, metadata)


def _upsample(graph: GraphWriter, x: str, channels: int) -> str:
    line = np.array([0.25, 0.75, 0.75, 0.25], dtype=np.float32)
    kernel = np.tile(np.outer(line, line), (channels, 1, 1, 1))
    name = graph.constant("conv5_128_up.weight", kernel)
    return graph.node(
        "ConvTranspose", [x, name], kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1], group=channels
    )


def _crop(graph: GraphWriter, x: str, like: str) -> str:
    start = graph.constant("crop_start", np.array([0, 0], dtype=np.int64))
    axes = graph.constant("crop_axes", np.array([2, 3], dtype=np.int64))
    first, end = (graph.constant(f"size_{at}", np.array([at], dtype=np.int64)) for at in (2, 4))
    size = graph.node("Slice", [graph.node("Shape", [like]), first, end])
    return graph.node("Slice", [x, start, size, axes])


def _module(graph: GraphWriter, name: str, x: str) -> None:
    context = graph.relu(graph.convolution(x, f"{name}.dimred"))
    far = graph.convolution(graph.relu(graph.convolution(context, f"{name}.conv7x7_1")), f"{name}.conv7x7")
    branches = [graph.convolution(x, f"{name}.conv3x3"), graph.convolution(context, f"{name}.conv5x5"), far]
    features = graph.relu(graph.node("Concat", branches, axis=1))
    graph.convolution(features, f"{name}.cls_score", f"{name}_cls")
    graph.convolution(features, f"{name}.bbox_pred", f"{name}_bbox")
