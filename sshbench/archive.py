"""The small part of finished runs that is worth keeping for good: who made them, by what rules, and the figures.

Detections and curves stay in the runs; `detections_sha256` says which ones the figures are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sshbench.errors import CheckFailedError, MissingDataError
from sshbench.evaluation.figures import labels_of
from sshbench.files import safe_name, write_atomic
from sshbench.report.build import build_report
from sshbench.report.measured import ArchivedIdentity, pixels_of_run
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, open_run

_LARGE = "curves.csv"


def archive_runs(runs: Sequence[Path], out: Path, *, data: Path | None = None) -> list[Path]:
    """Write `<run>/identity.json, metrics.json, protocol.json` for each run, and one report of all without images.

    Args:
        runs: Folders of finished, evaluated runs of one protocol on the same images.
        out: Folder to write to.
        data: The dataset's folder, where it has moved.

    Returns:
        What was written.

    Raises:
        CheckFailedError: A run is unfinished.
        MissingDataError: A run was never evaluated.
    """
    written: list[Path] = []
    opened = [open_run(folder) for folder in runs]
    try:
        for run, label in zip(opened, labels_of([run.identity.detector for run in opened]), strict=True):
            if not run.finished:
                raise CheckFailedError(f"the run in {run.folder} is unfinished", remedy="Resume it first")
            if not (run.folder / METRICS).is_file():
                raise MissingDataError(f"the run in {run.folder} was never evaluated", remedy="Run `sshbench eval`")
            # The place of the data is private.
            identity = ArchivedIdentity(
                **{**dict(run.identity), "data": None},
                key=run.identity.key,
                detections_sha256=run.detections().digest,
                pixels=pixels_of_run(run),
            )
            folder = out / safe_name(label)
            written.append(identity.write(folder / IDENTITY))
            written += [write_atomic(folder / n, (run.folder / n).read_bytes()) for n in (METRICS, PROTOCOL)]
    finally:
        for run in opened:
            run.close()
    report = build_report(runs, out / "report", data=data, images_per_run=0)
    (out / "report" / _LARGE).unlink()
    return written + [file for file in report.files if file.name != _LARGE]
