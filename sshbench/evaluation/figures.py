"""Figures of curves: precision against recall, or true positives against false ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sshbench.analysis.bands import Band
from sshbench.curves import Curve, ROCCurve, truncated_percent
from sshbench.errors import shorten
from sshbench.evaluation.result import Evaluation
from sshbench.plotting import COLOURS, GREY, GREYS, LINE_STYLES, ShownFigure, plain_text, style_axes
from sshbench.records import FloatArray

_LEGEND = 38  # characters of a line in the legend
_INSIDE = 8  # curves whose legend fits inside the axes without hiding them
SHOWN_FALSE_POSITIVES = 2000
"""End of the horizontal axis of a ROC, as the benchmark's own page draws it."""


def curve_figure(
    name: str,
    curves: Mapping[str, Curve],
    others: Mapping[str, Curve] | None = None,
    bands: Mapping[str, Band] | None = None,
) -> Figure:
    """Draw the curves of several runs in one figure.

    Args:
        name: What they are of (a subset, an iteration, a kind of ROC), for the heading.
        curves: By label, in the order in which colours are given.
        others: Published curves, drawn in grey below them.
        bands: By label, the pointwise band of a curve, drawn behind it.
    """
    many = len(curves) + len(others or {}) > _INSIDE
    figure = Figure(figsize=(7.6 if many else 5.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for i, label in enumerate(curves):
        if (band := (bands or {}).get(label)) is not None:
            axes.fill_between(band.x, band.low, band.high, color=COLOURS[i % len(COLOURS)], alpha=0.15, linewidth=0)
    _draw(axes, name, curves, others or {})
    return figure


def shown_curves(evaluation: Evaluation) -> dict[str, Curve]:
    """Return the curves that are drawn: all, or the first and the last of a sequence of iterations."""
    names = list(evaluation.curves)
    iterations = [name for name in names if name.startswith("iteration")]
    if len(iterations) > 2:
        names = [iterations[0], iterations[-1]]
    return {name: evaluation.curves[name] for name in names}


def run_figure(evaluation: Evaluation) -> Figure:
    """Draw all subsets of one run side by side."""
    curves, label = shown_curves(evaluation), shorten(evaluation.record.detector, 32)
    figure = ShownFigure(figsize=(4.4 * max(len(curves), 1), 4.3), layout="constrained")
    for position, (name, curve) in enumerate(curves.items(), start=1):
        _draw(figure.add_subplot(1, len(curves), position), name, {label: curve}, {})
    note = " - smoke test, measures no detector" if evaluation.record.smoke_test else ""
    note += "" if evaluation.record.complete else " - UNFINISHED RUN"
    figure.suptitle(plain_text(f"{evaluation.protocol.title}{note}"), fontsize=12)
    return figure


def _draw(axes: Axes, name: str, curves: Mapping[str, Curve], others: Mapping[str, Curve]) -> None:
    for i, (label, curve) in enumerate(curves.items()):
        x, y, figure = drawn_points(curve)
        axes.plot(
            x,
            y,
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)],
            linewidth=1.8,
            label=_entry(label, figure),
        )
    for i, (label, curve) in enumerate(others.items()):
        x, y, figure = drawn_points(curve)
        style = LINE_STYLES[i % len(LINE_STYLES)]
        shade = GREYS[i // len(LINE_STYLES) % len(GREYS)]
        axes.plot(x, y, color=shade, linestyle=style, linewidth=1.1, zorder=1.5, label=_entry(label, figure))
    if any(isinstance(curve, ROCCurve) for curve in curves.values()):
        axes.set(
            xlim=(0, SHOWN_FALSE_POSITIVES), ylim=(0, 1.005), xlabel="false positives", ylabel="true positive rate"
        )
    else:
        axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="recall", ylabel="precision")
        axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    style_axes(axes, name)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(colors="#374151", labelsize=9)
    if len(curves) + len(others) > _INSIDE:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)
    else:
        axes.legend(loc="best", fontsize=10, frameon=True, framealpha=0.9, edgecolor="none", title=None)


def _entry(label: str, figure: float) -> str:
    """Return an entry of the legend: a long name in several lines, so that the legend leaves room for the axes."""
    return "\n".join(wrap(f"{plain_text(label)}  {truncated_percent(figure)}", _LEGEND, drop_whitespace=False))


def drawn_points(curve: Curve) -> tuple[FloatArray, FloatArray, float]:
    """Return horizontal and vertical positions, and the legend's figure: AP, or the rate at 1 000 false positives."""
    if isinstance(curve, ROCCurve):
        return curve.false_positives, curve.true_positive_rate, curve.rate_at(1000)
    defined = ~np.isnan(curve.precision)
    return curve.recall[defined], curve.precision[defined], curve.ap


def labels_of(names: Sequence[str]) -> list[str]:
    """Return labels for runs, numbered where two have the same name.

    >>> labels_of(["haar", "yunet", "haar"])
    ['haar (1)', 'yunet', 'haar (2)']
    """
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        labels.append(f"{name} ({seen[name]})" if list(names).count(name) > 1 else name)
    return labels
