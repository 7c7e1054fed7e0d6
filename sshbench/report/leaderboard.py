"""Runs and timings of the same detectors, joined: one row a detector, on every dataset that they were evaluated on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sshbench.contamination import Domain
from sshbench.errors import SshbenchError, UsageError
from sshbench.evaluation import EvaluationRecord
from sshbench.protocols import Protocol
from sshbench.report.measured import Measured, read_measured
from sshbench.report.metrics import headline
from sshbench.report.published import PublishedFigure, published_of_detector
from sshbench.runs import Identity
from sshbench.timing.record import SeriesSummary, SizeTiming, TimingRecord, summary_of

# What must be alike before latencies stand in one column.
_SAME = ("scope", "batch", "threads", "image_source")
_SAME_MACHINE = ("processor", "cores", "architecture", "device", "gpu")
_CHOSEN = {"wider": "AP/hard", "fddb": "TPR@1000/discrete"}


@dataclass(frozen=True, slots=True)
class Board:
    """Results on one dataset, or one part of it, by one protocol.

    Attributes:
        protocol: The rules.
        images: Images that took part.
        total_images: Images of the whole dataset.
        smoke_test: It measures nothing.
        metrics: Those of its columns.
        chosen: The one that is drawn against speed, and that the rows are sorted by.
    """

    protocol: Protocol
    images: int
    total_images: int
    smoke_test: bool
    metrics: list[str]
    chosen: str

    @property
    def is_part(self) -> bool:
        """Whether its figures compare with no published ones."""
        return self.images < self.total_images

    @property
    def title(self) -> str:
        """The dataset, and how much of it."""
        part = f", {self.images} of its {self.total_images} images" if self.is_part else ""
        return f"{self.protocol.title}{part}"


@dataclass(slots=True)
class Row:
    """One detector: name, weights and settings.

    Attributes:
        identity: Of its first run.
        title: For people.
        results: By position of the board, the record of its run.
        latency: Milliseconds an image, None where it was not timed.
        stable: Whether the latency can be trusted.
        published: What its authors published.
    """

    identity: Identity
    title: str
    results: dict[int, EvaluationRecord] = field(default_factory=dict)
    latency: SeriesSummary | None = None
    stable: bool = True
    published: list[PublishedFigure] = field(default_factory=list)

    def value(self, board: int, metric: str) -> float | None:
        """A figure, None where there is none."""
        record = self.results.get(board)
        return None if record is None else record.metrics.get(metric)

    def domain(self, board: int) -> Domain | None:
        """Whether the model may have seen such images; None where there is no result."""
        record = self.results.get(board)
        return None if record is None else record.domain


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All of it.

    Attributes:
        boards: In the order of the runs.
        rows: Best first.
        timing: What the latencies have in common, None without timings.
        scope: What the latencies cover.
    """

    boards: list[Board]
    rows: list[Row]
    timing: TimingRecord | None
    scope: str


def collect(
    runs: Sequence[Path], timings: Sequence[Path], *, scope: str = "detect", metric: str | None = None
) -> Leaderboard:
    """Join runs and timings.

    Args:
        runs: Folders of evaluated runs, or of what `sshbench archive` kept of them.
        timings: Timings kept by `sshbench timing --out`, one size each.
        scope: What the latencies shall cover.
        metric: Drawn against speed; default by dataset.

    Raises:
        UsageError: Nothing was named, two runs are of the same thing, timings are of unlike machines or images, or a
            timing belongs to no run.
        MissingDataError: A folder holds no evaluated run.
        InputError: A file cannot be read.
    """
    if not runs:
        raise UsageError("name at least one run")
    boards: dict[tuple[str, str], Board] = {}
    rows: dict[str, Row] = {}
    for measured in map(read_measured, runs):
        key = (measured.record.protocol_hash, measured.record.dataset_fingerprint)
        board = boards.setdefault(key, _board(measured, metric))
        row = rows.setdefault(_key_of(measured.identity), _row(measured.identity))
        position = list(boards).index(key)
        if position in row.results:
            raise UsageError(
                f"two runs are of '{row.identity.detector}' with the same settings on {board.title}",
                remedy="Name one of them",
            )
        row.results[position] = measured.record
    found = list(rows.values())
    records = [TimingRecord.load(path) for path in timings]
    _check_alike(records)
    for record in records:
        for timing in record.sizes:
            row = _owner(record, timing, found)
            row.latency, row.stable = summary_of(timing, scope), timing.stable
    first = next(iter(boards.values()))
    found.sort(key=lambda row: -(row.value(0, first.chosen) or -1.0))
    return Leaderboard(list(boards.values()), found, records[0] if records else None, scope)


def _board(measured: Measured, metric: str | None) -> Board:
    record, kind = measured.record, measured.protocol.evaluation.kind
    metrics = [name for name in headline(record.metrics, kind) if not name.startswith("fold")]
    chosen = metric if metric in record.metrics else _CHOSEN.get(kind, metrics[0])
    if chosen not in record.metrics:
        chosen = metrics[0]
    return Board(measured.protocol, record.images, record.total_images, record.smoke_test, metrics, chosen)


def _row(identity: Identity) -> Row:
    from sshbench.detectors.registry import detector_info

    try:
        title = detector_info(identity.detector).title
    except SshbenchError:  # a prediction set, or a plug-in that is not installed here
        title = identity.detector
    return Row(identity, title, published=published_of_detector(identity.detector))


def _key_of(identity: Identity) -> str:
    what = [identity.detector, identity.weights_sha256, identity.settings, identity.predictions_sha256]
    return json.dumps(what, sort_keys=True)


def _owner(record: TimingRecord, timing: SizeTiming, rows: Sequence[Row]) -> Row:
    """The row that a timing is of.

    Raises:
        UsageError: None is: the text names what differs from the nearest.
    """
    reasons = []
    for row in rows:
        if row.identity.detector == record.detector:
            differing = _differing(record, timing, row.identity)
            if not differing:
                if row.latency is not None:
                    raise UsageError(f"two timings are of '{record.detector}'", remedy="Name one of them")
                return row
            reasons.append(differing)
    why = f": {reasons[0]}" if reasons else ", there is no run of this detector"
    raise UsageError(
        f"the timing of '{record.detector}' belongs to no run{why}",
        remedy="Time and evaluate with the same weights, settings and size",
    )


def _differing(record: TimingRecord, timing: SizeTiming, identity: Identity) -> str:
    settings = dict(identity.settings)
    pairs = {
        "weights_sha256": (record.weights_sha256, identity.weights_sha256),
        "size": (timing.size, settings.pop("resize", None)),
        "settings": (record.settings, settings),
    }
    return "; ".join(f"{name} is {timed!r} and {run!r}" for name, (timed, run) in pairs.items() if timed != run)


def _check_alike(records: Sequence[TimingRecord]) -> None:
    for record in records[1:]:
        first = records[0]
        pairs = [(name, getattr(first, name), getattr(record, name)) for name in _SAME]
        pairs += [(name, first.machine.get(name), record.machine.get(name)) for name in _SAME_MACHINE]
        for name, there, here in pairs:
            if there != here:
                raise UsageError(
                    f"the timings do not compare: {name} is {there!r} for '{first.detector}' and {here!r} for "
                    f"'{record.detector}'",
                    remedy="Time all of them on one machine, on the same images",
                )
