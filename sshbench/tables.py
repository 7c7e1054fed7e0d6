"""Tables as text: CSV that a spreadsheet opens without running anything in it, and rows of Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: pd.DataFrame) -> str:
    r"""Return a table as CSV; a text that a spreadsheet would take for a formula gets a quote before it.

    >>> import pandas as pd
    >>> to_csv(pd.DataFrame({"run": ["=1+1", "haar"], "value": [-1, 2]}))
    "run,value\n'=1+1,-1\nhaar,2\n"
    """
    texts = table.select_dtypes(include=["object", "string"])
    return str(table.assign(**{str(name): texts[name].map(_quoted) for name in texts}).to_csv(index=False))


def _quoted(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def digits_text(number: float, digits: int = 3) -> str:
    """Return a number with so many digits, and all of those before the decimal point.

    >>> digits_text(1.2345), digits_text(123.456), digits_text(1845.9)
    ('1.23', '123', '1846')
    """
    return f"{number:.0f}" if abs(number) >= 10 ** (digits - 1) else f"{number:.{digits}g}"


def markdown_row(cells: Iterable[str]) -> str:
    """Return one row of a Markdown table.

    >>> markdown_row(["a", "b"])
    '| a | b |'
    """
    return f"| {' | '.join(cells)} |"


def escape_markdown(text: str) -> str:
    r"""Return a text as Markdown that shows it as it stands, on one line.

    >>> print(escape_markdown("a|b <i>"))
    a\|b \<i>
    """
    for character in ("\\", "|", "<", "*", "_", "`", "["):
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
