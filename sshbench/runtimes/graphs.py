"""What the graph of an ONNX network says of its precision, and what is changed in it for another precision."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from sshbench.runtimes.plan import Precision

_CONVOLUTIONS = ("Conv", "ConvTranspose", "FusedConv", "NhwcConv", "NhwcFusedConv", "QLinearConv", "ConvInteger")
_PRODUCTS = ("Gemm", "MatMul", "FusedGemm", "FusedMatMul", "QGemm", "QLinearMatMul", "MatMulInteger")
_INTEGER = ("QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger")
WEIGHTED = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
"""The operators that have nearly all of a network's weights and work."""


def precision_of(content: bytes) -> Precision | None:
    """Return the precision of most convolutions of a graph; of most products of matrices, if it has no convolution.

    An operator of integers counts as int8, another one by the type of its weights. A convolution of numbers that were
    quantized and converted back is one of fp32, as that is what is computed.

    Returns:
        None for a graph with neither.
    """
    from onnx import ModelProto, TensorProto

    graph = ModelProto.FromString(content).graph
    names: dict[int, Precision] = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
    types = {tensor.name: names.get(tensor.data_type, "fp32") for tensor in graph.initializer}
    for kinds in (_CONVOLUTIONS, _PRODUCTS):
        counted = Counter(_precision(node, types) for node in graph.node if node.op_type in kinds)
        if counted:
            return counted.most_common(1)[0][0]
    return None


def _precision(node: NodeProto, types: dict[str, Precision]) -> Precision:
    return "int8" if node.op_type in _INTEGER else types.get(node.input[1], "fp32")


def is_quantized(model: ModelProto) -> bool:
    """Return whether a graph holds scales of int8 already."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear", *_INTEGER) for node in model.graph.node)


def half_precision(content: bytes) -> bytes:
    """Return a network whose weights and sums are fp16; inputs and outputs stay fp32."""
    from onnx import ModelProto
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model: ModelProto = convert_float_to_float16(ModelProto.FromString(content), keep_io_types=True)
    return bytes(model.SerializeToString(deterministic=True))


def last_layers(graph: GraphProto) -> list[str]:
    """Return the nodes that stay float in int8: the last layers with weights, and everything behind them.

    The last layers make the scores and boxes. They are small, and what they round off is in the result as it is; behind
    them come sigmoid, softmax, and the decoding of boxes, whose range is far larger than 256 steps.

    Args:
        graph: A graph whose nodes have names.

    Returns:
        Names of every node from which an output can be reached without passing another convolution or product of
        matrices, in the order of the graph.
    """
    makers = {name: node for node in graph.node for name in node.output}
    waiting = [value.name for value in graph.output]
    found: set[str] = set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in found:
            continue
        found.add(node.name)
        if node.op_type not in (*WEIGHTED, "Shape"):  # a size is no value
            waiting.extend(node.input)
    return [node.name for node in graph.node if node.name in found]
