"""Opening published ONNX networks, with the errors a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sshbench.detectors.onnx_dims import free_spatial_dims
from sshbench.errors import InputError


def open_session(path: Path, outputs: Sequence[str], *, free_size: bool = False, free_batch: bool = False) -> Any:
    """An ONNX Runtime session on the CPU.

    Args:
        path: The file, for reading and for messages.
        outputs: Names that the network must have.
        free_size: The input's height and width are declared fixed although the graph works at any: free them.
        free_batch: With `free_size`, free the batch too.

    Raises:
        InputError: ONNX Runtime cannot read it, or it has not these outputs.
    """
    import onnxruntime

    content = path.read_bytes()
    if free_size:
        try:
            content = free_spatial_dims(content, batch=free_batch)
        except ValueError as error:
            raise InputError(f"is no ONNX file ({error})", file=path, remedy="Check --weights") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # published files hold unused parts, and sizes that were freed on purpose
    try:
        session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no other base
        raise InputError(
            f"is no network that ONNX Runtime can read ({error})", file=path, remedy="Check --weights"
        ) from error
    missing = set(outputs) - {output.name for output in session.get_outputs()}
    if missing:
        raise InputError(
            "is another network", file=path, field="outputs", value=sorted(missing), remedy="Check --weights"
        )
    return session
