"""Drawings for the page: SVG that takes its colours from the style sheet and its letters from the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from sshbench.report.text import printable

WIDTH, HEIGHT = 480, 380
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 10, 44
"""Margins of a plot around its axes."""
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Mark:
    """A dot with its interval, horizontal or vertical.

    Attributes:
        x: Place on the horizontal axis.
        y: Place on the vertical axis.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        style: Classes of its colour.
        title: What a pointer on it shows.
        run: Number of its run.
    """

    x: float
    y: float
    low: float | None
    high: float | None
    style: str
    title: str
    run: int


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between two, ascending.

    >>> ticks(0, 1), ticks(0, 2000, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 500.0, 1000.0, 1500.0, 2000.0])
    """
    span = high - low
    if span <= 0:
        return [low]
    power = float(10.0 ** np.floor(np.log10(span / most)))
    step = next(
        step
        for factor in (*_STEPS, 20, 50)
        if np.floor(high / (step := factor * power) + 1e-9) - np.ceil(low / step - 1e-9) < most
    )
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(i * step, 10) for i in range(first, last + 1)]


def axes(
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
    names: tuple[str, str],
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> Markup:
    """Draw grid, ticks and names of two axes.

    Args:
        x_ends: Ends of the horizontal axis.
        y_ends: Ends of the vertical axis.
        names: Of the axes.
        size: Width and height of the drawing.
    """
    width, height = size
    parts = []
    for value in ticks(*x_ends):
        x = _at(value, x_ends, LEFT, width - RIGHT)
        parts.append(f'<path class="rule" d="M{x},{TOP}V{height - BOTTOM}"/>')
        parts.append(f'<text x="{x}" y="{height - BOTTOM + 17}" text-anchor="middle">{_number(value)}</text>')
    for value in ticks(*y_ends):
        y = _at(value, y_ends, height - BOTTOM, TOP)
        parts.append(f'<path class="rule" d="M{LEFT},{y}H{width - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_number(value)}</text>')
    middle = (LEFT + width - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle:g}" y="{height - 8}" text-anchor="middle">{_text(names[0])}</text>')
    place = f"translate(13 {(TOP + height - BOTTOM) / 2:g}) rotate(-90)"
    parts.append(f'<text class="axis" transform="{place}" text-anchor="middle">{_text(names[1])}</text>')
    return Markup("".join(parts))  # numbers, and names that were escaped


def place(
    x: float,
    y: float,
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> tuple[float, float]:
    """Return where a point lies in a drawing with these axes."""
    return _at(x, x_ends, LEFT, size[0] - RIGHT), _at(y, y_ends, size[1] - BOTTOM, TOP)


def dot_chart(rows: Sequence[tuple[str, Sequence[Mark]]], x_name: str, label: str, end: float | None = None) -> Markup:
    """Draw a chart with one row per name: dots with their intervals, each run a little below the one before.

    Args:
        rows: Name, and its marks; their `y` is not looked at.
        x_name: Name of the horizontal axis.
        label: What a screen reader says.
        end: End of the horizontal axis; default: the largest value.
    """
    shown = [(name, [mark for mark in marks if np.isfinite(mark.x)]) for name, marks in rows]
    runs = max((mark.run for _, marks in shown for mark in marks), default=0) + 1
    ends = [v for _, marks in shown for m in marks for v in (m.x, m.low, m.high) if v is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends]) if end is None else end
    span = (low, high if high > low else low + 1.0)
    row, left = 10 + 9 * runs, 120
    width, height = 480, TOP + row * len(shown) + BOTTOM
    parts = []
    for value in ticks(*span):
        x = _at(value, span, left, width - RIGHT)
        parts.append(f'<path class="rule" d="M{x},{TOP}V{height - BOTTOM}"/>')
        parts.append(f'<text x="{x}" y="{height - BOTTOM + 17}" text-anchor="middle">{_number(value)}</text>')
    for number, (name, marks) in enumerate(shown):
        top = TOP + row * number
        parts.append(f'<path class="rule" d="M{left},{top}H{width - RIGHT}"/>')
        short = name if len(name) <= 20 else f"{name[:19]}…"
        parts.append(f'<text x="{left - 6}" y="{top + row / 2 + 4:g}" text-anchor="end">{_text(short)}</text>')
        parts += [_across(mark, span, left, width, top + 9.5 + 9 * mark.run) for mark in marks]
    middle = (left + width - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle:g}" y="{height - 8}" text-anchor="middle">{_text(x_name)}</text>')
    return _svg("".join(parts), (width, height), label)


def scatter(marks: Sequence[Mark], names: tuple[str, str], label: str) -> Markup:
    """Draw dots with vertical intervals over the diagonal, both axes from 0 to 100.

    Args:
        marks: The dots.
        names: Of the axes.
        label: What a screen reader says.
    """
    ends = (0.0, 100.0)
    parts = [axes(ends, ends, names)]
    (x0, y0), (x1, y1) = place(0, 0, ends, ends), place(100, 100, ends, ends)
    parts.append(Markup(f'<path class="even" d="M{x0},{y0}L{x1},{y1}"/>'))
    for mark in marks:
        x, y = place(mark.x, mark.y, ends, ends)
        bar = ""
        if mark.low is not None and mark.high is not None:
            bar = f'<path d="M{x},{place(0, mark.low, ends, ends)[1]}V{place(0, mark.high, ends, ends)[1]}"/>'
        parts.append(_mark(mark, bar, x, y))
    return _svg("".join(parts), (WIDTH, HEIGHT), label)


def _across(mark: Mark, span: tuple[float, float], left: float, width: float, y: float) -> Markup:
    bar = ""
    if mark.low is not None and mark.high is not None:
        ends = [_at(value, span, left, width - RIGHT) for value in (mark.low, mark.high)]
        bar = f'<path d="M{ends[0]},{y}H{ends[1]}"/>'
    return _mark(mark, bar, _at(mark.x, span, left, width - RIGHT), y)


def _mark(mark: Mark, bar: str, x: float, y: float) -> Markup:
    """Draw a dot and its bar (SVG of numbers alone)."""
    start = f'<g class="mark {mark.style}" data-run="{mark.run}"><title>{_text(mark.title)}</title>'
    return Markup(f'{start}{bar}<circle cx="{x}" cy="{y}" r="3.5"/></g>')


def _svg(content: str, size: tuple[float, float], label: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{_text(label)}">'
    return Markup(f"{head}{content}</svg>")


def _at(value: float, ends: tuple[float, float], start: float, stop: float) -> float:
    return round(start + (value - ends[0]) / (ends[1] - ends[0]) * (stop - start), 1)


def _text(text: str) -> Markup:
    return escape(printable(text))


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
