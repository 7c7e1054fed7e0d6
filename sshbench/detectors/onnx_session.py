"""Opening published ONNX networks, with the errors a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sshbench.errors import InputError


def open_session(path: Path, outputs: Sequence[str], content: bytes | None = None) -> Any:
    """An ONNX Runtime session on the CPU.

    Args:
        path: The file, for reading and for messages.
        outputs: Names that the network must have.
        content: What to open in the file's place, where it had to be changed.

    Raises:
        InputError: ONNX Runtime cannot read it, or it has not these outputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # published files hold unused parts, and sizes that were freed on purpose
    try:
        session: Any = onnxruntime.InferenceSession(
            content or path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
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
