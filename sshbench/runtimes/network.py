"""An ONNX network that is ready to run, in whichever library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sshbench.runtimes.plan import Plan, check_ran

if TYPE_CHECKING:
    from onnx import ValueInfoProto

Array = npt.NDArray[Any]
Run = Callable[[Sequence[str], Mapping[str, Array]], list[Array]]


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of a network.

    Attributes:
        name: Its name.
        shape: Its sizes as the file declares them: numbers, names of free sizes, or None.
        type: As ONNX Runtime writes it: `tensor(float)`.
    """

    name: str
    shape: tuple[int | str | None, ...]
    type: str


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """An ONNX network that is ready to run, and how it runs, read back from the library.

    Attributes:
        run: Function from the names of the outputs that are wanted and the inputs by name to the outputs.
        inputs: Its inputs.
        outputs: Its outputs.
        plan: Effective plan.
        threads: CPU threads that the library uses; None on an accelerator, and where they are unknown (ONNX Runtime
            on systems other than Linux).
        layers: How many of the file's layers with weights run where, by ONNX Runtime's provider; empty where unknown.
    """

    run: Run
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    plan: Plan
    threads: int | None
    layers: Mapping[str, int]


def declared_values(content: bytes) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Return the inputs and outputs that an ONNX file declares; constants are no inputs."""
    from onnx import ModelProto, TensorProto

    graph = ModelProto.FromString(content).graph
    constants = {tensor.name for tensor in graph.initializer}

    def value(one: ValueInfoProto) -> Value:
        tensor = one.type.tensor_type
        shape = tuple(size.dim_param or size.dim_value or None for size in tensor.shape.dim)
        return Value(one.name, shape, f"tensor({TensorProto.DataType.Name(tensor.elem_type).lower()})")

    return tuple(value(one) for one in graph.input if one.name not in constants), tuple(map(value, graph.output))


def open_onnx(content: bytes, asked: Plan) -> OnnxNetwork:
    """Open an ONNX network.

    Args:
        content: Content of the file. For int8 it must hold the scales already; see `sshbench.runtimes.int8`.
        asked: Requested plan, with one of `ONNX_BACKENDS`.

    Raises:
        UsageError: The library runs another precision on this device than `asked` requires, or not on the device.
        Exception: The library cannot read the network; the libraries' own errors share no other base.

    >>> import numpy as np
    >>> from sshbench.runtimes.plan import plan
    >>> from onnx import TensorProto, helper
    >>> sizes = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    >>> graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [sizes],
    ...                           [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])])
    >>> content = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    >>> network = open_onnx(content.SerializeToString(), plan("onnxruntime"))
    >>> network.run(["y"], {"x": np.ones(2, dtype=np.float32)})[0].tolist(), network.plan.precision
    ([-1.0, -1.0], 'fp32')
    """
    if asked.backend == "openvino":
        from sshbench.runtimes.openvino_network import open_openvino as open_network
    else:
        from sshbench.runtimes.onnxruntime_network import open_onnxruntime as open_network
    network = open_network(content, asked)
    check_ran(asked, network.plan)
    return network
