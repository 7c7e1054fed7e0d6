"""Points, fronts and scales of the trade-off plot, and its first drawing, which the page shows without its script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sshbench.contamination import Domain
from sshbench.report.leaderboard_table import Amount, BoardTable, TableRow
from sshbench.report.svg import ticks

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 16, 48
"""Margins; the page's script draws with the same."""


@dataclass(frozen=True, slots=True)
class Point:
    """A detector in a plot: its number in the table, place, name, domain, and the ends of its intervals."""

    number: int
    x: float
    y: float
    name: str
    domain: Domain
    across: tuple[float, float] | None = None
    up: tuple[float, float] | None = None


def fronts(points: Sequence[Point], *, less_x: bool = True, less_y: bool = False) -> list[list[Point]]:
    """Return for each domain its points that no other of the domain beats in both, the best in x first.

    Detectors whose training data are not known are in no domain.

    Args:
        points: Of any domains.
        less_x: Whether less is better on the horizontal axis.
        less_y: Whether less is better on the vertical axis.

    >>> a, b, c = (Point(n, n, 50.0, "", domain) for n, domain in [(1, "in domain"), (2, "in domain"), (3, "unknown")])
    >>> fronts([a, b, c]) == [[a]]
    True
    """
    across, up = (1 if less_x else -1), (1 if less_y else -1)
    found: dict[Domain, list[Point]] = {}
    for point in sorted(points, key=lambda point: (across * point.x, up * point.y)):
        best = found.setdefault(point.domain, [])
        if not best or up * point.y < up * best[-1].y:
            best.append(point)
    found.pop("unknown", None)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Scale:
    """Where numbers lie on an axis.

    Attributes:
        low: Number at the beginning.
        high: Number at the end.
        log: Whether it is logarithmic.
        start: Place of the beginning, in pixels.
        end: Place of the end.
    """

    low: float
    high: float
    log: bool
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a number, in pixels."""
        low, high, value = (math.log10(n) if self.log else n for n in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and labels: 1, 2, 5, 10 ... on a logarithmic axis, round numbers on a linear one."""
        found = _log_ticks(self.low, self.high) if self.log else []
        if len(found) < 3:
            found = ticks(self.low, self.high)
        return [(self.at(value), f"{value:.6g}") for value in found]


def scale_of(amounts: Sequence[Amount], *, log: bool, start: float, end: float) -> Scale:
    """Return a scale on which numbers and their intervals fit, with a margin; a number of 0 has no logarithm."""
    every = [n for one in amounts for n in (one.value, one.low, one.high) if n is not None]
    low, high = min(every), max(every)
    if log and low > 0:
        margin = (high / low) ** 0.07 if high > low else 1.5
        return Scale(low / margin, high * margin, True, start, end)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(max(low - margin, min(low, 0.0)), high + margin, False, start, end)


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for power in powers for step in (1, 2, 5) if low <= (value := step * 10.0**power) <= high]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A point as it is drawn.

    Attributes:
        row: Of the table.
        x: Place, in pixels.
        y: Place.
        whiskers: Path of its intervals; empty where there is none.
    """

    row: TableRow
    x: float
    y: float
    whiskers: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The first drawing of a board.

    Attributes:
        across: Ticks of the horizontal axis: places and labels.
        up: Ticks of the vertical axis.
        fronts: Domain, and the places that a line joins.
        points: In the order of the rows.
    """

    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    fronts: list[tuple[Domain, str]]
    points: list[Drawn]


def first_plot(table: BoardTable) -> Plot | None:
    """Return the plot of a board's first axes; None where nothing can be drawn."""
    if not table.x:
        return None
    x, y, rows = table.column(table.x), table.column(table.y), table.drawn()
    across = scale_of([row.amounts[x.key] for row in rows], log=x.log, start=LEFT, end=WIDTH - RIGHT)
    up = scale_of([row.amounts[y.key] for row in rows], log=y.log, start=HEIGHT - BOTTOM, end=TOP)
    points = [
        Point(i, row.amounts[x.key].value, row.amounts[y.key].value, row.label, row.domain or "unknown")
        for i, row in enumerate(rows)
    ]
    lines = [
        (best[0].domain, " ".join(f"{across.at(one.x)},{up.at(one.y)}" for one in best))
        for best in fronts(points, less_x=x.less, less_y=y.less)
    ]
    drawn = [
        Drawn(row, across.at(point.x), up.at(point.y), _whiskers(row.amounts[x.key], row.amounts[y.key], across, up))
        for row, point in zip(rows, points, strict=True)
    ]
    return Plot(across.ticks(), up.ticks(), lines, drawn)


def _whiskers(x: Amount, y: Amount, across: Scale, up: Scale) -> str:
    """Return a path of lines with caps, from the place of the point as its origin."""
    path = ""
    if x.low is not None and x.high is not None:
        for end in (across.at(x.low) - across.at(x.value), across.at(x.high) - across.at(x.value)):
            path += f"M0 0H{end:.1f}m0 -4v8"
    if y.low is not None and y.high is not None:
        for end in (up.at(y.low) - up.at(y.value), up.at(y.high) - up.at(y.value)):
            path += f"M0 0V{end:.1f}m-4 0h8"
    return path
