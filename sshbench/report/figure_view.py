"""One figure of the page: curves with what each run finds from a score on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from sshbench.analysis.bands import Band
from sshbench.curves import Curve
from sshbench.evaluation.result import Evaluation
from sshbench.records import FloatArray
from sshbench.report.curve_view import GRID, TOP, UNITS, CurveView, curve_data, curve_view
from sshbench.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, axes, place
from sshbench.report.svg import TOP as MARGIN_TOP
from sshbench.report.text import thousands
from sshbench.report.threshold_counts import Counts, counts_at, counts_data, score_steps

PLOT = (LEFT, MARGIN_TOP, WIDTH - LEFT - RIGHT, HEIGHT - MARGIN_TOP - BOTTOM)
"""Place and size of the curves in the drawing."""
VIEW = f"0 {round((1 - TOP) * UNITS)} {UNITS} {round(TOP * UNITS)}"
"""The whole of the curves in units of their paths."""


@dataclass(frozen=True, slots=True)
class CountRow:
    """What a run finds at one score, as text, and where its dot lies in the drawing (None: outside)."""

    label: str
    style: str
    cells: tuple[str, ...]
    dot: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class FigureView:
    """One figure.

    Attributes:
        curves: The lines.
        frame: Axes as SVG.
        counts: By run, counts by score.
        rows: By run, those at its best F1.
    """

    curves: CurveView
    frame: Markup
    counts: tuple[Counts, ...]
    rows: tuple[CountRow, ...]

    plot = PLOT
    view = VIEW
    size = (WIDTH, HEIGHT)


def figure_views(
    curves: Mapping[str, tuple[Mapping[str, Curve], Mapping[str, Band]]],
    evaluations: Mapping[str, Evaluation],
    best: Sequence[float],
) -> tuple[list[FigureView], dict[str, object]]:
    """Prepare the figures of a page.

    Args:
        curves: By name of a curve, published curves and the bands of the runs.
        evaluations: By label, in the order of the page.
        best: By run, the score of its best F1.

    Returns:
        The figures, and what the script needs of them, for JSON.
    """
    scores = score_steps(list(evaluations.values()), best)
    at = [min(int(np.searchsorted(scores, score)), max(len(scores) - 1, 0)) for score in best]
    figures = []
    for name, (others, bands) in curves.items():
        view = curve_view(name, evaluations, others, bands)
        counts = tuple(counts_at(evaluation, name, scores) for evaluation in evaluations.values())
        rows = _rows(view, counts, scores, at) if len(scores) else ()
        figures.append(FigureView(view, _frame(view), counts, rows))
    data = [
        {**one, "counts": [counts_data(counts) for counts in figure.counts]}
        for one, figure in zip(curve_data([figure.curves for figure in figures]), figures, strict=True)
    ]
    return figures, {"grid": GRID, "steps": scores.tolist(), "best": at, "curves": data}


def _frame(view: CurveView) -> Markup:
    names = ("false positives", "true positive rate") if view.is_roc else ("recall", "precision")
    return axes((0, view.x_end), (0, TOP), names)


def _rows(view: CurveView, counts: Sequence[Counts], scores: FloatArray, at: Sequence[int]) -> tuple[CountRow, ...]:
    rows = []
    for line, one, step in zip(view.runs, counts, at, strict=True):
        right, false = float(one.right[step]), float(one.false[step])
        precision = right / (right + false) if right + false else math.nan
        recall = right / one.faces if one.faces else math.nan
        cells = (
            _number(float(scores[step])),
            _count(right),
            _count(false),
            _count(one.faces - right),
            _percent(precision),
            _percent(recall),
        )
        x, y = one.place(step)
        inside = math.isfinite(x) and math.isfinite(y) and x <= view.x_end
        dot = place(x, y, (0, view.x_end), (0, TOP)) if inside else None
        rows.append(CountRow(line.label, line.style, cells, dot))
    return tuple(rows)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _count(value: float) -> str:
    return thousands(value, 0 if value == int(value) else 1)


def _percent(value: float) -> str:
    return "\N{EN DASH}" if math.isnan(value) else f"{100 * value:.1f}"
