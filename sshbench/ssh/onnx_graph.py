"""SSH as an ONNX model of dynamic size, written without torch.

Details that other exporters get wrong: pools that round up, the transposed convolution with its fixed
bilinear weights, the crop to the lateral feature's size.

Operators: opset 17. The crop reads the size with `Shape` and `Slice`, not with the `start` and `end` of a newer
`Shape`, which OpenCV does not read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import MODULES
from sshbench.ssh.weights import Weights

INPUT = "image"
OUTPUTS = [f"{module}_{kind}" for module in MODULES for kind in ("cls", "bbox")]
_IR_VERSION, _OPSET = 8, 17


def onnx_model(weights: Weights) -> bytes:
    """Return the content of the network's ONNX file; `onnx.checker` has checked it.

    Args:
        weights: Parameters and widths.

    Returns:
        A model with the float32 input `image` (n, 3, height, width), BGR minus the mean, and the outputs `m1_cls`
        (n, 4, h, w), `m1_bbox` (n, 8, h, w) and so on. Equal weights give equal bytes.
    """
    graph = _Graph(weights)
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
    context = graph.upsample(graph.relu(graph.convolution(fifth, "conv5_128")), weights.architecture.lateral)
    fused = graph.node("Add", [graph.crop(context, lateral), lateral])
    first = graph.relu(graph.convolution(fused, "conv4_fuse_final"))
    for module, inputs in zip(MODULES, (first, fifth, graph.pool(fifth)), strict=True):
        graph.module(module, inputs)
    content = bytes(graph.model().SerializeToString(deterministic=True))
    checker.check_model(content)
    return content


class _Graph:
    """The nodes and constants of a graph that is being written."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: int | Sequence[int]) -> str:
        output = output or f"{operator.lower()}_{len(self._nodes) + 1}"
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return output

    def convolution(self, x: str, layer: str, output: str = "", *, stride: int = 1) -> str:
        weight = self._weights.parameters[f"{layer}.weight"]
        side = weight.shape[2]
        names = [self.constant(f"{layer}.weight", weight)]
        names.append(self.constant(f"{layer}.bias", self._weights.parameters[f"{layer}.bias"]))
        return self.node(
            "Conv", [x, *names], output, kernel_shape=[side] * 2, pads=[side // 2] * 4, strides=[stride] * 2
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def pool(self, x: str) -> str:
        return self.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)

    def upsample(self, x: str, channels: int) -> str:
        line = np.array([0.25, 0.75, 0.75, 0.25], dtype=np.float32)
        kernel = np.tile(np.outer(line, line), (channels, 1, 1, 1))
        name = self.constant("conv5_128_up.weight", kernel)
        return self.node(
            "ConvTranspose", [x, name], kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1], group=channels
        )

    def crop(self, x: str, like: str) -> str:
        start = self.constant("crop_start", np.array([0, 0], dtype=np.int64))
        axes = self.constant("crop_axes", np.array([2, 3], dtype=np.int64))
        first, end = (self.constant(f"size_{at}", np.array([at], dtype=np.int64)) for at in (2, 4))
        size = self.node("Slice", [self.node("Shape", [like]), first, end])
        return self.node("Slice", [x, start, size, axes])

    def module(self, name: str, x: str) -> None:
        context = self.relu(self.convolution(x, f"{name}.dimred"))
        far = self.convolution(self.relu(self.convolution(context, f"{name}.conv7x7_1")), f"{name}.conv7x7")
        branches = [self.convolution(x, f"{name}.conv3x3"), self.convolution(context, f"{name}.conv5x5"), far]
        features = self.relu(self.node("Concat", branches, axis=1))
        self.convolution(features, f"{name}.cls_score", f"{name}_cls")
        self.convolution(features, f"{name}.bbox_pred", f"{name}_bbox")

    def constant(self, name: str, value: Float32Array | npt.NDArray[np.int64]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def model(self) -> ModelProto:
        tensor = helper.make_tensor_value_info
        sizes = {name: ["n", 4 if name.endswith("cls") else 8, f"{name}_h", f"{name}_w"] for name in OUTPUTS}
        graph: GraphProto = helper.make_graph(
            self._nodes,
            self._weights.architecture.name,
            [tensor(INPUT, TensorProto.FLOAT, ["n", 3, "height", "width"])],
            [tensor(name, TensorProto.FLOAT, size) for name, size in sizes.items()],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="sshbench",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        said = {**self._weights.metadata, "architecture": self._weights.architecture.as_json()}
        helper.set_model_props(model, dict(sorted(said.items())))  # safetensors returns them in any order
        return model
