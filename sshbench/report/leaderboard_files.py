"""The leaderboard as files: a page that needs nothing else, its table as CSV, and its figure."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import sshbench
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE, Domain
from sshbench.plotting import COLOURS, plain_numbers, save_png, to_svg
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_text import SCOPE_TITLES, milliseconds, published_text
from sshbench.report.metrics import percent, title_of
from sshbench.report.page import environment
from sshbench.runs import write_atomic

_MARKERS: dict[Domain, str] = {"cross-data": "o", "in domain": "s", "unknown": "D"}


def write_leaderboard(board: Leaderboard, out: Path) -> list[Path]:
    """Write `index.html`, `leaderboard.csv`, and with timings `speed-accuracy.svg` and `.png`.

    Returns:
        The files, the page first.
    """
    files = [write_atomic(out / "leaderboard.csv", _csv(board))]
    svg = ""
    if any(row.latency is not None for row in board.rows):
        figure = speed_accuracy(board)
        svg = to_svg(figure, "speed-accuracy")
        files += [write_atomic(out / "speed-accuracy.svg", svg), save_png(figure, out / "speed-accuracy.png")]
    page = (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            boards=board.boards,
            rows=board.rows,
            timing=board.timing,
            scope=SCOPE_TITLES[board.scope],
            svg=Markup(svg),  # our own drawing, escaped by matplotlib
            percent=percent,
            title_of=title_of,
            milliseconds=milliseconds,
            domain_marks=DOMAIN_MARKS,
            domain_note=DOMAIN_NOTE,
            published=published_text,
            version=sshbench.__version__,
        )
    )
    return [write_atomic(out / "index.html", page), *files]


def speed_accuracy(board: Leaderboard) -> Figure:
    """A panel for each dataset: its chosen metric against latency, points numbered as the rows.

    The line joins those that no other beats in both.
    """
    figure = Figure(figsize=(10.5, 4.6 * len(board.boards)), layout="constrained")
    for position, one in enumerate(board.boards):
        axes = figure.add_subplot(len(board.boards), 1, position + 1)
        points = [
            Point(number, row.latency.median, 100 * value, row.identity.detector, row.domain(position) or "unknown")
            for number, row in enumerate(board.rows, start=1)
            if row.latency is not None and (value := row.value(position, one.chosen)) is not None
        ]
        _draw(axes, points)
        assert board.timing is not None
        axes.set(xscale="log", xlabel=f"milliseconds an image, {board.timing.image_source}")
        axes.set_ylabel(f"{title_of(one.chosen) if '/' in one.chosen else one.chosen}, percent")
        axes.set_title(one.title, fontsize=11, loc="left", fontweight="bold")
        axes.margins(x=0.06, y=0.08)
        plain_numbers(axes.xaxis)
    return figure


@dataclass(frozen=True, slots=True)
class Point:
    """One detector in a panel: its number in the table, milliseconds, percent, name and domain."""

    number: int
    latency: float
    value: float
    name: str
    domain: Domain


def _draw(axes: Axes, points: list[Point]) -> None:
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.latency, -point.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    axes.plot([p.latency for p in best], [p.value for p in best], color="#9ca3af", linewidth=1.2, zorder=1)
    handles = []
    for point in points:
        colour, marker = COLOURS[(point.number - 1) % (len(COLOURS) - 1)], _MARKERS[point.domain]
        axes.scatter([point.latency], [point.value], s=170, color=colour, marker=marker, zorder=3, edgecolor="white")
        axes.annotate(
            str(point.number),
            (point.latency, point.value),
            ha="center",
            va="center",
            fontsize=8,
            color="white",
            fontweight="bold",
            zorder=4,
        )
        label = f"{point.number}  {point.name}  {point.value:.1f}, {milliseconds(point.latency)} ms"
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, markersize=8, label=label))
    for domain in _MARKERS:
        if any(point.domain == domain for point in points):
            text = DOMAIN_MARKS[domain]
            handles.append(Line2D([], [], linestyle="", marker=_MARKERS[domain], color="#d1d5db", label=text))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _csv(board: Leaderboard) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["detector", "weights_sha256", "dataset", "images", "total_images", "metric", "value", "domain"]
    writer.writerow([*head, "median_ms", "low_ms", "high_ms", "stable"])
    for row in board.rows:
        latency = row.latency
        low, high = (None, None) if latency is None or latency.interval is None else latency.interval
        times = [None if latency is None else latency.median, low, high, row.stable if latency else None]
        for position, one in enumerate(board.boards):
            for metric in one.metrics if position in row.results else ():
                what = [row.identity.detector, row.identity.weights_sha256, one.protocol.dataset]
                figures = [one.images, one.total_images, metric, row.value(position, metric), row.domain(position)]
                writer.writerow([*what, *figures, *times])
    return text.getvalue()
