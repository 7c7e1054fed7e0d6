"""The small part of finished runs that is worth keeping for good: who made them, by what rules, and the figures.

Curves stay in the runs, and so do detections unless they are asked for; `detections_sha256` says which ones the figures
are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sshbench.analysis.record import ANALYSIS
from sshbench.archived_detections import DETECTIONS, write_detections
from sshbench.errors import CheckFailedError, MissingDataError, UsageError
from sshbench.files import safe_name, write_atomic
from sshbench.report.build import build_report
from sshbench.report.measured import ArchivedIdentity, pixels_of_run
from sshbench.runs import IDENTITY, METRICS, PROTOCOL, Run, open_run

_LARGE = "curves.csv"


def archive_runs(
    runs: Sequence[Path], out: Path, *, data: Path | None = None, with_detections: bool = False
) -> list[Path]:
    """Write `<run>/identity.json, metrics.json, protocol.json` for each run, and one report of all without images.

    Where a run was analysed, its `analysis.json` is kept too.

    Args:
        runs: Folders of finished, evaluated runs of one protocol on the same images.
        out: Folder to write to.
        data: The dataset's folder, where it has moved.
        with_detections: Write `<run>/detections.npz` as well: the archive can then be evaluated again (`verify`,
            `compare`, `analyze`).

    Returns:
        What was written.

    Raises:
        CheckFailedError: A run is unfinished.
        MissingDataError: A run was never evaluated.
        UsageError: Two runs of one detector have folders of the same name.
    """
    written: list[Path] = []
    opened = [open_run(folder) for folder in runs]
    try:
        for run, label in zip(opened, _names(opened), strict=True):
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
            if with_detections:
                written.append(write_detections(folder / DETECTIONS, run.detections()))
            kept = [METRICS, PROTOCOL, *([ANALYSIS] if (run.folder / ANALYSIS).is_file() else [])]
            written += [write_atomic(folder / name, (run.folder / name).read_bytes()) for name in kept]
    finally:
        for run in opened:
            run.close()
    report = build_report(runs, out / "report", data=data, images_per_run=0)
    (out / "report" / _LARGE).unlink()
    return written + [file for file in report.files if file.name != _LARGE]


def _names(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run: its detector's; where several runs are of one detector, that of the run's folder."""
    detectors = Counter(run.identity.detector for run in runs)
    names = [
        run.identity.detector if detectors[run.identity.detector] == 1 else run.folder.resolve().name for run in runs
    ]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise UsageError(f"two runs would be archived as '{twice}'", remedy="Give their folders different names")
    return names
