"""Run a suite resumably, and build its reports and its leaderboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sshbench.benchmark import run
from sshbench.detectors.registry import spelled_from
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.report.build import build_report
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_files import write_leaderboard
from sshbench.suite.plan import SuiteRun, read_suite
from sshbench.suite.result import SuiteResult


@dataclass(frozen=True, slots=True, eq=False)
class SuiteOutcome:
    """What a suite made.

    Attributes:
        results: In the order of the runs.
        files: Pages: a report for each dataset, then the leaderboard.
    """

    __repr__ = short_repr

    results: tuple[SuiteResult, ...]
    files: tuple[Path, ...]

    @property
    def failed(self) -> tuple[SuiteResult, ...]:
        """Runs that failed."""
        return tuple(one for one in self.results if one.error)


def run_suite(
    path: str | Path,
    *,
    out: str | Path | None = None,
    progress: bool = True,
    on_run: Callable[[SuiteResult], None] | None = None,
) -> SuiteOutcome:
    r"""Run every detector of a suite with every one of its settings on every dataset.

    Runs that are done are evaluated again and not run again; killed at any moment, the same call resumes. A run that
    fails is noted, and the others go on.

    Args:
        path: The suite's file (TOML).
        out: Folder for `runs/`, `report/<dataset>/` and `leaderboard/`; default: the file's path without `.toml`.
        progress: Draw progress bars where standard error is a terminal.
        on_run: Called with each result.

    Raises:
        InputError: The file is invalid; the text names the field.

    >>> import tempfile
    >>> import sshbench
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "suite.toml"
    ...     text = 'images = 0\n[[detectors]]\nname = "haar"\n[[datasets]]\nname = "sample"\nlimit = 2\n'
    ...     _ = file.write_text(text)
    ...     [len(one.metrics) for one in sshbench.run_suite(file).results]
    [3]
    """
    file = Path(path).expanduser()
    suite = read_suite(file)
    folder = file.with_suffix("") if out is None else Path(out).expanduser()
    results: list[SuiteResult] = []
    groups: dict[str, tuple[SuiteRun, list[Path]]] = {}
    for one in suite.runs():
        spelling = spelled_from(file.resolve().parent, one.detector.name)
        result = _result(one, spelling, folder / one.folder, suite.workers, progress)
        results.append(result)
        if not result.error:
            groups.setdefault(one.group, (one, []))[1].append(folder / one.folder)
        if on_run is not None:
            on_run(result)
    files = [
        build_report(
            runs,
            folder / "report" / group,
            data=None if first.dataset.data is None else Path(first.dataset.data),
            images_per_run=suite.images,
        ).page
        for group, (first, runs) in groups.items()
    ]
    if groups:
        board = collect([path for _, runs in groups.values() for path in runs], [])
        files.append(write_leaderboard(board, folder / "leaderboard")[0])
    return SuiteOutcome(tuple(results), tuple(files))


def _result(
    one: SuiteRun, detector: str, folder: Path, workers: int | Literal["auto"] | None, progress: bool
) -> SuiteResult:
    names = {"dataset": one.dataset.name, "detector": one.detector.name, "folder": folder.as_posix()}
    try:
        evaluation = run(
            detector,
            one.dataset.name,
            data=one.dataset.data,
            out=folder,
            settings=dict(one.settings),
            limit=one.dataset.limit,
            trained_on=one.detector.trained_on,
            workers=workers,
            progress=progress,
        )
    except SshbenchError as error:
        return SuiteResult(**names, metrics={}, error=str(error))
    return SuiteResult(**names, metrics=dict(evaluation.record.metrics))
