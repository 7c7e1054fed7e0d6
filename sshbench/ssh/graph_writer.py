"""Write the ONNX graph of a network whose outputs are pairs of class scores and deltas, without torch.

Operators: opset 17, as ONNX Runtime, OpenVINO and OpenCV read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, checker, helper, numpy_helper

from sshbench.ssh.anchors import Float32Array

INPUT = "image"
_IR_VERSION, _OPSET = 8, 17


class GraphWriter:
    """The nodes and constants of a graph that is being written.

    Args:
        parameters: Of all layers, by name.
    """

    def __init__(self, parameters: Mapping[str, Float32Array]) -> None:
        self.parameters = parameters
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: int | Sequence[int]) -> str:
        """Add a node; return the name of its output."""
        output = output or f"{operator.lower()}_{len(self._nodes) + 1}"
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return output

    def convolution(
        self, x: str, layer: str, output: str = "", *, stride: int = 1, pad: int | None = None, dilation: int = 1
    ) -> str:
        """Add a convolution with bias; by default its padding keeps the size."""
        weight = self.parameters[f"{layer}.weight"]
        side = weight.shape[2]
        names = [self.constant(f"{layer}.weight", weight)]
        names.append(self.constant(f"{layer}.bias", self.parameters[f"{layer}.bias"]))
        attributes = {"kernel_shape": [side] * 2, "pads": [side // 2 if pad is None else pad] * 4}
        dilated = {"dilations": [dilation] * 2} if dilation > 1 else {}
        return self.node("Conv", [x, *names], output, **attributes, strides=[stride] * 2, **dilated)

    def relu(self, x: str) -> str:
        """Add a ReLU."""
        return self.node("Relu", [x])

    def pool(self, x: str, *, ceil: bool = True) -> str:
        """Add a 2x2 max pool with stride 2."""
        return self.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=int(ceil))

    def constant(self, name: str, value: Float32Array | npt.NDArray[np.int64]) -> str:
        """Add a constant; return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def content(self, name: str, outputs: Mapping[str, int], metadata: Mapping[str, str]) -> bytes:
        """Return the file's content, which `onnx.checker` has checked; equal graphs give equal bytes.

        Args:
            name: Of the graph.
            outputs: Channels of each output by name, in order.
            metadata: Free text by name.
        """
        tensor = helper.make_tensor_value_info
        sizes: dict[str, list[str | int | None]] = {
            out: ["n", count, f"{out}_h", f"{out}_w"] for out, count in outputs.items()
        }
        graph: GraphProto = helper.make_graph(
            self._nodes,
            name,
            [tensor(INPUT, TensorProto.FLOAT, ["n", 3, "height", "width"])],
            [tensor(out, TensorProto.FLOAT, size) for out, size in sizes.items()],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="sshbench",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))  # safetensors returns them in any order
        content = bytes(model.SerializeToString(deterministic=True))
        checker.check_model(content)
        return content
