"""Curves as the page draws them: paths, bands, and what a reader can point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.analysis.bands import Band
from sshbench.curves import Curve, ROCCurve, truncated_percent
from sshbench.evaluation.figures import SHOWN_FALSE_POSITIVES, drawn_points
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.wider import WiderResult
from sshbench.records import FloatArray
from sshbench.report.thinning import thinned

UNITS = 10_000
"""Units of a path along each axis."""
GRID = 1_001
"""Places along the horizontal axis where the page knows every curve."""
TOP = 1.005
"""End of the vertical axis: a line at 1 is drawn whole."""
_COLOURS, _DASHES, _SHADES = 7, 4, 2  # of style.css
_CLEAR = 0.2  # of the largest difference: where runs differ clearly
_USED = 0.6  # precision or rate under which hardly anybody uses a detector


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        label: Name of the run or of the published method.
        figure: Its AP, or rate at 1 000 false positives, as the official tool prints it.
        style: Classes of its colour and dashes.
        path: SVG path in units.
        band: SVG path of its band, empty where there is none.
    """

    label: str
    figure: str
    style: str
    path: str
    band: str = ""


@dataclass(frozen=True, slots=True)
class CurveView:
    """One figure.

    Attributes:
        name: What the curves are of.
        is_roc: Whether they are ROC curves, not PR curves.
        x_end: End of the horizontal axis.
        runs: Curves of the runs.
        others: Published curves.
        corner: Where the runs differ, or where the only one bends: left, low, right, high; of the horizontal axis, the
            part of its length.
        values: By run, height at each place of the grid; None where the curve does not get there.
        scores: By run, lowest raw score kept there.
    """

    name: str
    is_roc: bool
    x_end: int
    runs: tuple[Line, ...]
    others: tuple[Line, ...]
    corner: tuple[float, float, float, float]
    values: tuple[list[float | None], ...]
    scores: tuple[list[float | None], ...]


def style_of(position: int) -> str:
    """Return the classes of the colour and the dashes of a run."""
    return f"c{position % _COLOURS} l{position // _COLOURS % _DASHES}"


def curve_view(
    name: str, evaluations: Mapping[str, Evaluation], others: Mapping[str, Curve], bands: Mapping[str, Band]
) -> CurveView:
    """Prepare one figure.

    Args:
        name: Of the curve.
        evaluations: By label, in the order of the page.
        others: Published curves by method.
        bands: By label.
    """
    curves = [evaluation.curves[name] for evaluation in evaluations.values()]
    is_roc = isinstance(curves[0], ROCCurve)
    x_end = SHOWN_FALSE_POSITIVES if is_roc else 1
    runs = [
        Line(label, _figure(curve), style_of(i), curve_path(curve), _band(bands.get(label), x_end))
        for i, (label, curve) in enumerate(zip(evaluations, curves, strict=True))
    ]
    greys = [
        Line(label, _figure(curve), f"o{i // _DASHES % _SHADES} l{i % _DASHES}", curve_path(curve))
        for i, (label, curve) in enumerate(others.items())
    ]
    places = np.linspace(0.0, x_end, GRID)
    read = [values_at(curve, places) for curve in curves]
    raw = [_raw(evaluation, at) for evaluation, (_, at) in zip(evaluations.values(), read, strict=True)]
    return CurveView(
        name,
        is_roc,
        x_end,
        tuple(runs),
        tuple(greys),
        _corner(np.array([heights for heights, _ in read])),
        tuple([_number(value, 5) for value in heights.tolist()] for heights, _ in read),
        tuple([_number(value, 4) for value in at.tolist()] for at in raw),
    )


