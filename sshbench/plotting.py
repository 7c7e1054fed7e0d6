"""Shared style of all figures: colours, line styles, axes, and writers for SVG and PNG."""

from __future__ import annotations

import io
import re
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sshbench.errors import shorten
from sshbench.files import write_atomic

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind readers can tell apart. After the last one, change the line style."""
LINE_STYLES = ("-", "--", "-.", ":")
GREY = "#6b7280"
GREYS = ("#6b7280", "#a3a8b0")
_GRID = "#e5e7eb"


class ShownFigure(Figure):
    """A figure that notebooks show as an image without pyplot and without a backend of theirs."""

    def _repr_png_(self) -> bytes:
        return _png(self, 150)


def plain_text(text: str) -> str:
    """Return a text that matplotlib draws as it stands: not too long, no formulas or control characters.

    >>> plain_text("_a$b$")[:2], len(plain_text("$"))
    (' _', 2)
    """
    shown = "".join(character if character.isprintable() else " " for character in shorten(text)).rstrip()
    return f"{' ' if shown.startswith('_') else ''}{shown}".replace("$", r"\$")


def style_axes(axes: Axes, title: str) -> None:
    """Apply the common style: a bold title on the left, a light grid behind the data, no frame at the top and right."""
    axes.set_title(plain_text(title), fontsize=11, loc="left", fontweight="bold")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with 1, 2, 5, 10, 20, ... instead of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def to_svg(figure: Figure, prefix: str) -> str:
    """Return the figure as an SVG element that can be placed in an HTML page.

    Args:
        figure: The figure. Equal figures give equal bytes.
        prefix: Start of every id in the SVG. Figures on the same page need different prefixes.
    """
    text = io.StringIO()
    with rc_context({"svg.hashsalt": prefix, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{prefix}-", svg)
    return svg.strip() + "\n"


def save_png(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write the figure as a PNG file with `dpi` pixels per inch, atomically, and return its path."""
    return write_atomic(path, _png(figure, dpi))


def save_figure(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write the figure as PDF, SVG or PNG (`dpi`) by the file's suffix, atomically, and return its path.

    A PDF holds its fonts whole (TrueType), as publishers ask; equal figures give equal bytes.
    """
    if path.suffix == ".png":
        return save_png(figure, path, dpi=dpi)
    if path.suffix == ".svg":
        return write_atomic(path, to_svg(figure, path.stem))
    content = io.BytesIO()
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(content, format="pdf", metadata={"CreationDate": None})
    return write_atomic(path, content.getvalue())


def _png(figure: Figure, dpi: int) -> bytes:
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()
