"""Join runs and timings of the same detectors: one row per detector, one board per dataset, latencies per board."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sshbench.contamination import Domain
from sshbench.errors import SshbenchError, UsageError, did_you_mean
from sshbench.evaluation.benchmarks import compared_metric, headline_of
from sshbench.protocols import Protocol
from sshbench.published.tables import PublishedFigure, published_of_detector
from sshbench.report.labels import run_labels
from sshbench.report.leaderboard_latency import (
    Latency,
    LeftOut,
    Timed,
    candidates,
    check_alike,
    choose_latency,
    images_per_second,
)
from sshbench.report.measured import Measured, read_measured
from sshbench.runs import Identity
from sshbench.timing.record import TimingRecord


@dataclass(frozen=True, slots=True)
class Board:
    """Results on one dataset, or one part of it, by one protocol.

    Attributes:
        protocol: The rules.
        images: Images that took part.
        total_images: Images of the whole dataset.
        smoke_test: It measures nothing.
        metrics: Those of its columns.
        all_metrics: All of its results.
        chosen: The one that is drawn against speed, and that the rows are sorted by.
    """

    protocol: Protocol
    images: int
    total_images: int
    smoke_test: bool
    metrics: list[str]
    chosen: str
    all_metrics: tuple[str, ...] = ()

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
        label: Name in tables: the detector, and the settings in which rows of this detector differ.
        results: Its run on each board, by position of the board.
        latencies: Its latency on each board, where one was measured on as many pixels as the run.
        timed: All timings of it, whether they are shown or not.
        published: What its authors published.
        licence: Of code and weights; empty where not known.
        training_data: What the model was trained on, for readers; empty where not known.
    """

    identity: Identity
    title: str
    label: str = ""
    results: dict[int, Measured] = field(default_factory=dict)
    latencies: dict[int, Latency] = field(default_factory=dict)
    timed: list[Timed] = field(default_factory=list)
    published: list[PublishedFigure] = field(default_factory=list)
    licence: str = ""
    training_data: str = ""

    def value(self, board: int, metric: str) -> float | None:
        """Return a figure, None where there is none."""
        run = self.results.get(board)
        return None if run is None else run.record.metrics.get(metric)

    def warnings(self, board: int) -> list[str]:
        """Return what a reader must know of the result, without what concerns every result of a benchmark."""
        run = self.results.get(board)
        found = () if run is None else run.record.warnings
        return [finding.message for finding in found if finding.code not in _USUAL]

    def domain(self, board: int) -> Domain | None:
        """Return whether the model may have seen such images; None where there is no result."""
        run = self.results.get(board)
        return None if run is None else run.record.domain


# Findings that every result of a benchmark may have, or that the board says itself.
_USUAL = frozenset(
    {
        "detections-per-image",
        "other-backend",
        "part-of-dataset",
        "unsorted-rows",
        "image-order",
        "matched-name",
        "renamed-file",
    }
)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All of it.

    Attributes:
        boards: In the order of the runs.
        rows: Best first.
        timing: What the timings have in common, None without timings.
        scope: What the latencies cover.
        left_out: Latencies that are not shown because they were measured on other pixels.
        passed_over: Why timings belong to no row.
    """

    boards: list[Board]
    rows: list[Row]
    timing: TimingRecord | None
    scope: str
    left_out: list[LeftOut]
    passed_over: tuple[str, ...] = ()

    def timed_on(self, board: int) -> str:
        """Return which images the latencies of a board were measured on; empty where it shows none."""
        return next((row.latencies[board].record.image_source for row in self.rows if board in row.latencies), "")

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per detector, board and metric, with the latency that was measured on as many pixels."""
        import pandas as pd

        rows: list[dict[str, object]] = []
        for row in self.rows:
            for position, run in sorted(row.results.items()):
                board, latency = self.boards[position], row.latencies.get(position)
                low, high = (latency and latency.summary.interval) or (None, None)
                rows += [
                    {
                        "detector": row.identity.detector,
                        "label": row.label,
                        "settings": json.dumps(row.identity.settings, sort_keys=True),
                        "run": run.folder,
                        "weights_sha256": row.identity.weights_sha256,
                        "dataset": board.protocol.dataset,
                        "images": board.images,
                        "total_images": board.total_images,
                        "metric": metric,
                        "value": row.value(position, metric),
                        "domain": row.domain(position),
                        "input_pixels": None if run.pixels.input is None else round(run.pixels.input),
                        "median_ms": latency and latency.summary.median,
                        "low_ms": low,
                        "high_ms": high,
                        "stable": latency and latency.stable,
                        **_work(latency),
                        "licence": row.licence,
                        "training_data": row.training_data,
                        "warnings": " | ".join(row.warnings(position)),
                    }
                    for metric in board.metrics
                ]
        whole = ("input_pixels", "parameters", "weights_bytes", "peak_memory_mib")
        return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64"))


