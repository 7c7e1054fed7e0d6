"""Choose a detector: which measured rows satisfy limits of accuracy, speed, size and licence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.analysis.point_rules import PointRule
from sshbench.choosing.points import ChosenPoint, point_of
from sshbench.choosing.requirements import LIMITS, Measure, Requirement, Verdict, check_metrics, judge_text
from sshbench.contamination import Domain
from sshbench.display import short_repr
from sshbench.errors import MissingDataError, UsageError, did_you_mean
from sshbench.licences import LicenceKind, licence_kind
from sshbench.models import StrictModel
from sshbench.report.found import find_results
from sshbench.report.leaderboard import Board, Row
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_latency import images_per_second

if TYPE_CHECKING:
    import pandas as pd


class Candidate(StrictModel):
    """One measured detector and whether it satisfies everything.

    Attributes:
        detector: Name, with the settings in which rows of it differ.
        run: Folder of its run.
        dataset: What it was measured on, in words.
        chosen: Whether it satisfies every requirement.
        sure: Whether every interval lies on the right side too; None where a figure has no interval.
        metrics: Its figures, fractions.
        median_ms: Milliseconds per image; None where no latency of as many pixels is known.
        weights_mb: Size of its weights, where known.
        licence: Of code and weights.
        domain: Whether its training images include this dataset's.
        verdicts: One per requirement.
        operating: Its threshold; None for rows that were not chosen.
    """

    detector: str
    run: str
    dataset: str
    chosen: bool
    sure: bool | None
    metrics: dict[str, float | None]
    median_ms: float | None
    weights_mb: float | None
    licence: str
    domain: Domain | None
    verdicts: tuple[Verdict, ...]
    operating: ChosenPoint | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """All measured detectors, those that satisfy everything first.

    Attributes:
        candidates: Chosen ones by falling figure, then the others by the number of requirements that they miss.
        notes: What the reader must know of latencies that are not shown.
    """

    __repr__ = short_repr

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """Those that satisfy everything, best first."""
        return tuple(one for one in self.candidates if one.chosen)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per detector and dataset."""
        import pandas as pd

        rows = [one.model_dump(exclude={"verdicts", "metrics", "operating"}) | one.metrics for one in self.candidates]
        return pd.DataFrame(rows)


def choose(
    on: Sequence[str | Path],
    *,
    minimums: Sequence[str] = (),
    max_ms: float | None = None,
    max_mb: float | None = None,
    max_memory_mib: float | None = None,
    max_gflop: float | None = None,
    min_images_per_second: float | None = None,
    licence: LicenceKind | None = None,
    domain: Domain | None = None,
    dataset: str | None = None,
    sure: bool = False,
    at: str = "best-f1",
    scope: str = "detect",
) -> Choice:
    """Choose detectors that satisfy limits, out of runs and timings.

    Args:
        on: Runs, archives of runs, timing files, and folders of these, searched to any depth.
        minimums: `METRIC=SHARE` each, such as `AP/hard=0.8`.
        max_ms: Median milliseconds per image, measured on as many pixels as the figure.
        max_mb: Megabytes (1e6 bytes) of weights.
        max_memory_mib: Peak memory of the timing's process in MiB.
        max_gflop: 1e9 operations per image, two per multiplication and addition.
        min_images_per_second: From the image file to the boxes.
        licence: What licence of code and weights must be, see `sshbench.licences`.
        domain: What `contamination.domain_of` must say.
        dataset: Only results on this dataset.
        sure: Ask that whole 95 % intervals satisfy the limits; a figure without an interval does not.
        at: The operating point: `best-f1`, `precision=0.9`, `recall=0.8`, `fppi=0.1` or `score=0.35`.
        scope: What latencies cover.

    Raises:
        UsageError: Nothing is asked for, a requirement is malformed, or no run has the metric.
        MissingDataError: The folders hold no evaluated run.

    >>> import tempfile
    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> with tempfile.TemporaryDirectory() as kept:
    ...     for name, step in (("half", 2), ("all", 1)):
    ...         found = {key: (f.boxes[::step], f.boxes[::step, 2]) for key, f in zip(sample.keys, sample.faces)}
    ...         _ = sshbench.evaluate("sample", found, detector=name, out=f"{kept}/{name}")
    ...     choice = sshbench.choose([kept], minimums=["AP/hard=0.9"])
    >>> [one.detector for one in choice.chosen], choice.candidates[1].verdicts[0].met
    (['all'], False)
    """
    limits = {
        "ms": max_ms,
        "mb": max_mb,
        "memory_mib": max_memory_mib,
        "gflop": max_gflop,
        "images_per_second": min_images_per_second,
    }
    wanted = [Requirement.of_metric(text) for text in minimums]
    wanted += [Requirement(name, limit) for name, limit in limits.items() if limit is not None]
    if not wanted and licence is None and domain is None:
        raise UsageError("nothing is required", remedy="Name a requirement, such as --min AP=0.9 or --max-ms 10")
    rule = PointRule.parse(at)
    paths = [Path(path).expanduser() for path in on]
    runs, timings = find_results(paths)
    if not runs:
        raise MissingDataError(
            f"there is no evaluated run in {', '.join(map(str, paths))}", remedy="Make one with `sshbench eval --out`"
        )
    board = collect(runs, timings, scope=scope)
    places = [
        (position, one, row)
        for position, one in enumerate(board.boards)
        for row in board.rows
        if position in row.results and (dataset is None or one.protocol.dataset == dataset)
    ]
    if not places:
        known = sorted({one.protocol.dataset for one in board.boards})
        raise UsageError(f"no run is on the dataset '{dataset}'", remedy=did_you_mean(str(dataset), known))
    check_metrics(wanted, list(dict.fromkeys(name for _, one, _ in places for name in one.all_metrics)))
    # A metric names its benchmark: results of others are left out.
    needed = [requirement.name for requirement in wanted if requirement.is_metric]
    places = [place for place in places if all(name in place[1].all_metrics for name in needed)]
    if not places:
        raise UsageError(f"no run has all of {', '.join(needed)}", remedy="Choose on one dataset at a time")
    found = [
        _candidate(row, position, one, wanted, licence, domain, sure=sure, rule=rule) for position, one, row in places
    ]
    order = needed[0] if needed else None
    found.sort(key=lambda one: (_missed(one), -(one.metrics.get(order or next(iter(one.metrics))) or 0.0)))
    return Choice(tuple(found), (*(f"{one.reason}. {one.remedy}" for one in board.left_out), *board.passed_over))


