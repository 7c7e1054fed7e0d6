"""One WIDER FACE prediction file as the official tool takes it, odd text included.

The tool (read_pred.m) cuts the file into lines and gives the second one and each row to `str2num`, which evaluates
the text between square brackets. So `1/2`, `2^1`, `30-5`, `1d1`, `0x10` and `[1 2 3 4 0.9]` are numbers to it, while a
comment, a word after the numbers or two commas in a row make it drop the whole file. Where MATLAB and GNU Octave
differ, this is Octave 7.3, which computed the golden rows (`tests/golden/wider/reading.json`).

Covered are numbers in every spelling (decimal, exponent e or d, `_` between digits, hexadecimal, imaginary, Inf, NaN,
NA), the operators + - * / ^, the separators and brackets. A row with anything else (names of constants and
functions, parentheses, ranges, comparisons, quotes) is taken as one that cannot be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray

COLUMNS = 5
DropReason = Literal["empty-file", "bad-count", "too-few-rows", "bad-row"]

_Number = np.float64 | np.complex128
_Table = npt.NDArray[np.float64 | np.complex128]
_DIGITS = r"[0-9][0-9_]*"
_TOKEN = re.compile(
    rf"""(?P<blank>[ \t]+)
    |(?P<hex>0[xX][0-9a-fA-F]+)
    |(?P<number>(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eEdD][+-]?{_DIGITS})?)(?P<imaginary>[ijIJ])?
    |(?P<name>[A-Za-z]\w*)
    |(?P<newline>\r\n|\r|;)
    |(?P<sign>[-+*/^,\[\]])""",
    re.VERBOSE | re.ASCII,
)
_MAX_HEX = len("0xFFFFFFFFFFFFFFFF")
_NAMES = {"Inf": np.inf, "inf": np.inf, "NaN": np.nan, "nan": np.nan, "NA": np.nan}
_PLAIN_FIELD = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_PLAIN_ROW = re.compile(rf"[ \t]*{_PLAIN_FIELD}(?:(?:[ \t]*,[ \t]*|[ \t]+){_PLAIN_FIELD})*[ \t]*,?[ \t]*\r?", re.ASCII)
_FIRST_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, eq=False)
class OfficialRows:
    """What the official tool takes from one file.

    Attributes:
        rows: float64 (n, 5): x, y, w, h, score, in file order.
        dropped: Why the tool drops the file; None where it takes it.
        has_extra_rows: Whether text follows the stated number of rows.
    """

    rows: FloatArray
    dropped: DropReason | None = None
    has_extra_rows: bool = False


def read_official(content: bytes) -> OfficialRows:
    r"""Take the rows of one prediction file as read_pred.m does.

    Args:
        content: The file's bytes.

    Returns:
        The rows, or why the tool drops the file.

    >>> read_official(b"a\n1\n1/2 2 [3 4] 9d-1\n").rows.tolist()
    [[0.5, 2.0, 3.0, 4.0, 0.9]]
    >>> read_official(b"a\n1\n1 2 3 4 0.9 % comment\n").dropped
    'bad-row'
    """
    lines = official_lines(content)
    if len(lines) < 2 or not lines[1].strip():
        return _dropped("empty-file")
    stated = str2num(lines[1])
    count = float(stated[0]) if stated is not None and stated.size else np.nan
    if not count.is_integer() or count < 0:
        return _dropped("bad-count")
    body = lines[2:]
    if len(body) < count:
        return _dropped("too-few-rows")
    wanted = int(count)
    table = np.empty((wanted, COLUMNS))
    for i, line in enumerate(body[:wanted]):
        values = str2num(line)
        if values is None or len(values) < COLUMNS:
            return _dropped("bad-row")
        table[i] = values[:COLUMNS]
    return OfficialRows(table, has_extra_rows=len(body) > wanted)


def _dropped(reason: DropReason) -> OfficialRows:
    return OfficialRows(np.empty((0, COLUMNS)), dropped=reason)


def official_lines(content: bytes) -> list[str]:
    """Cut a file into lines as the tool's `textscan` does, without blank lines at the end.

    The first line end that occurs decides: where it is a lone carriage return, those end lines as well as newlines do.
    """
    text = content.decode("latin-1")  # one character per byte; only ASCII has a meaning here
    first = _FIRST_LINE_END.search(text)
    lines = re.split(r"[\r\n]", text) if first is not None and first.group() == "\r" else text.split("\n")
    while lines and not lines[-1].strip(" \t\r"):
        lines.pop()
    return lines


def str2num(text: str) -> FloatArray | None:
    """Evaluate the text of one row as Octave's `str2num` does.

    Args:
        text: Numbers, operators and separators; see the module's docstring.

    Returns:
        float64 (n,): the numbers in Octave's order (by column where the text holds more than one row); real parts of
        complex ones. None where the text cannot be evaluated.

    >>> str2num("10 - 20 30 -5;").tolist(), str2num("1,,2")
    ([-10.0, 30.0, -5.0], None)
    """
    if _PLAIN_ROW.fullmatch(text):
        return np.array([float(field) for field in text.replace(",", " ").split()])
    try:
        with np.errstate(all="ignore"):
            matrix = _Matrix(text).read()
    except (_UnreadableError, RecursionError):
        return None
    return np.real(matrix).ravel(order="F").astype(np.float64)


class _UnreadableError(Exception):
    """The text is not of the covered form."""


class _Matrix:
    """A recursive-descent reader of the text between the brackets of an Octave matrix."""

    def __init__(self, text: str) -> None:
        self.kinds: list[str] = []  # of each token: value, blank, newline, or the sign itself
        self.values: list[_Number] = []  # of each token that is a value, 0 for the others
        self.unsigned_limit: int | None = None  # where a hexadecimal number makes the row one of unsigned integers
        self.at = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _UnreadableError
            self._add(match)
            position = match.end()

    def _add(self, match: re.Match[str]) -> None:
        kind, text = str(match.lastgroup), match.group()
        value: _Number = np.float64(0)
        if kind == "hex":
            if len(text) > _MAX_HEX:
                raise _UnreadableError
            value = np.float64(int(text[2:], 16))
            self.unsigned_limit = self.unsigned_limit or (1 << max(8, 1 << (4 * len(text) - 9).bit_length())) - 1
        elif kind in ("number", "imaginary"):
            value = np.float64(re.sub("[dD]", "e", match["number"].replace("_", "")))
            if kind == "imaginary":
                value = np.complex128(complex(0, value))
        elif kind == "name":
            if text not in _NAMES:
                raise _UnreadableError
            value = np.float64(_NAMES[text])
        self.kinds.append(text if kind == "sign" else kind if kind in ("blank", "newline") else "value")
        self.values.append(value)

    def read(self) -> _Table:
        matrix = self._rows(until="")
        if self.unsigned_limit is not None:
            # Numbers beside an unsigned integer become such integers: rounded and cut at the ends.
            whole = np.floor(np.nan_to_num(np.real(matrix)) + 0.5)
            matrix = np.clip(whole, 0, self.unsigned_limit)
        return matrix

    def _kind(self, ahead: int = 0) -> str:
        return self.kinds[self.at + ahead] if self.at + ahead < len(self.kinds) else ""

    def _rows(self, until: str) -> _Table:
        rows = [self._row(until)]
        while self._kind() == "newline":
            self.at += 1
            rows.append(self._row(until))
        if self._kind() != until:
            raise _UnreadableError
        self.at += 1
        filled = [row for row in rows if row.size]
        if len({row.shape[1] for row in filled}) > 1:
            raise _UnreadableError
        return np.vstack(filled) if filled else np.empty((0, 0))

    def _row(self, until: str) -> _Table:
        """Read elements up to the end of a row; a comma may stand first and last, two in a row may not."""
        parts: list[_Table] = []
        self._skip_blanks()
        separated = True
        if self._kind() == ",":
            self.at += 1
            self._skip_blanks()
        while self._kind() not in (until, "newline", "", "]"):
            if not separated:
                raise _UnreadableError
            parts.append(self._element())
            separated = self._skip_blanks()
            if self._kind() == ",":
                self.at += 1
                self._skip_blanks()
                separated = True
        filled = [part for part in parts if part.size]
        if len({part.shape[0] for part in filled}) > 1:
            raise _UnreadableError
        return np.hstack(filled) if filled else np.empty((0, 0))

    def _skip_blanks(self) -> bool:
        before = self.at
        while self._kind() == "blank":
            self.at += 1
        return self.at > before

    def _element(self) -> _Table:
        if self._kind() == "[":
            self.at += 1
            return self._rows(until="]")
        return np.array([[self._sum()]])

    def _operator(self, *signs: str) -> str | None:
        """Take one of these operators if it is the next; `a -b` holds two elements, `a - b` and `a-b` hold one."""
        spaced = self._kind() == "blank"
        sign = self._kind(int(spaced))
        if sign not in signs or (spaced and sign in "+-" and self._kind(2) != "blank"):
            return None
        self.at += 1 + spaced
        self._skip_blanks()
        return sign

    def _sum(self) -> _Number:
        value = self._product()
        while sign := self._operator("+", "-"):
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> _Number:
        value = self._signed()
        while sign := self._operator("*", "/"):
            other = self._signed()
            value = value * other if sign == "*" else value / other
        return value

    def _signed(self) -> _Number:
        if self._kind() in ("+", "-"):
            negative = self._kind() == "-"
            self.at += 1
            self._skip_blanks()
            value = self._signed()
            return -value if negative else value
        return self._power()

    def _power(self) -> _Number:
        value = self._value()
        while self._operator("^"):
            negative = False
            while self._kind() in ("+", "-"):
                negative ^= self._kind() == "-"
                self.at += 1
            exponent = self._value()
            if np.real(value) < 0:
                value = np.complex128(value)
            value = value ** (-exponent if negative else exponent)
        return value

    def _value(self) -> _Number:
        if self._kind() != "value":
            raise _UnreadableError
        self.at += 1
        return self.values[self.at - 1]
