"""Curves as figures for papers: as wide as a column, lines told apart in grey print, fonts embedded, no title."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sshbench.curves import Curve, ROCCurve, truncated_percent
from sshbench.errors import UsageError, shorten
from sshbench.evaluation.figures import SHOWN_FALSE_POSITIVES, drawn_points
from sshbench.plotting import COLOURS, plain_text, save_figure

COLUMN = 3.3
"""Width of a column of most conferences, inches."""
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
_DPI = 600
_LEAST, _MOST = 1.5, 20.0
_FONT, _SMALL = 8.0, 7.0  # points, as captions of papers have
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (9, 2), (6, 1.5, 1, 1.5, 1, 1.5))
_MARKERS = ("", "o", "s", "^", "x")  # after all dashes, the same ones with a mark
_TWO_COLUMNS = 0.42  # of the width: labels that are shorter stand in two columns
_LETTER = 0.55  # mean width of a letter, in its size


def parse_width(text: str) -> float:
    """Read the width of a figure, and return inches.

    Raises:
        UsageError: It has no unit of in, cm, mm or pt, or no figure can have it.

    >>> parse_width("3.3in"), round(parse_width("84mm"), 2)
    (3.3, 3.31)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(in|cm|mm|pt)\s*", text)
    inches = float(found[1]) * _INCHES[found[2]] if found else 0.0
    if not _LEAST <= inches <= _MOST:
        limits = f"from {_LEAST:g}in to {_MOST:g}in"
        raise UsageError(f"'{text}' is not a width {limits}", remedy="For example 3.3in, 84mm or 240pt")
    return inches


def paper_figure(curves: Mapping[str, Curve], others: Mapping[str, Curve], width: float = COLUMN) -> Figure:
    """Draw curves for a paper.

    Args:
        curves: By label, in the order of the legend.
        others: Published curves, in grey behind them.
        width: Inches.

    Returns:
        A figure of exactly this width; the legend stands below the axes.
    """
    labels = _labels({**curves, **others}, width)
    columns = 2 if _longest(labels) < _TWO_COLUMNS * width else 1
    rows = -(-len(labels) // columns)
    legend = (rows * 1.35 + 1) * _SMALL / 72
    figure = Figure(figsize=(width, 0.7 * width + legend), layout="constrained")
    axes = figure.add_subplot()
    for i, (curve, label) in enumerate(zip([*curves.values(), *others.values()], labels, strict=True)):
        own = i < len(curves)
        x, y, _ = drawn_points(curve)
        axes.plot(
            x,
            y,
            color=COLOURS[i % len(COLOURS)] if own else "0.6",
            dashes=_DASHES[i % len(_DASHES)],
            marker=_MARKERS[i // len(_DASHES) % len(_MARKERS)],
            markevery=max(len(x) // 10, 1),
            markersize=3,
            linewidth=1.2 if own else 0.8,
            zorder=2.5 if own else 1.5,
            label=label,
        )
    first = next(iter(curves.values()))
    if isinstance(first, ROCCurve):
        axes.set(xlim=(0, SHOWN_FALSE_POSITIVES))
        names = ("False positives", "True positive rate")
    else:
        axes.set(xlim=(0, 1))
        axes.set_xticks(np.linspace(0, 1, 6))
        names = ("Recall", "Precision")
    axes.set(ylim=(0, 1.005))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlabel(names[0], fontsize=_FONT)
    axes.set_ylabel(names[1], fontsize=_FONT)
    axes.tick_params(labelsize=_SMALL, width=0.6, length=2.5)
    axes.grid(color="0.88", linewidth=0.5)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_linewidth(0.6)
        spine.set_visible(side in ("left", "bottom"))
    figure.legend(
        loc="outside lower left", ncols=columns, fontsize=_SMALL, frameon=False, handlelength=3.2, borderpad=0.2
    )
    return figure


def save_paper_figures(
    figures: Mapping[str, tuple[Mapping[str, Curve], Mapping[str, Curve]]],
    folder: Path,
    formats: tuple[str, ...],
    width: float,
) -> list[Path]:
    """Draw and write figures for papers, and return the files.

    Args:
        figures: By name of the file, curves and published curves.
        folder: To write to.
        formats: Of `pdf`, `svg`, `png`.
        width: Inches.
    """
    written = []
    for stem, (curves, others) in figures.items():
        figure = paper_figure(curves, others, width)
        written += [save_figure(figure, folder / f"{stem}.{kind}", dpi=_DPI) for kind in formats]
    return written


def _labels(curves: Mapping[str, Curve], width: float) -> list[str]:
    """Return the legend's labels with their figures, names cut to what fits beside a line of the legend."""
    fitting = int((width * 72 - 6 * _SMALL) / (_LETTER * _SMALL))
    labels = []
    for name, curve in curves.items():
        figure = truncated_percent(drawn_points(curve)[2])
        labels.append(f"{plain_text(shorten(name, fitting - len(figure) - 2))}  {figure}")
    return labels


def _longest(labels: list[str]) -> float:
    """Return the estimated width of the longest label in the legend, inches."""
    return max(map(len, labels)) * _LETTER * _SMALL / 72
