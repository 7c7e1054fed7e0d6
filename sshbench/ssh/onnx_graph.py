"""SSH as an ONNX file of dynamic size, written without torch or the onnx package.

The graph is small and fixed, and writing it directly keeps it exact: ceil-mode pools, the transposed convolution with
its bilinear weights, the crop to the lateral feature's size.

Field numbers: onnx.proto3. Operators: opset 17.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sshbench.protobuf import field
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import MODULES
from sshbench.ssh.weights import Weights

INPUT = "image"
OUTPUTS = [f"{module}_{kind}" for module in MODULES for kind in ("cls", "bbox")]
_IR_VERSION, _OPSET = 8, 17
_FLOAT, _INT64 = 1, 7
_INT, _INTS = 2, 7  # AttributeProto.AttributeType


def onnx_model(weights: Weights) -> bytes:
    """The network as an ONNX model: input `image` (n, 3, h, w), outputs `m1_cls`, `m1_bbox` and so on."""
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
    return graph.model()


class _Graph:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._count = 0

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: int | Sequence[int]) -> str:
        self._count += 1
        output = output or f"{operator.lower()}_{self._count}"
        parts = [field(1, name) for name in inputs] + [field(2, output), field(3, output), field(4, operator)]
        parts += [field(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join(parts))
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
        size = self.node("Shape", [like], start=2, end=4)
        start = self.constant("crop_start", np.array([0, 0], dtype=np.int64))
        axes = self.constant("crop_axes", np.array([2, 3], dtype=np.int64))
        return self.node("Slice", [x, start, size, axes])

    def module(self, name: str, x: str) -> None:
        context = self.relu(self.convolution(x, f"{name}.dimred"))
        far = self.convolution(self.relu(self.convolution(context, f"{name}.conv7x7_1")), f"{name}.conv7x7")
        branches = [self.convolution(x, f"{name}.conv3x3"), self.convolution(context, f"{name}.conv5x5"), far]
        features = self.relu(self.node("Concat", branches, axis=1))
        self.convolution(features, f"{name}.cls_score", f"{name}_cls")
        self.convolution(features, f"{name}.bbox_pred", f"{name}_bbox")

    def constant(self, name: str, value: Float32Array | npt.NDArray[np.int64]) -> str:
        kind = _FLOAT if value.dtype == np.float32 else _INT64
        dims = b"".join(field(1, size) for size in value.shape)
        raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes()
        self._constants.append(dims + field(2, kind) + field(8, name) + field(9, raw))
        return name

    def model(self) -> bytes:
        parts = [field(1, node) for node in self._nodes] + [field(2, self._weights.architecture.name)]
        parts += [field(5, constant) for constant in self._constants]
        parts.append(field(11, _value(INPUT, ("n", 3, "height", "width"))))
        for name in OUTPUTS:
            channels = 4 if name.endswith("cls") else 8
            parts.append(field(12, _value(name, ("n", channels, f"{name}_h", f"{name}_w"))))
        metadata = {**self._weights.metadata, "architecture": self._weights.architecture.as_json()}
        return b"".join(
            [
                field(1, _IR_VERSION),
                field(2, "sshbench"),
                field(7, b"".join(parts)),
                field(8, field(1, "") + field(2, _OPSET)),
                *(field(14, field(1, key) + field(2, text)) for key, text in metadata.items()),
            ]
        )


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, _INT)
    return field(1, name) + b"".join(field(8, number) for number in value) + field(20, _INTS)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in shape)
    tensor = field(1, _FLOAT) + field(2, dims)
    return field(1, name) + field(2, field(1, tensor))
