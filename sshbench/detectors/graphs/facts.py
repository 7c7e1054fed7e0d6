"""What a graph says of itself: its inputs and outputs, and what its maker noted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.errors import InputError, MissingDataError
from sshbench.files import sha256_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

_REMEDY = "Export the model again"


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """An input or an output.

    Attributes:
        name: Its name.
        shape: Its sides; None where a side is free or not known. None: nothing is known.
        dtype: Type of its numbers as NumPy writes it; empty where not known.

    >>> print(TensorFacts("images", (None, 3, 640, 640), "float32"))
    images (?, 3, 640, 640) float32
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str = ""

    def __str__(self) -> str:
        sides = "(?)" if self.shape is None else f"({', '.join('?' if n is None else str(n) for n in self.shape)})"
        return f"{self.name} {sides} {self.dtype}".rstrip()


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What a graph says of itself.

    Attributes:
        path: Its file.
        sha256: Hash of its file, and of the files beside it that hold its weights.
        inputs: Its inputs, parameters left out.
        outputs: Its outputs.
        bytes: Size of its file, and of those files.
        weights_beside: Whether there are such files.
        metadata: What its maker noted, by name.
        first_operators: The operators that take the input.
    """

    path: Path
    sha256: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    bytes: int
    weights_beside: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    first_operators: tuple[str, ...] = ()

    def listed(self) -> str:
        """Return inputs and outputs in words."""
        return f"inputs: {_listed(self.inputs)}; outputs: {_listed(self.outputs)}"


def _listed(tensors: Sequence[TensorFacts]) -> str:
    return ", ".join(map(str, tensors)) or "none"


def onnx_facts(path: Path) -> GraphFacts:
    """Read what an ONNX file says of itself.

    Raises:
        MissingDataError: The file, or one that holds its weights, is not there.
        InputError: It is no ONNX graph, or one without inputs or outputs.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no ONNX file {path}", remedy="Check the path behind onnx:")
    model = _parsed(path)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_tensor(value) for value in graph.input if value.name not in constants)
    outputs = tuple(_tensor(value) for value in graph.output)
    if not inputs or not outputs:
        what = "inputs" if not inputs else "outputs"
        raise InputError(f"the graph has no {what}", file=path, remedy=_REMEDY)
    names = {one.name for one in inputs}
    beside = _external(graph)
    return GraphFacts(
        path,
        _sha256(path, beside),
        inputs,
        outputs,
        sum(file.stat().st_size for file in (path, *(path.parent / name for name in beside))),
        bool(beside),
        {entry.key: entry.value for entry in model.metadata_props},
        tuple(sorted({node.op_type for node in graph.node if names & set(node.input)})),
    )


def _parsed(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        model: ModelProto = ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        text = "not an ONNX file, or a part of one"
        raise InputError(f"{text} ({error})", file=path, remedy=_REMEDY) from error
    if not model.graph.node:
        raise InputError("not an ONNX file, or a graph without operators", file=path, remedy=_REMEDY)
    return model


def _tensor(value: ValueInfoProto) -> TensorFacts:
    from onnx import helper

    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        sides = tensor.shape.dim
        shape = tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in sides)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else ""
    return TensorFacts(value.name, shape, dtype)


def _external(graph: GraphProto) -> list[str]:
    """Return the names of the files beside the graph that hold its weights."""
    from onnx import TensorProto

    entries = (
        entry for one in graph.initializer if one.data_location == TensorProto.EXTERNAL for entry in one.external_data
    )
    return sorted({entry.value for entry in entries if entry.key == "location"})


def _sha256(path: Path, external: Sequence[str]) -> str:
    """Return the hash of a graph's file; with files of weights, that of all their hashes."""
    for name in external:
        if not (path.parent / name).is_file():
            raise MissingDataError(
                f"{path}: the file of its weights, {path.parent / name}, is missing",
                remedy="Put it beside the graph under this name, or export the model into one file",
            )
    hashes = [sha256_of(path), *(sha256_of(path.parent / name) for name in external)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
