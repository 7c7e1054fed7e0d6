"""S3FD as an ONNX model of dynamic size, written without torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sshbench.rivals.layers import Conv
from sshbench.rivals.s3fd_layers import SOURCES, Variant
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.graph_writer import INPUT, GraphWriter


def onnx_model(variant: Variant, parameters: Mapping[str, Float32Array]) -> bytes:
    """Return the content of the network's ONNX file; `onnx.checker` has checked it.

    Args:
        variant: Which of the published networks.
        parameters: By Caffe's names.

    Returns:
        A model with the float32 input `image` (n, 3, height, width), BGR minus the mean, and for each source the
        outputs `conv3_3_scores` (n, 2, h, w), after max-out, and `conv3_3_deltas` (n, 4, h, w) and so on.
    """
    graph = GraphWriter(parameters)
    maps: dict[str, str] = {}
    x = INPUT
    for step in variant.trunk():
        if isinstance(step, Conv):
            made = graph.convolution(x, step.name, stride=step.stride, pad=step.pad, dilation=step.dilation)
            x = maps[step.name] = graph.relu(made)
        else:
            x = graph.pool(x, ceil=step.ceil)
    outputs: dict[str, int] = {}
    for source in SOURCES:
        features = maps[source.layer]
        if source.scale:
            features = _normalised(graph, features, source.head)
        names = f"{source.layer}_scores", f"{source.layer}_deltas"
        outputs |= dict(zip(names, (2, 4), strict=True))
        scores = graph.convolution(features, f"{source.head}_mbox_conf", "" if source.background > 1 else names[0])
        if source.background > 1:
            _max_out(graph, scores, source.background, names[0])
        graph.convolution(features, f"{source.head}_mbox_loc", names[1])
    return graph.content("s3fd", outputs, {"variant": variant.name})


def _normalised(graph: GraphWriter, x: str, layer: str) -> str:
    """Divide by the length over channels, and multiply by the learnt scales."""
    scale = graph.constant(f"{layer}.weight", graph.parameters[f"{layer}.weight"].reshape(1, -1, 1, 1))
    epsilon = graph.constant(f"{layer}_epsilon", np.array([1e-10], dtype=np.float32))
    squares = graph.node("ReduceSum", [graph.node("Mul", [x, x]), graph.constant(f"{layer}_axis", np.array([1]))])
    length = graph.node("Sqrt", [graph.node("Add", [squares, epsilon])])
    return graph.node("Mul", [graph.node("Div", [x, length]), scale])


def _max_out(graph: GraphWriter, x: str, background: int, output: str) -> None:
    """Keep the largest of the background's scores."""
    first, end, last, axis = (
        graph.constant(f"max_out_{name}", np.array([value], dtype=np.int64))
        for name, value in (("first", 0), ("end", background), ("last", background + 1), ("axis", 1))
    )
    best = graph.node("ReduceMax", [graph.node("Slice", [x, first, end, axis])], axes=[1], keepdims=1)
    graph.node("Concat", [best, graph.node("Slice", [x, end, last, axis])], output, axis=1)
