"""Open published ONNX networks, with errors that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.errors import InputError, SshbenchError
from sshbench.runtimes.network import OnnxNetwork, open_onnx
from sshbench.runtimes.plan import Plan

if TYPE_CHECKING:
    from onnx import ValueInfoProto

PLAIN = Plan("onnxruntime", "fp32")


def open_session(
    path: Path, outputs: Sequence[str], *, free_size: bool = False, free_batch: bool = False, asked: Plan = PLAIN
) -> OnnxNetwork:
    """Open a published ONNX network.

    Args:
        path: The file.
        outputs: Names that the network must have.
        free_size: Free the input's height and width, which are declared fixed although the graph works at any size.
        free_batch: With `free_size`, free the batch too.
        asked: How to run it; default: by ONNX Runtime in fp32 on the CPU.

    Raises:
        InputError: The library cannot read the file, or the network lacks one of the outputs.
        UsageError: The library runs the network in another way than `asked`.
    """
    return open_network(read_network(path, free_size=free_size, free_batch=free_batch), path, outputs, asked)


def read_network(path: Path, *, free_size: bool = False, free_batch: bool = False) -> bytes:
    """Return the content of an ONNX file, with its sizes freed as `open_session` does.

    Raises:
        InputError: It is no ONNX model.
    """
    content = path.read_bytes()
    if not free_size:
        return content
    try:
        return free_spatial_dims(content, batch=free_batch)
    except ValueError as error:
        raise InputError(f"invalid ONNX file ({error})", file=path, remedy="Check --weights") from error


def open_network(content: bytes, path: Path, outputs: Sequence[str], asked: Plan = PLAIN) -> OnnxNetwork:
    """Open an ONNX network that has been read; see `open_session`.

    Raises:
        InputError: The library cannot read it, or the network lacks one of the outputs.
        UsageError: The library runs the network in another way than `asked`.
    """
    try:
        network = open_onnx(content, asked)
    except SshbenchError:
        raise
    except Exception as error:  # the libraries' own exceptions share no other base
        library = "OpenVINO" if asked.backend == "openvino" else "ONNX Runtime"
        raise InputError(f"{library} cannot read the network ({error})", file=path, remedy="Check --weights") from error
    missing = set(outputs) - {output.name for output in network.outputs}
    if missing:
        raise InputError(
            "the network lacks outputs", file=path, field="outputs", value=sorted(missing), remedy="Check --weights"
        )
    return network


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
