"""What is known of a finished run: read from its folder, or from what `sshbench archive` kept of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sshbench.errors import InputError, MissingDataError
from sshbench.evaluation import EvaluationRecord
from sshbench.protocols import Protocol
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, Identity

_Model = TypeVar("_Model", bound=BaseModel)
_ADDED = ("key", "detections_sha256")  # to an identity, by the archive


@dataclass(frozen=True, slots=True)
class Measured:
    """Who made a run, its figures, and the rules they were made by."""

    identity: Identity
    record: EvaluationRecord
    protocol: Protocol


def read_measured(folder: Path) -> Measured:
    """Read identity, record and protocol of a run.

    Raises:
        MissingDataError: There is no evaluated run in the folder.
        InputError: A file is damaged; the text names it.
    """
    if not (folder / IDENTITY).is_file():
        raise MissingDataError(f"there is no run in {folder}", remedy="A run's folder holds identity.json")
    if not (folder / METRICS).is_file():
        raise MissingDataError(f"the run in {folder} was never evaluated", remedy="Run `sshbench eval` on it")
    return Measured(
        _read(folder / IDENTITY, Identity),
        _read(folder / METRICS, EvaluationRecord),
        _read(folder / PROTOCOL, Protocol),
    )


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if model is Identity and isinstance(content, dict):
            content = {name: value for name, value in content.items() if name not in _ADDED}
        return model.model_validate(content)
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Evaluate the run again") from error
