"""The leaderboard's figure for papers and documents: a panel for each board that has latencies."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sshbench.contamination import DOMAIN_MARKS, Domain
from sshbench.evaluation.metrics import title_of
from sshbench.plotting import COLOURS, plain_numbers, plain_text
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_plot import Point, fronts
from sshbench.report.leaderboard_text import three_digits

_MARKERS: dict[Domain, str] = {"cross-data": "o", "in domain": "s", "unknown": "D"}
_LINES: dict[Domain, str] = {"cross-data": "--", "in domain": "-"}


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
                up=None
                if (sure := row.interval(position, one.chosen)) is None or sure.low is None or sure.high is None
                else (100 * sure.low, 100 * sure.high),
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


def _draw(axes: Axes, points: list[Point]) -> None:
    for best in fronts(points):
        axes.plot(
            [p.x for p in best],
            [p.y for p in best],
            _LINES[best[0].domain],
            color="#9ca3af",
            lw=1.2,
            zorder=1,
        )
    handles = []
    for point in points:
        colour, marker = COLOURS[(point.number - 1) % (len(COLOURS) - 1)], _MARKERS[point.domain]
        if point.up is not None:
            axes.plot((point.x, point.x), point.up, color=colour, linewidth=1.4, zorder=2)
        axes.scatter([point.x], [point.y], s=170, color=colour, marker=marker, zorder=3, edgecolor="white")
        axes.annotate(
            str(point.number),
            (point.x, point.y),
            ha="center",
            va="center",
            fontsize=8,
            color="white",
            fontweight="bold",
            zorder=4,
        )
        label = f"{point.number}  {point.name}  {point.y:.1f}, {three_digits(point.x)} ms"
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
