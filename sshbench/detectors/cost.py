"""How large a network is, and how much work it is: counted from its graph, not from a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from sshbench.detectors.contract import Prepared
from sshbench.models import StrictModel

if TYPE_CHECKING:
    import cv2
    from onnx import ModelProto, NodeProto


class NetworkCost(StrictModel):
    """Size and work of a network.

    Attributes:
        parameters: Numbers in its weights.
        gflop: 10^9 operations for one image, a multiplication and its addition counted as two, of convolutions and
            matrix products alone.
        weights_bytes: Size of its weights file.
    """

    parameters: int
    gflop: float
    weights_bytes: int | None = None


@runtime_checkable
class HasCost(Protocol):
    """A detector whose work does not depend on what an image shows, so that it can be counted."""

    def cost(self, prepared: Prepared[Any]) -> NetworkCost | None:
        """Return size and work of the network for an input; None where they cannot be counted."""


def mean_cost(costs: Sequence[NetworkCost]) -> NetworkCost | None:
    """Return the mean work over several images; None for no image.

    >>> mean_cost([NetworkCost(parameters=5, gflop=1.0), NetworkCost(parameters=5, gflop=2.0)]).gflop
    1.5
    """
    if not costs:
        return None
    return costs[0].model_copy(update={"gflop": sum(cost.gflop for cost in costs) / len(costs)})


def onnx_cost(model: ModelProto, shape: Sequence[int]) -> NetworkCost | None:
    """Count parameters and work of an ONNX network.

    Args:
        model: The network, with one input that is no parameter.
        shape: Of the input, (n, channels, height, width).

    Returns:
        Parameters are all constants of floating-point numbers in the graph; `weights_bytes` is None. None where the
        size of a layer's output does not follow from that of the input.
    """
    from onnx import ModelProto as Copy
    from onnx.shape_inference import infer_shapes

    fixed = Copy()
    fixed.CopyFrom(model)
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in fixed.graph.input:
        if value.name not in constants:
            for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
                dimension.dim_value = size
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    del fixed.graph.value_info[:]
    graph = infer_shapes(fixed, data_prop=True).graph
    shapes = dict(constants)
    for value in (*graph.value_info, *graph.input, *graph.output):
        sides = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        shapes[value.name] = (sides[0] or shape[0], *sides[1:]) if sides else ()  # 0: not known
    floats = (1, 10, 11, 16)  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
    parameters = sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in floats)
    try:
        operations = sum(_operations(node, shapes) for node in graph.node)
    except LookupError:
        return None
    return NetworkCost(parameters=parameters, gflop=operations / 1e9)


def _operations(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> float:
    """Return the operations of one node; 0 where it is neither a convolution nor a product of matrices.

    Raises:
        LookupError: A size that it depends on is not known.
    """
    if node.op_type in ("Conv", "ConvTranspose"):
        weight = shapes[node.input[1]]
        # Every output element is a sum over the weights of its channel; a transposed one, every input element.
        element = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
        operations = 2.0 * prod(element) * prod(weight[1:])
    elif node.op_type in ("Gemm", "MatMul"):
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        operations = 2.0 * prod(shapes[node.output[0]]) * shapes[node.input[0]][-2 if transposed else -1]
    else:
        return 0.0
    if not operations:
        raise LookupError(node.name)
    return operations


def opencv_cost(net: cv2.dnn.Net, shape: Sequence[int]) -> NetworkCost:
    """Count parameters and work of a network that OpenCV has read.

    OpenCV's own `getFLOPS` counts grouped convolutions as whole ones, and is not used.

    Args:
        net: The network.
        shape: Of the input, (n, channels, height, width).
    """
    parameters, operations = 0, 0.0
    ids, inputs, outputs = net.getLayersShapes([int(side) for side in shape])
    for number, ins, outs in zip(np.ravel(ids).tolist(), inputs, outputs, strict=True):
        layer = net.getLayer(int(number))
        blobs = [np.asarray(blob) for blob in layer.blobs]
        parameters += sum(int(blob.size) for blob in blobs)
        if blobs and layer.type in ("Convolution", "Deconvolution", "InnerProduct"):
            element = np.ravel(ins[0] if layer.type == "Deconvolution" else outs[0]).tolist()
            operations += 2.0 * prod(element) * prod(blobs[0].shape[1:])
    return NetworkCost(parameters=parameters, gflop=operations / 1e9)
