"""The leaderboard as files: a page that needs nothing else, its table as CSV, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import sshbench
from sshbench.analysis.record import Interval
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE, Domain
from sshbench.detectors.pixels import TOLERANCE
from sshbench.evaluation.metrics import percent, title_of
from sshbench.files import write_atomic
from sshbench.plotting import COLOURS, plain_numbers, plain_text, save_png, to_svg
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_latency import megapixels
from sshbench.report.leaderboard_text import (
    SCOPE_TITLES,
    WORK_COLUMNS,
    WORK_NOTE,
    grouped,
    pixels_text,
    published_text,
    three_digits,
    work_cells,
)
from sshbench.report.page import environment
from sshbench.tables import to_csv

_MARKERS: dict[Domain, str] = {"cross-data": "o", "in domain": "s", "unknown": "D"}
_LINES: dict[Domain, str] = {"cross-data": "--", "in domain": "-"}


def write_leaderboard(board: Leaderboard, out: Path, *, note: str = "") -> list[Path]:
    """Write `index.html`, `leaderboard.csv`, and where latencies are shown `speed-accuracy.svg` and `.png`.

    Args:
        board: The leaderboard.
        out: Folder.
        note: A sentence of your own for the top of the page.

    Returns:
        The files, the page first.
    """
    files = [write_atomic(out / "leaderboard.csv", to_csv(board.to_pandas()))]
    svg = ""
    if any(row.latencies for row in board.rows):
        figure = speed_accuracy(board)
        svg = to_svg(figure, "speed-accuracy")
        files += [write_atomic(out / "speed-accuracy.svg", svg), save_png(figure, out / "speed-accuracy.png")]
    page = (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            boards=board.boards,
            rows=board.rows,
            sections=board.sections,
            timing=board.timing,
            timed_on=[board.timed_on(position) for position in range(len(board.boards))],
            ranked={position for row in board.rows for position in row.places},
            sure_of=any(run.intervals for row in board.rows for run in row.results.values()),
            left_out=grouped(board.left_out),
            note=note,
            megapixels=megapixels,
            tolerance=TOLERANCE,
            scope=SCOPE_TITLES[board.scope],
            svg=Markup(svg),  # our own drawing, escaped by matplotlib
            percent=percent,
            title_of=title_of,
            three_digits=three_digits,
            domain_marks=DOMAIN_MARKS,
            domain_note=DOMAIN_NOTE,
            published=published_text,
            work_columns=WORK_COLUMNS,
            work_note=WORK_NOTE,
            work_cells=work_cells,
            pixels_text=pixels_text,
            version=sshbench.__version__,
        )
    )
    return [write_atomic(out / "index.html", page), *files]


def speed_accuracy(board: Leaderboard) -> Figure:
    """Draw a panel for each board that has latencies: its chosen metric against them, points numbered as the rows.

    In each domain, a line joins those that no other of the domain beats in both.
    """
    shown = [
        (position, one, section.rows)
        for section in board.sections
        for position, one in section.boards
        if board.timed_on(position)
    ]
    figure = Figure(figsize=(10.5, 4.6 * len(shown)), layout="constrained")
    for panel, (position, one, rows) in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, panel)
        points = [
            Point(
                number,
                latency.summary.median,
                100 * value,
                row.label,
                row.domain(position) or "unknown",
                row.interval(position, one.chosen),
            )
            for number, row in enumerate(rows, start=1)
            if (latency := row.latencies.get(position)) and (value := row.value(position, one.chosen)) is not None
        ]
        _draw(axes, points)
        axes.set(xscale="log", xlabel=f"milliseconds per image, {board.timed_on(position)}")
        axes.set_ylabel(f"{title_of(one.chosen) if '/' in one.chosen else one.chosen}, percent")
        axes.set_title(plain_text(one.title), fontsize=11, loc="left", fontweight="bold")
        axes.margins(x=0.06, y=0.08)
        plain_numbers(axes.xaxis)
    return figure


@dataclass(frozen=True, slots=True)
class Point:
    """One detector in a panel: its number in the table, milliseconds, percent, name, domain, and how sure it is."""

    number: int
    latency: float
    value: float
    name: str
    domain: Domain
    interval: Interval | None = None


def fronts(points: Sequence[Point]) -> list[list[Point]]:
    """Return for each domain its points that no other of the domain beats in both, by rising latency.

    Detectors whose training data are not known are in no domain.

    >>> a, b, c = (Point(n, n, 50.0, "", domain) for n, domain in [(1, "in domain"), (2, "in domain"), (3, "unknown")])
    >>> fronts([a, b, c]) == [[a]]
    True
    """
    found: dict[Domain, list[Point]] = {}
    for point in sorted(points, key=lambda point: (point.latency, -point.value)):
        best = found.setdefault(point.domain, [])
        if not best or point.value > best[-1].value:
            best.append(point)
    found.pop("unknown", None)
    return list(found.values())


def _draw(axes: Axes, points: list[Point]) -> None:
    for best in fronts(points):
        axes.plot(
            [p.latency for p in best],
            [p.value for p in best],
            _LINES[best[0].domain],
            color="#9ca3af",
            lw=1.2,
            zorder=1,
        )
    handles = []
    for point in points:
        colour, marker = COLOURS[(point.number - 1) % (len(COLOURS) - 1)], _MARKERS[point.domain]
        if point.interval is not None and point.interval.low is not None and point.interval.high is not None:
            ends = (100 * point.interval.low, 100 * point.interval.high)
            axes.plot((point.latency, point.latency), ends, color=colour, linewidth=1.4, zorder=2)
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
        label = f"{point.number}  {point.name}  {point.value:.1f}, {three_digits(point.latency)} ms"
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, markersize=8, label=plain_text(label)))
    for domain in _MARKERS:
        if any(point.domain == domain for point in points):
            text = DOMAIN_MARKS[domain]
            handles.append(Line2D([], [], linestyle="", marker=_MARKERS[domain], color="#d1d5db", label=text))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
