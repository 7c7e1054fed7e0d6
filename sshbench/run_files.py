"""The list of the files that an evaluation wrote into a run folder, with their hashes.

It tells whether a file was changed afterwards, and which files of an earlier evaluation are out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sshbench.errors import InputError
from sshbench.files import sha256_of
from sshbench.models import FileModel

SEAL = "files.json"
_REMEDY = "Evaluate the run again with `sshbench eval --predictions`, or copy the run again from where it was made"


class RunFiles(FileModel):
    """The file `files.json` of a run.

    Attributes:
        files: sha256 of each file by its name in the run folder.
        detections: sha256 of the detections and their image keys.
    """

    files: Mapping[str, str]
    detections: str


def seal(folder: Path, names: list[str], detections: str) -> None:
    """Note the hashes of the files of an evaluation, and remove the files that an earlier one left behind.

    Args:
        folder: The run folder.
        names: Every file that belongs to the evaluation, by its name in the folder.
        detections: Hash of the detections.
    """
    for name in written(folder):
        if name not in names:
            (folder / name).unlink(missing_ok=True)
    files = {name: sha256_of(folder / name) for name in sorted(names)}
    RunFiles(files=files, detections=detections).write(folder / SEAL)


def check_seal(folder: Path, *names: str) -> None:
    """Check that files of a run are as the evaluation wrote them; runs of older versions have no such list.

    Raises:
        InputError: A file was changed, or removed, after the evaluation.
    """
    sealed = _sealed(folder)
    for name in names:
        if name in sealed and (not (folder / name).is_file() or sha256_of(folder / name) != sealed[name]):
            raise InputError("changed after the evaluation that wrote it", file=folder / name, remedy=_REMEDY)


def check_detections(folder: Path, digest: Callable[[], str]) -> None:
    """Check that the detections of a run are those that were evaluated.

    Args:
        folder: The run folder.
        digest: Returns the hash of the detections that are there now.

    Raises:
        InputError: They changed after the evaluation.
    """
    if (folder / SEAL).is_file() and RunFiles.read(folder / SEAL, remedy=_REMEDY).detections != digest():
        raise InputError("the detections changed after they were evaluated", file=folder, remedy=_REMEDY)


def written(folder: Path) -> list[str]:
    """Return the files that evaluations wrote into a run folder; none where the list is damaged."""
    try:
        names = list(_sealed(folder))
    except InputError:
        return []
    return [name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()]


def _sealed(folder: Path) -> Mapping[str, str]:
    return RunFiles.read(folder / SEAL, remedy=_REMEDY).files if (folder / SEAL).is_file() else {}