def _work(latency: Latency | None) -> dict[str, object]:
    """Return size and work of the network, memory and throughput of a timing, as far as they are known."""
    timing = latency and latency.timing
    cost = timing and timing.cost
    return {
        "parameters": cost and cost.parameters,
        "gflop": cost and round(cost.gflop, 4),
        "weights_bytes": cost and cost.weights_bytes,
        "peak_memory_mib": timing and timing.peak_memory_mib,
        "images_per_second": timing and round(images_per_second(timing), 2),
    }


def collect(
    runs: Sequence[Path], timings: Sequence[Path], *, scope: str = "detect", metric: str | None = None
) -> Leaderboard:
    """Join runs and timings.

    A latency belongs to a row and a board. It is shown only where the network got as many pixels per image in the
    timing as in the run; any other is in `left_out`.

    Args:
        runs: Folders of evaluated runs, or of what `sshbench archive` kept of them.
        timings: Timings kept by `sshbench timing --out`.
        scope: What the latencies shall cover.
        metric: Drawn against speed; default by dataset.

    Raises:
        UsageError: Nothing was named, two runs or two timings are of the same thing, timings are of unlike machines,
            latencies of one board are of unlike images, or no result has the metric.
        MissingDataError: A folder holds no evaluated run.
        InputError: A file cannot be read.
    """
    if not runs:
        raise UsageError("no run was named", remedy="Name at least one")
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
        row.results[position] = measured
    found = list(rows.values())
    known = sorted({name for board in boards.values() for name in board.all_metrics})
    if metric is not None and metric not in known:
        raise UsageError(f"unknown metric '{metric}'", remedy=did_you_mean(metric, known))
    records = [TimingRecord.load(path) for path in timings]
    check_alike(records)
    passed_over: list[str] = []
    for timed in candidates(records):
        owner = _owner(timed, found)
        if isinstance(owner, Row):
            owner.timed.append(timed)
        else:
            passed_over.append(owner)
    first = next(iter(boards.values()))
    found.sort(key=lambda row: -(row.value(0, first.chosen) or -1.0))
    for row, label in zip(found, run_labels([row.identity for row in found]), strict=True):
        row.label = label
    left_out = [one for position in range(len(boards)) for one in _join(found, position, scope)]
    timing = records[0] if records else None
    return Leaderboard(list(boards.values()), found, timing, scope, left_out, tuple(passed_over))


def _join(rows: Sequence[Row], position: int, scope: str) -> list[LeftOut]:
    """Give the rows their latencies on one board; return those that do not belong to it."""
    left_out: list[LeftOut] = []
    for row in rows:
        if row.timed and position in row.results:
            chosen = choose_latency(row.results[position], row.timed, scope)
            if isinstance(chosen, LeftOut):
                left_out.append(chosen)
            else:
                row.latencies[position] = chosen
    check_alike([row.latencies[position].record for row in rows if position in row.latencies], images=True)
    return left_out


def _board(measured: Measured, metric: str | None) -> Board:
    record, protocol = measured.record, measured.protocol
    names = list(record.metrics)
    chosen = metric if metric in record.metrics else compared_metric(names, protocol)
    metrics = headline_of(names, protocol)
    return Board(protocol, record.images, record.total_images, record.smoke_test, metrics, chosen, tuple(names))


def _row(identity: Identity) -> Row:
    from sshbench.detectors.registry import detector_info

    row = Row(identity, identity.detector, published=published_of_detector(identity.detector))
    try:
        info = detector_info(identity.detector)
    except SshbenchError:  # a prediction set, or a plug-in that is not installed here
        return row
    return replace(row, title=info.title, licence=info.licence, training_data=info.training_data)


def _key_of(identity: Identity) -> str:
    what = [identity.detector, identity.weights_sha256, identity.settings, identity.predictions_sha256]
    return json.dumps(what, sort_keys=True)


def _owner(timed: Timed, rows: Sequence[Row]) -> Row | str:
    """Return the row with the detector, weights, settings and size of a timing; else why it belongs to none."""
    reasons = []
    for row in rows:
        if row.identity.detector == timed.record.detector:
            differing = _differing(timed, row.identity)
            if not differing:
                return row
            reasons.append(differing)
    why = f": {reasons[0]}" if reasons else ", there is no run of this detector"
    return (
        f"the timing of '{timed.record.detector}' at {timed.timing.size} belongs to no run{why}. Time and evaluate "
        "with the same weights, settings and size"
    )


def _differing(timed: Timed, identity: Identity) -> str:
    settings = dict(identity.settings)
    pairs = {
        "weights_sha256": (timed.record.weights_sha256, identity.weights_sha256),
        "size": (timed.timing.size, settings.pop("resize", None)),
        "settings": (timed.record.settings, settings),
    }
    return "; ".join(f"{name} is {there!r} and {here!r}" for name, (there, here) in pairs.items() if there != here)
