"""What is known of a finished run: read from its folder, or from what `sshbench archive` kept of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sshbench.detectors.contract import Settings
from sshbench.detectors.pixels import Pixels, mean_pixels
from sshbench.errors import InputError, MissingDataError
from sshbench.evaluation.record import EvaluationRecord
from sshbench.protocols import Protocol
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, Identity, Run, is_run, open_run

_Model = TypeVar("_Model", bound=BaseModel)
_ADDED = ("key", "detections_sha256", "pixels")  # to an identity, by the archive


@dataclass(frozen=True, slots=True)
class Measured:
    """Who made a run, its figures, the rules they were made by, and how many pixels the network got."""

    identity: Identity
    record: EvaluationRecord
    protocol: Protocol
    pixels: Pixels


def read_measured(folder: Path) -> Measured:
    """Read identity, record, protocol and mean pixels of a run.

    Raises:
        MissingDataError: There is no evaluated run in the folder.
        InputError: A file is damaged; the text names it.
    """
    if not (folder / IDENTITY).is_file():
        raise MissingDataError(f"there is no run in {folder}", remedy="A run's folder holds identity.json")
    if not (folder / METRICS).is_file():
        raise MissingDataError(f"the run in {folder} was never evaluated", remedy="Run `sshbench eval` on it")
    identity = _read(folder / IDENTITY, Identity)
    record, protocol = _read(folder / METRICS, EvaluationRecord), _read(folder / PROTOCOL, Protocol)
    if is_run(folder):
        with open_run(folder) as run:
            return Measured(identity, record, protocol, pixels_of_run(run))
    return Measured(identity, record, protocol, _archived_pixels(folder / IDENTITY, identity))


def pixels_of_run(run: Run) -> Pixels:
    """Return the mean pixels of the images of a run, and of what its network got; unknown for imported detections."""
    return _pixels(run.identity, run.image_sizes())


def _pixels(identity: Identity, sizes: list[tuple[int, int]] | None) -> Pixels:
    if identity.predictions_sha256 is not None:
        return Pixels()
    return mean_pixels(identity.detector, Settings(**identity.settings), sizes)


def _archived_pixels(path: Path, identity: Identity) -> Pixels:
    """Return the pixels that the archive kept. Archives of older versions kept none; a fixed input size gives them."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8")).get("pixels")
        return _pixels(identity, None) if kept is None else Pixels.model_validate(kept)
    except ValidationError as error:
        raise InputError(f"'pixels' cannot be read ({error})", file=path, remedy="Archive the run again") from error


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if model is Identity and isinstance(content, dict):
            content = {name: value for name, value in content.items() if name not in _ADDED}
        return model.model_validate(content)
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Evaluate the run again") from error