def values_at(curve: Curve, places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Read a curve at places of its horizontal axis.

    Returns:
        Height and threshold, each float64 (k,); NaN where the curve does not get there. Of a PR curve: the precision at
        the first (highest) threshold with at least that recall. Of a ROC curve: the largest rate with at most so many
        false positives.
    """
    heights, thresholds = np.full(len(places), np.nan), np.full(len(places), np.nan)
    if isinstance(curve, ROCCurve):
        order = np.argsort(-curve.thresholds, kind="stable")  # by rising number of false positives
        x, y, at = curve.false_positives[order], curve.true_positive_rate[order], curve.thresholds[order]
        within = np.searchsorted(x, places, side="right") - 1
        reached = within >= 0
    else:
        defined = np.isfinite(curve.precision) & np.isfinite(curve.recall)
        x, y, at = curve.recall[defined], curve.precision[defined], curve.thresholds[defined]
        within = np.searchsorted(x, places, side="left")
        reached = within < len(x)
    heights[reached], thresholds[reached] = y[within[reached]], at[within[reached]]
    return heights, thresholds


def _raw(evaluation: Evaluation, thresholds: FloatArray) -> FloatArray:
    """Return the raw scores of thresholds: WIDER's are normalised."""
    result = evaluation.outcome.result
    if not isinstance(result, WiderResult):
        return thresholds
    lowest, highest = float(result.score_range.lowest), float(result.score_range.highest)
    return lowest + thresholds * (highest - lowest)


def _figure(curve: Curve) -> str:
    return truncated_percent(drawn_points(curve)[2])


def curve_path(curve: Curve) -> str:
    """Return a curve as an SVG path in `UNITS`, thinned to what a plot needs."""
    kept = thinned(curve, UNITS)
    if isinstance(curve, ROCCurve):
        x, y = curve.false_positives[kept] / SHOWN_FALSE_POSITIVES, curve.true_positive_rate[kept]
    else:
        x, y = curve.recall[kept], curve.precision[kept]
    defined = np.isfinite(x) & np.isfinite(y)
    return _points(x[defined], y[defined])


def _band(band: Band | None, x_end: int) -> str:
    if band is None:
        return ""
    defined = ~(np.isnan(band.low) | np.isnan(band.high))
    x = band.x[defined] / x_end
    return _points(
        np.concatenate((x, x[::-1])), np.concatenate((band.high[defined], band.low[defined][::-1])), closed=True
    )


def _points(x: FloatArray, y: FloatArray, *, closed: bool = False) -> str:
    """Return a path through points from 0 to 1, the vertical axis upwards."""
    if not len(x):
        return ""
    pairs = np.round(UNITS * np.column_stack((np.clip(x, 0, 2), 1 - y))).astype(np.int64).tolist()
    return "M" + " ".join(f"{a},{b}" for a, b in pairs) + ("Z" if closed else "")


def _corner(heights: FloatArray) -> tuple[float, float, float, float]:
    """Return the rectangle where curves differ; heights: float64 (runs, GRID), NaN where there are none."""
    with np.errstate(invalid="ignore"):
        top, low = np.fmax.reduce(heights), np.fmin.reduce(heights)
        spread = np.where((~np.isnan(heights)).sum(axis=0) > 1, top - low, 0.0) if len(heights) > 1 else 1 - top
        used = np.nan_to_num(top) >= _USED
        spread = np.where(used, np.nan_to_num(spread), 0.0)
        far = np.flatnonzero(spread >= max(_CLEAR * spread.max(initial=0.0), 1e-9))
    if not len(far):
        return 0.0, 0.0, 1.0, TOP
    left, right = float(far[0]) / (GRID - 1), float(far[-1]) / (GRID - 1)
    inside = heights[:, far[0] : far[-1] + 1]
    bottom, upper = max(float(np.nanmin(inside)), _USED), float(np.nanmax(inside))
    wide, high = 0.06 * max(right - left, 0.05), 0.06 * max(upper - bottom, 0.05)
    return (
        round(max(left - wide, 0.0), 4),
        round(max(bottom - high, 0.0), 4),
        round(min(right + wide, 1.0), 4),
        round(min(upper + high, TOP), 4),
    )


def _number(value: float, digits: int) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def curve_data(views: Sequence[CurveView]) -> list[dict[str, object]]:
    """Return what the script needs of figures, for JSON."""
    return [{"end": view.x_end, "corner": view.corner, "values": view.values, "scores": view.scores} for view in views]
