"""Curves of an exhibit as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sshbench.curves import Curve, ROCCurve
from sshbench.evaluation.figures import SHOWN_FALSE_POSITIVES
from sshbench.report.curve_view import TOP, curve_path, style_of
from sshbench.report.figure_view import PLOT, VIEW
from sshbench.report.svg import HEIGHT, WIDTH, axes
from sshbench.ssh_paper.measured import MeasuredLine


@dataclass(frozen=True, slots=True)
class DrawnCurve:
    """One curve: its name, the classes of its line, its path."""

    label: str
    style: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One plot.

    Attributes:
        name: What the curves are of.
        frame: Axes as SVG.
        curves: Published ones first.
        plot: Place and size of the curves in the drawing.
        view: Of the curves' own units.
        size: Width and height.
    """

    name: str
    frame: Markup
    curves: tuple[DrawnCurve, ...]

    plot = PLOT
    view = VIEW
    size = (WIDTH, HEIGHT)


def drawings(
    names: Sequence[str], published: Mapping[str, Mapping[str, Curve]], measured: Sequence[MeasuredLine]
) -> list[Drawing]:
    """Return a plot for each curve that anything is known of.

    Args:
        names: Of the curves, `easy` for example.
        published: By method and curve.
        measured: Rows; those with curves are drawn.
    """
    styles = published_styles(list(published))
    runs = [line for line in measured if line.curves]
    drawn = []
    for name in names:
        found = [(method, styles[method], curves[name]) for method, curves in published.items() if name in curves]
        own = [(line, f"run {style_of(i)}") for i, line in enumerate(runs) if name in line.curves]
        found += [(line.label, style, line.curves[name]) for line, style in own]
        if found:
            curves = tuple(DrawnCurve(label, style, curve_path(curve)) for label, style, curve in found)
            drawn.append(Drawing(name, _frame(is_roc=isinstance(found[0][2], ROCCurve)), curves))
    return drawn


def published_styles(methods: Sequence[str]) -> dict[str, str]:
    """Return the classes of the lines of published methods: two greys, four dashes."""
    return {method: f"other o{i // 4 % 2} l{i % 4}" for i, method in enumerate(methods)}


def run_styles(measured: Sequence[MeasuredLine]) -> list[str]:
    """Return the classes of the lines of measured rows, empty for those without curves."""
    places = iter(range(len(measured)))
    return [f"run {style_of(next(places))}" if line.curves else "" for line in measured]


def _frame(*, is_roc: bool) -> Markup:
    end = SHOWN_FALSE_POSITIVES if is_roc else 1
    names = ("false positives", "true positive rate") if is_roc else ("recall", "precision")
    return axes((0, end), (0, TOP), names)