def _missed(candidate: Candidate) -> int:
    return 0 if candidate.chosen else max(1, sum(not one.met for one in candidate.verdicts))


def _candidate(
    row: Row,
    position: int,
    board: Board,
    wanted: Iterable[Requirement],
    licence: LicenceKind | None,
    domain: Domain | None,
    *,
    sure: bool,
    rule: PointRule,
) -> Candidate:
    verdicts = [requirement.judge(_measure(row, position, requirement.name)) for requirement in wanted]
    if licence is not None:
        verdicts.append(judge_text("licence", licence, licence_kind(row.licence), row.licence))
    known = row.domain(position)
    if domain is not None:
        verdicts.append(judge_text("data", domain, known or "unknown", ""))
    numbers = [one.sure for one in verdicts if isinstance(one.value, float)]
    certain = None if None in numbers else all(numbers)
    chosen = all(one.met for one in verdicts) and (not sure or certain is True)
    latency = row.latencies.get(position)
    folder = row.results[position].folder
    return Candidate(
        detector=row.label,
        run=folder,
        dataset=board.title,
        chosen=chosen,
        sure=certain,
        metrics={name: row.value(position, name) for name in board.metrics},
        median_ms=None if latency is None else latency.summary.median,
        weights_mb=_measure(row, position, "mb").value,
        licence=row.licence,
        domain=known,
        verdicts=tuple(verdicts),
        operating=point_of(Path(folder), rule, board.title) if chosen else None,
    )


def _measure(row: Row, position: int, name: str) -> Measure:
    """Return one number of a row: a metric, or one of `LIMITS`."""
    if name in row.results[position].record.metrics:
        found = row.interval(position, name)
        value = row.value(position, name)
        if found is None:
            return Measure(value, unknown=f"{name} is not defined")
        return Measure(value, found.low, found.high)
    latency = row.latencies.get(position)
    if latency is None:
        return Measure(None, unknown="no timing of as many pixels was found: make one with `sshbench timing --run`")
    if name == "ms":
        low, high = latency.summary.interval or (None, None)
        return Measure(latency.summary.median, low, high)
    if name in ("memory_mib", "images_per_second"):
        peak = latency.timing.peak_memory_mib
        return Measure(
            peak if name == "memory_mib" else images_per_second(latency.timing), unknown=f"no {name} is kept"
        )
    cost = latency.timing.cost
    if cost is None or (name == "mb" and cost.weights_bytes is None):
        return Measure(None, unknown=f"the timing does not say its {LIMITS[name][1]}")
    # A count is exact: its interval is a point.
    count = cost.gflop if name == "gflop" else (cost.weights_bytes or 0) / 1e6
    return Measure(count, count, count)
