"""Tables as CSV files that a spreadsheet opens without running anything in them."""

from __future__ import annotations

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
