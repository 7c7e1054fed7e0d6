"""What was measured here, out of folders of runs and timings: rows beside the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.analysis.record import Interval
from sshbench.contamination import DOMAIN_MARKS
from sshbench.curves import Curve, PRCurve, ROCCurve, wider_ap
from sshbench.errors import InputError
from sshbench.evaluation.metrics import percent
from sshbench.report.found import find_results
from sshbench.report.leaderboard import Board, Leaderboard, Row
from sshbench.report.leaderboard_collect import collect
from sshbench.ssh.random_weights import PARAMETERS, RANDOM
from sshbench.ssh_paper.exhibits import Exhibit
from sshbench.ssh_paper.record import CLAIMS, ClaimsRecord
from sshbench.tables import digits_text
from sshbench.timing.record import TimingRecord, summary_of

OF_PAPER = ("ssh", "ssh-pyramid", "hr-resnet101", "hr-vgg16", "cms-rcnn-shape", "faster-rcnn-vgg16", "s3fd")
"""Detectors that the paper reports on; they come first."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLine:
    """A measured row.

    Attributes:
        detector: Name.
        label: Name, with the settings in which rows of the detector differ.
        mark: Whether it is in domain or cross-data, of random weights, of a part of the images.
        comparable: Whether it is of all images, with weights of a training, as they are.
        figures: By metric, fractions.
        intervals: By metric.
        curves: By name, where the run's folder holds them.
        folder: Of the run.
    """

    detector: str
    label: str
    mark: str
    comparable: bool
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    curves: Mapping[str, Curve]
    folder: str

    def text(self, metric: str) -> str:
        """Return a figure in percent with half its interval, empty where there is none."""
        if metric not in self.figures:
            return ""
        one = self.intervals.get(metric)
        half = "" if one is None or one.low is None or one.high is None else f" ± {50 * (one.high - one.low):.2f}"
        return f"{percent(self.figures[metric])}{half}"


@dataclass(frozen=True, slots=True)
class TimedLine:
    """Measured times of SSH on one machine.

    Attributes:
        where: Machine, backend, precision and threads.
        mark: Of random weights, or of which weights.
        ms: By size, median and interval as text.
    """

    where: str
    mark: str
    ms: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Everything found below the folders.

    Attributes:
        board: The runs; None where there is none.
        timings: All timings.
        claims: The contents of `claims.json` files, by folder.
    """

    board: Leaderboard | None = None
    timings: tuple[TimingRecord, ...] = ()
    claims: Mapping[str, ClaimsRecord] = field(default_factory=dict)


def read_results(on: Sequence[Path]) -> Results:
    """Read runs, timings and claims below folders.

    Raises:
        MissingDataError: A folder does not exist.
        InputError: A file is damaged.
        UsageError: Two runs are of the same detector, weights, settings and dataset.
    """
    runs, timings = find_results(on)
    found = [path for folder in on if folder.is_dir() for path in sorted(folder.rglob(CLAIMS))]
    return Results(
        collect(runs, []) if runs else None,
        tuple(map(TimingRecord.load, timings)),
        {str(path.parent): ClaimsRecord.read(path, remedy="Run `sshbench claims` again") for path in found},
    )


def measured_lines(exhibit: Exhibit, results: Results) -> list[MeasuredLine]:
    """Return the rows that belong to an exhibit: the paper's detectors first, then by the last figure."""
    if results.board is None or exhibit.split == "test":
        return []
    lines = [
        _line(row, position, board, exhibit)
        for position, board in enumerate(results.board.boards)
        if board.protocol.name == exhibit.protocol and not board.smoke_test
        for row in results.board.rows
        if position in row.results
    ]
    last = exhibit.metrics[-1]
    lines.sort(key=lambda line: (line.detector not in OF_PAPER, not line.comparable, -line.figures.get(last, -1.0)))
    return lines


def _line(row: Row, position: int, board: Board, exhibit: Exhibit) -> MeasuredLine:
    run = row.results[position]
    domain = row.domain(position)
    random = is_random(run.identity.settings)
    marks = ["random weights" if random else DOMAIN_MARKS[domain or "unknown"]]
    marks += [f"{board.images} of {board.total_images} images"] if board.is_part else []
    marks += [f"images fitted into {board.fit}"] if board.fit else []
    marks += [] if run.record.complete else ["unfinished"]
    values = {metric: value for metric in exhibit.metrics if (value := row.value(position, metric)) is not None}
    return MeasuredLine(
        detector=run.identity.detector,
        label=row.label,
        mark=", ".join(marks),
        comparable=len(marks) == 1 and not random,
        figures=values,
        intervals=run.intervals,
        curves={name: curve for name in exhibit.curves if (curve := read_curve(Path(run.folder), name)) is not None},
        folder=run.folder,
    )


def is_random(settings: Mapping[str, Any]) -> bool:
    """Return whether settings of a result are those of random weights."""
    return str(settings.get("extra", {}).get(PARAMETERS, "")).startswith(RANDOM)


def read_curve(run: Path, name: str) -> Curve | None:
    """Read a curve that a run's folder keeps; None where it keeps none, as an archive.

    Raises:
        InputError: The file is damaged.
    """
    path = run / "curves" / f"{name}.csv"
    if not path.is_file():
        return None
    try:
        header = path.read_text(encoding="utf-8").partition("\n")[0]
        columns = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 3).T
    except (OSError, ValueError) as error:
        raise InputError(f"is not a curve ({error})", file=path, remedy="Evaluate the run again") from error
    if header.startswith("false_positives"):
        return ROCCurve(columns[0], columns[1], columns[2])
    return PRCurve(columns[1], columns[0], columns[2], wider_ap(columns[0], columns[1]))


def timed_lines(timings: Iterable[TimingRecord], sizes: Sequence[str]) -> list[TimedLine]:
    """Return the times of SSH at some sizes, a row for each machine, weights and way to run it."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for record in timings:
        if record.detector != "ssh" or record.batch != 1:
            continue
        for timing in record.sizes:
            if timing.size in sizes:
                summary = summary_of(timing, "paper")
                between = map(digits_text, summary.interval or ())
                ends = "" if summary.interval is None else f" ({' to '.join(between)})"
                unstable = "" if timing.stable else ", unstable"
                rows.setdefault(_where(record), {})[timing.size] = f"{digits_text(summary.median)}{ends}{unstable}"
    return [TimedLine(where, mark, ms) for (where, mark), ms in rows.items()]


def _where(record: TimingRecord) -> tuple[str, str]:
    machine, extra = record.machine, record.settings.get("extra", {})
    processor = machine.get("gpu") or f"{machine.get('processor')}, {record.threads} threads"
    images = record.image_source.partition(" at ")
    cut = ", cut to one size" if images[1] else ""
    mark = str(extra[PARAMETERS]) if is_random(record.settings) else f"weights {str(record.weights_sha256)[:12]}"
    return f"{processor}, {extra.get('backend')} {extra.get('precision')}; {images[0]}{cut}", mark
