"""Precision-recall figures."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sshbench.curves import PRCurve, truncated_percent
from sshbench.evaluation import Evaluation
from sshbench.runs import write_atomic

# Okabe and Ito's colours, told apart by colour-blind readers too; line styles carry on when they are used up.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_GREY = "#6b7280"


def pr_figure(subset: str, curves: Mapping[str, PRCurve], *, title: str = "") -> Figure:
    """One subset's PR curves.

    Args:
        subset: Its name, for the heading.
        curves: By label, in the order in which colours are given.
        title: Put before the subset's name.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    _draw(figure.add_subplot(), subset, curves)
    if title:
        figure.suptitle(title, fontsize=11, x=0.02, ha="left")
    return figure


def run_figure(evaluation: Evaluation) -> Figure:
    """All subsets of one run side by side."""
    names = list(evaluation.curves)
    figure = Figure(figsize=(4.4 * len(names), 4.3), layout="constrained")
    for position, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), position + 1)
        _draw(axes, name, {evaluation.record.detector: evaluation.curves[name]})
    note = " - smoke test, measures no detector" if evaluation.record.smoke_test else ""
    note += "" if evaluation.record.complete else " - UNFINISHED RUN"
    figure.suptitle(f"{evaluation.protocol.title}{note}", fontsize=12)
    return figure


def to_svg(figure: Figure, prefix: str) -> str:
    """The figure as SVG to put into a page: same bytes for the same figure, ids that start with `prefix`."""
    text = io.StringIO()
    with rc_context({"svg.hashsalt": prefix, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    # Several figures share one page: their ids must not meet.
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{prefix}-", svg)
    return svg.strip() + "\n"


def save_png(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, atomically."""
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=150, metadata={"Software": None})
    return write_atomic(path, content.getvalue())


def _draw(axes: Axes, subset: str, curves: Mapping[str, PRCurve]) -> None:
    for i, (label, curve) in enumerate(curves.items()):
        defined = ~np.isnan(curve.precision)
        axes.plot(
            curve.recall[defined],
            curve.precision[defined],
            color=_COLOURS[i % len(_COLOURS)],
            linestyle=_STYLES[i // len(_COLOURS) % len(_STYLES)],
            linewidth=1.8,
            # A label that starts with "_" would be left out of the legend.
            label=f"{_plain(label)}  {truncated_percent(curve.ap)}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="recall", ylabel="precision")
    axes.set_title(subset, fontsize=11, loc="left", fontweight="bold")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_GREY)
    axes.tick_params(colors="#374151", labelsize=9)
    axes.legend(loc="lower left", fontsize=10, frameon=True, framealpha=0.9, edgecolor="none", title=None)


def _plain(label: str) -> str:
    # Matplotlib reads "$...$" as mathematics.
    return label.replace("$", r"\$").lstrip("_") or "run"


def labels_of(names: Sequence[str]) -> list[str]:
    """Labels for runs, numbered where two have the same name.

    >>> labels_of(["haar", "yunet", "haar"])
    ['haar (1)', 'yunet', 'haar (2)']
    """
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        labels.append(f"{name} ({seen[name]})" if list(names).count(name) > 1 else name)
    return labels
