"""Names and numbers as pages show them."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text with U+FFFD for what no page can hold: control characters, and bytes that are no text.

    >>> printable("a\x00b") == "a\ufffdb"
    True
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def thousands(value: float, digits: int = 0) -> str:
    """Return a count with narrow spaces between thousands.

    >>> thousands(1234.56, 1).split()
    ['1', '234.6']
    """
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
