"""Open published ONNX networks, with errors that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sshbench.errors import InputError

if TYPE_CHECKING:
    from onnx import ValueInfoProto


def open_session(path: Path, outputs: Sequence[str], *, free_size: bool = False, free_batch: bool = False) -> Any:
    """Open a published ONNX network in ONNX Runtime, on the CPU.

    Args:
        path: The file.
        outputs: Names that the network must have.
        free_size: Free the input's height and width, which are declared fixed although the graph works at any size.
        free_batch: With `free_size`, free the batch too.

    Raises:
        InputError: ONNX Runtime cannot read the file, or the network lacks one of the outputs.
    """
    import onnxruntime

    content = path.read_bytes()
    if free_size:
        try:
            content = free_spatial_dims(content, batch=free_batch)
        except ValueError as error:
            raise InputError(f"invalid ONNX file ({error})", file=path, remedy="Check --weights") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # published files hold unused parts, and sizes that were freed on purpose
    try:
        session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no other base
        raise InputError(
            f"ONNX Runtime cannot read the network ({error})", file=path, remedy="Check --weights"
        ) from error
    missing = set(outputs) - {output.name for output in session.get_outputs()}
    if missing:
        raise InputError(
            "the network lacks outputs", file=path, field="outputs", value=sorted(missing), remedy="Check --weights"
        )
    return session


def free_spatial_dims(content: bytes, *, batch: bool = False) -> bytes:
    """Return an ONNX model with the sizes of its inputs and outputs free.

    Some published models declare 640 x 640 although their graph works at any size; ONNX Runtime refuses other sizes.
    The declared sizes become symbols, and what was inferred from them is dropped, so that the runtime infers it again.

    Args:
        content: An ONNX file's content.
        batch: Free the first dimension as well. Without it, the second dimension of inputs stays too.

    Raises:
        ValueError: The content is no ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        model = ModelProto.FromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    graph = model.graph
    for value in graph.input:
        _free(value, {1} if batch else {0, 1})
    for value in graph.output:
        _free(value, set() if batch else {0})
    del graph.value_info[:]
    return bytes(model.SerializeToString(deterministic=True))


def _free(value: ValueInfoProto, kept: set[int]) -> None:
    for i, dimension in enumerate(value.type.tensor_type.shape.dim):
        if i not in kept:
            dimension.dim_param = f"d{i}"
