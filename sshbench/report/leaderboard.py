"""A leaderboard: one row per detector and settings, one board per dataset, a section per size of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

import json
from dataclasses import dataclass, field

from sshbench.analysis.record import Interval, Rank
from sshbench.contamination import Domain
from sshbench.protocols import Protocol
from sshbench.published.tables import PublishedFigure
from sshbench.report.leaderboard_latency import Latency, LeftOut, Timed, images_per_second
from sshbench.report.measured import Measured
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
        fit: Size that all images were fitted into beforehand, `640x480` for example; empty where they were left as they
            are.
    """

    protocol: Protocol
    images: int
    total_images: int
    smoke_test: bool
    metrics: list[str]
    chosen: str
    all_metrics: tuple[str, ...] = ()
    fit: str = ""

    @property
    def is_part(self) -> bool:
        """Whether its figures compare with no published ones."""
        return self.images < self.total_images

    @property
    def title(self) -> str:
        """The dataset, how much of it, and what its images were fitted into."""
        part = f", {self.images} of its {self.total_images} images" if self.is_part else ""
        return f"{self.protocol.title}{part}{f', images fitted into {self.fit}' if self.fit else ''}"


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
        fixed_size: Width and height, if the network takes one input size only.
        places: By board, the places that its chosen figure leaves open among compared runs.
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
    fixed_size: tuple[int, int] | None = None
    places: dict[int, Rank] = field(default_factory=dict)

    def interval(self, board: int, metric: str) -> Interval | None:
        """Return how sure a figure is; None where the run was not analysed."""
        run = self.results.get(board)
        return None if run is None else run.intervals.get(metric)

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
class Section:
    """One table: the boards whose images were fitted alike, and their rows.

    Attributes:
        fit: As of its boards.
        boards: Position and board, in the order of the runs.
        rows: Best first.
    """

    fit: str
    boards: list[tuple[int, Board]]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All of it.

    Attributes:
        boards: In the order of the runs.
        rows: By section, best first.
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

    @property
    def sections(self) -> list[Section]:
        """The tables: boards of images as they are first, then those of images fitted into one size."""
        fits = sorted({board.fit for board in self.boards})
        found = []
        for fit in fits:
            boards = [(position, board) for position, board in enumerate(self.boards) if board.fit == fit]
            rows = [row for row in self.rows if any(position in row.results for position, _ in boards)]
            found.append(Section(fit, boards, rows))
        return found

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
                        "fit": board.fit,
                        "metric": metric,
                        "value": row.value(position, metric),
                        **_sure(row.interval(position, metric)),
                        **_place(row.places.get(position) if metric == board.chosen else None),
                        "domain": row.domain(position),
                        "input_pixels": _rounded(run.pixels.input),
                        "timed_pixels": _rounded(None if latency is None else latency.pixels.input),
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
        whole = (
            "best_rank",
            "worst_rank",
            "input_pixels",
            "timed_pixels",
            "parameters",
            "weights_bytes",
            "peak_memory_mib",
        )
        return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64"))


def _sure(interval: Interval | None) -> dict[str, object]:
    return {name: interval and getattr(interval, name) for name in ("low", "high", "se", "se_group")}


def _place(rank: Rank | None) -> dict[str, object]:
    return {"best_rank": rank and rank.best, "worst_rank": rank and rank.worst}


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


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
