"""Figures of analyses: dots with bars, never pies or stacked areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from sshbench.analysis.record import CalibrationRow, ErrorsRecord, Interval, Pair, Slice, Spread
from sshbench.errors import shorten
from sshbench.plotting import COLOURS, GREY, ShownFigure, plain_text, style_axes

_ROW = 0.34  # inches


def intervals_figure(runs: Mapping[str, Mapping[str, Interval]], title: str = "Figures with intervals") -> ShownFigure:
    """Draw the figures of runs with their intervals, one panel per metric.

    Args:
        runs: By label, intervals by metric.
        title: Heading.
    """
    metrics = list(dict.fromkeys(name for one in runs.values() for name in one))
    height = 1.1 + _ROW * max(len(runs), 1)
    figure = ShownFigure(figsize=(3.4 * max(len(metrics), 1), height), layout="constrained")
    figure.suptitle(plain_text(title), fontsize=12)
    for position, metric in enumerate(metrics, start=1):
        axes = figure.add_subplot(1, len(metrics), position)
        rows = [(label, one.get(metric)) for label, one in runs.items()]
        values = [(label, one.value, one.low, one.high) for label, one in rows if one is not None]
        _dots(axes, values)
        style_axes(axes, metric)
        axes.set_xlabel("percent")
        if position > 1:
            axes.tick_params(labelleft=False)
    return figure


def differences_figure(pairs: Sequence[Pair], title: str) -> ShownFigure:
    """Draw the differences of pairs with their intervals around a line at 0."""
    figure = ShownFigure(figsize=(7.2, 1.2 + _ROW * max(len(pairs), 1)), layout="constrained")
    axes = figure.add_subplot()
    _dots(axes, [(f"{one.a} - {one.b}", one.difference, one.low, one.high) for one in pairs])
    axes.axvline(0, color=GREY, linewidth=1)
    style_axes(axes, title)
    axes.set_xlabel("difference, points")
    return figure


def slices_figure(slices: Sequence[Slice], whole: float | None, title: str) -> ShownFigure:
    """Draw the recall of each part of axes, with a vertical line at that of the whole subset."""
    figure = ShownFigure(figsize=(7.2, 1.2 + _ROW * 0.8 * max(len(slices), 1)), layout="constrained")
    axes = figure.add_subplot()
    _dots(
        axes,
        [(f"{one.axis} {one.part}", one.recall.value, one.recall.low, one.recall.high) for one in slices if one.faces],
    )
    if whole is not None:
        axes.axvline(100 * whole, color=GREY, linewidth=1)
    style_axes(axes, title)
    axes.set_xlabel("recall at the operating point, percent")
    return figure


def costs_figure(errors: ErrorsRecord, title: str) -> ShownFigure:
    """Draw what each type of error costs, beside how many there are."""
    figure = ShownFigure(figsize=(7.2, 1.4 + _ROW * len(errors.types)), layout="constrained")
    axes, counts = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    names = [one.name for one in errors.types]
    places = np.arange(len(names))
    costs = np.array([100 * (one.cost.value or 0) for one in errors.types])
    axes.barh(places, costs, color=COLOURS[0], height=0.6)
    for place, one in enumerate(errors.types):
        _bar(axes, place, one.cost, "#111827")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    style_axes(axes, title)
    axes.set_xlabel(f"cost in {errors.metric}, points")
    counts.barh(places, [one.at_point for one in errors.types], color=COLOURS[5], height=0.6)
    style_axes(counts, "at the operating point")
    counts.set_xlabel("detections or faces")
    return figure


def reliability_figure(row: CalibrationRow, title: str) -> ShownFigure:
    """Draw the share of right detections against their mean score, with the number of detections below."""
    figure = ShownFigure(figsize=(4.6, 5.0), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 100), (0, 100), color=GREY, linewidth=1)
    scores = [100 * one.score for one in row.bins]
    axes.plot(scores, [100 * (one.right.value or 0) for one in row.bins], "o", color=COLOURS[0], markersize=4)
    for score, one in zip(scores, row.bins, strict=True):
        if one.right.low is not None and one.right.high is not None:
            axes.plot((score, score), (100 * one.right.low, 100 * one.right.high), color=COLOURS[0], linewidth=1.4)
    axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="share right, percent")
    style_axes(axes, title)
    # Bins hold equally many detections: how dense they are says where the scores lie.
    widths = [max(100 * (one.high - one.low), 0.01) for one in row.bins]
    density = [one.detections / width for one, width in zip(row.bins, widths, strict=True)]
    counts.bar([100 * one.low for one in row.bins], density, widths, align="edge", color=COLOURS[5])
    counts.set_yscale("log")
    style_axes(counts, "detections per percent of score")
    counts.set_xlabel("score, percent")
    return figure


def _dots(axes: Axes, rows: Sequence[tuple[str, float | None, float | None, float | None]]) -> None:
    """Draw values with their intervals, in percent or points, the first row at the top."""
    shown = [(label, value, low, high) for label, value, low, high in rows if value is not None]
    for place, (_, value, low, high) in enumerate(shown):
        axes.plot([100 * value], [place], "o", color=COLOURS[0], markersize=5)
        _bar(axes, place, Spread(value=value, low=low, high=high), COLOURS[0])
    axes.set_yticks(range(len(shown)), [plain_text(shorten(label, 40)) for label, *_ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)


def _bar(axes: Axes, place: float, spread: Spread, colour: str) -> None:
    if spread.low is not None and spread.high is not None:
        axes.plot((100 * spread.low, 100 * spread.high), (place, place), color=colour, linewidth=1.6)
