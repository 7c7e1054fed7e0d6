"""An HR network as an ONNX model of dynamic size, written without torch, batch normalisations folded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from sshbench.rivals.hr_fold import folded
from sshbench.rivals.hr_graph import Convolution, Crop, Graph, Layer, Pool, Relu, Sides, Sum, Upsample
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.anchors import Float32Array

INPUT = "image"
OUTPUTS = ("logits", "deltas")
_IR_VERSION, _OPSET = 8, 17


def hr_onnx_model(weights: HrWeights) -> bytes:
    """Return the content of the network's ONNX file; `onnx.checker` has checked it.

    Returns:
        A model with the float32 input `image` (n, 3, height, width), RGB minus the mean, and the outputs `logits`
        (n, 25, h, w) and `deltas` (n, 100, h, w). Equal weights give equal bytes.
    """
    graph, parameters = folded(weights)
    written = _Writer(parameters)
    written.rename = {graph.input: INPUT}
    for layer in graph.layers:
        written.layer(layer)
    written.split(graph.output, len(weights.templates))
    content = bytes(written.model(graph, weights).SerializeToString(deterministic=True))
    checker.check_model(content)
    return content


class _Writer:
    """Nodes and constants of a graph that is being written."""

    def __init__(self, parameters: dict[str, Float32Array]) -> None:
        self.rename: dict[str, str] = {}
        self._parameters = parameters
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def layer(self, layer: Layer) -> None:
        inputs = [self.rename.get(name, name) for name in layer.inputs]
        output = self.rename.get(layer.output, layer.output)
        if isinstance(layer, Convolution):
            names = [layer.filter, *([layer.bias] if layer.bias else [])]
            constants = [self._constant(name, self._parameters[name]) for name in names]
            pads = {"pads": _pads(layer.pad), "dilations": layer.dilate}
            self._node("Conv", [*inputs, *constants], output, strides=layer.stride, kernel_shape=layer.kernel, **pads)
        elif isinstance(layer, Upsample):
            self._upsample(layer, inputs[0], output)
        elif isinstance(layer, Pool):
            attributes = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": _pads(layer.pad)}
            self._node("MaxPool", inputs, output, **attributes)
        elif isinstance(layer, Relu):
            self._node("Relu", inputs, output)
        elif isinstance(layer, Sum):
            self._sum(inputs, output)
        elif isinstance(layer, Crop):
            self._crop(inputs, output)

    def _upsample(self, layer: Upsample, x: str, output: str) -> None:
        """Cut as much as all sides have in common by padding, the rest afterwards: OpenCV pads evenly only."""
        even = [min(layer.crop[at : at + 2]) for at in (0, 2)]
        rest = [side - even[at // 2] for at, side in enumerate(layer.crop)]
        kernel = self._constant(layer.filter, self._parameters[layer.filter])
        attributes = {"kernel_shape": layer.kernel, "strides": layer.up, "pads": even * 2}
        made = f"{output}_uncut" if any(rest) else output
        self._node("ConvTranspose", [x, kernel], made, group=layer.channels, **attributes)
        if any(rest):
            top, bottom, left, right = rest
            ends = [-side if side else np.iinfo(np.int64).max for side in (bottom, right)]
            bounds = (("start", [top, left]), ("end", ends), ("axes", [2, 3]))
            names = [self._constant(f"{output}_{name}", np.array(value)) for name, value in bounds]
            self._node("Slice", [made, *names], output)

    def _sum(self, inputs: list[str], output: str) -> None:
        total = inputs[0]
        for position, other in enumerate(inputs[1:], start=2):
            made = output if position == len(inputs) else f"{output}_{position}"
            self._node("Add", [total, other], made)
            total = made

    def _crop(self, inputs: list[str], output: str) -> None:
        numbers = (("start", [0, 0]), ("axes", [2, 3]), ("two", [2]), ("four", [4]))
        start, axes, two, four = (self._constant(f"crop_{name}", np.array(value)) for name, value in numbers)
        self._node("Shape", [inputs[1]], f"{output}_shape")
        self._node("Slice", [f"{output}_shape", two, four], f"{output}_size")
        self._node("Slice", [inputs[0], start, f"{output}_size", axes], output)

    def split(self, scores: str, templates: int) -> None:
        bounds = [self._constant(f"split_{at}", np.array([at * templates])) for at in (0, 1, 5)]
        axis = self._constant("split_axis", np.array([1]))
        for name, first, end in zip(OUTPUTS, bounds, bounds[1:], strict=False):
            self._node("Slice", [scores, first, end, axis], name)

    def _node(self, operator: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> None:
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)

    def _constant(self, name: str, value: Float32Array | npt.NDArray[np.int64]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def model(self, graph: Graph, weights: HrWeights) -> ModelProto:
        tensor, templates = helper.make_tensor_value_info, len(weights.templates)
        made = helper.make_graph(
            self._nodes,
            graph.name,
            [tensor(INPUT, TensorProto.FLOAT, ["n", 3, "height", "width"])],
            [
                tensor(name, TensorProto.FLOAT, ["n", width, "h", "w"])
                for name, width in zip(OUTPUTS, (templates, 4 * templates), strict=True)
            ],
            list(self._constants.values()),
        )
        imports = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(made, producer_name="sshbench", ir_version=_IR_VERSION, opset_imports=imports)
        helper.set_model_props(model, dict(weights.metadata))
        return model


def _pads(sides: Sides) -> list[int]:
    top, bottom, left, right = sides
    return [top, left, bottom, right]
