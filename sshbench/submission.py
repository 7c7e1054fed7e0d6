"""Run a detector over images whose faces are not public, and write the submission for the benchmark's server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sshbench.benchmark import finished_run
from sshbench.datasets.base import Dataset
from sshbench.datasets.check import CheckItem
from sshbench.datasets.submission import Submission, check_files
from sshbench.datasets.wider import load_wider
from sshbench.detectors.contract import SettingValue
from sshbench.detectors.function import DetectorLike
from sshbench.errors import MissingDataError
from sshbench.flat import counted
from sshbench.formats.wider import check_target, write_wider
from sshbench.inference.fill import Helpers
from sshbench.protocols import load_protocol
from sshbench.runs import OnError, Run


def submit(
    detector: DetectorLike,
    archive: str | Path,
    *,
    data: str | Path,
    split: str = "test",
    out: str | Path | None = None,
    settings: Mapping[str, SettingValue | Path | None] | None = None,
    overwrite: bool = False,
    on_error: OnError | None = None,
    image_timeout: float | None = 600,
    workers: int | Literal["auto"] | None = None,
    batch: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> Submission:
    """Run a detector over WIDER FACE test, write the submission, and check it.

    No figure comes out: the faces of the test images are not public. Every image is stored as soon as it is done:
    killed at any moment, the same call resumes the run.

    Args:
        detector: As for `run`.
        archive: The zip to write: `<event>/<image>.txt` for each image of the list, rows `x y w h score` in pixels, by
            falling score. Only one that `submit` wrote is replaced, unless `overwrite` is given.
        data: The dataset's folder, with the list (`wider_face_test_filelist.txt`) and all images (`WIDER_test/images`).
        split: `test`, or another split of WIDER FACE.
        out: The run's folder; default: `runs/wider-<detector>-<key>`.
        settings: As for `run`.
        overwrite: Discard what the run's folder holds, instead of resuming, and replace any file.
        on_error: As for `run`.
        image_timeout: As for `run`.
        workers: As for `run`.
        batch: As for `run`.
        cluster: As for `run`.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        What was checked of the zip, as by `check_submission`. Images on which the detector failed have no rows there,
        and then the submission is not `ok`.

    Raises:
        UsageError: The archive is no zip, or a file of that name exists; detector, split or settings are unknown.
        MissingDataError: The list, an image or weights are missing; the text says where to get them.
        IdentityError: The folder holds a run with other settings.
        DetectorError: The detector failed on more images than `on_error` allows; finished images are stored.

    >>> import sshbench
    >>> sshbench.submit("yunet", "submission.zip", data="no/folder")
    Traceback (most recent call last):
    sshbench.errors.MissingDataError: there is no folder no/folder. Name the folder that holds WIDER FACE with --data
    """
    path = Path(archive).expanduser()
    check_target(path, overwrite=overwrite)
    images = load_wider(data, split=split)
    _check_all_there(images)
    rules = load_protocol("wider")
    helpers = Helpers(workers=workers, batch=batch, cluster=cluster, on_error=on_error, image_timeout=image_timeout)
    stored_run = finished_run(
        detector, images, rules, helpers=helpers, settings=settings, out=out, overwrite=overwrite, progress=progress
    )
    with stored_run as (run, findings):
        detections = run.detections().aligned(images.keys)
        write_wider(path, zip(detections.keys, detections, strict=True))
        checked = check_files(path, images.keys, split)
        items = (*checked.items, _worked(run))
        return replace(checked, items=items, run=run.folder, warnings=(*findings, *run.findings()))


def _check_all_there(images: Dataset) -> None:
    """Check that every image of the list exists: a submission of a part is refused by the server.

    Raises:
        MissingDataError: Some are missing.
    """
    present = images.with_images()
    if absent := len(images) - len(present):
        there = set(present.keys)
        first = next(key for key in images.keys if key not in there)
        raise MissingDataError(
            f"{absent} of {counted(len(images), 'image')} of the {images.split} list are missing, for example "
            f"{images.file_name(first)}",
            remedy=f"A submission needs all: `sshbench data fetch wider --data {images.root} --part {images.split}`",
        )


def _worked(run: Run) -> CheckItem:
    what = "the detector worked on every image"
    failures = run.failures()
    if not failures:
        return CheckItem(what, True, True, "yes")
    key, error = next(iter(failures.items()))
    detail = f"{counted(len(failures), 'image')} failed and have no rows, for example {key}: {error}"
    return CheckItem(what, False, True, detail, "Run the same command again: it tries these images once more")
