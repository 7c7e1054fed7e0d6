"""Plain text tables of many files, read at once and exactly with numpy's text reader.

numpy reads whole numbers about seven times faster than decimal ones. So the points are taken out, the digits are read
as whole numbers, and each is divided once by its power of ten: both are exact in float64 up to 2^53 and 10^22, so the
quotient is the correctly rounded value, the one that `float()` gives. Longer numbers are read by `float()` itself, and
texts with exponents or with mostly long numbers by numpy's decimal reader, which rounds correctly as well.

What is not plain is refused as a whole (None); the caller then reads file by file.
"""

from __future__ import annotations

import re
import warnings
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray, IntArray

PLAIN_BYTES = b"0123456789.-+eE, \t\r\n"
"""Every byte that a plain table may hold."""

_Kind = TypeVar("_Kind", np.float64, np.int64)
_EMPTY_FIELD = re.compile(rb",[ \t\r]*,")
_MAX_EXACT = 1 << 53
_MAX_EXACT_DECIMALS = 22
_MAX_LONG_SHARE = 0.25  # with more long numbers than this, numpy's decimal reader is faster
_POWERS = np.array([float(f"1e{k}") for k in range(_MAX_EXACT_DECIMALS + 1)])


def read_plain_table(text: bytes, rows: int, columns: int) -> FloatArray | None:
    r"""Read rows of numbers that are separated by spaces, tabs or single commas.

    Args:
        text: Lines of numbers, each line ended by a newline.
        rows: How many lines there must be; none of them may be blank.
        columns: How many numbers of each line are taken; a line may hold more.

    Returns:
        float64 (rows, columns), each the correctly rounded value; None where the text is not of this form.

    >>> read_plain_table(b"1 2.5\n-3,4e1 9\n", rows=2, columns=2)
    array([[ 1. ,  2.5],
           [-3. , 40. ]])
    >>> read_plain_table(b"1 2\n3\n", rows=2, columns=2) is None
    True
    """
    if not rows:
        return None if text.strip() else np.empty((0, columns))
    if not text.endswith(b"\n") or text.translate(None, PLAIN_BYTES):
        return None
    if b"," in text:
        if _EMPTY_FIELD.search(text):
            return None
        text = text.replace(b",", b" ")
    codes = np.frombuffer(text, dtype=np.uint8)
    blank = codes <= ord(" ")
    ends = np.flatnonzero(blank[1:] > blank[:-1]) + 1  # the position after each number
    starts = np.flatnonzero(blank[1:] < blank[:-1]) + 1
    if not blank[0]:
        starts = np.concatenate(([0], starts))
    picked = _picked(codes, starts, ends, rows, columns)
    if picked is None:
        return None
    values = _read_numbers(text, codes, starts, ends)
    return None if values is None else values[picked].reshape(rows, columns)


def _picked(
    codes: npt.NDArray[np.uint8], starts: IntArray, ends: IntArray, rows: int, columns: int
) -> slice | IntArray | None:
    """Return which numbers are the first `columns` of their lines; None if a line has fewer or lines are too many."""
    line_ends = np.flatnonzero(codes == ord("\n"))
    if len(line_ends) != rows or len(starts) < rows * columns:
        return None
    if len(starts) == rows * columns:
        # The usual case: every line holds exactly as many as are wanted.
        first, last = starts[::columns], ends[columns - 1 :: columns]
        fits = (last <= line_ends).all() and (first[1:] > line_ends[:-1]).all()
        return slice(None) if fits else None
    first_of_line = np.searchsorted(starts, np.concatenate(([0], line_ends)))
    if (np.diff(first_of_line) < columns).any():
        return None
    return (first_of_line[:-1, None] + np.arange(columns)).ravel()


def _read_numbers(text: bytes, codes: npt.NDArray[np.uint8], starts: IntArray, ends: IntArray) -> FloatArray | None:
    """Read all numbers; None where one is malformed."""
    exponents = b"e" in text or b"E" in text or b"+" in text
    if not exponents and (values := _read_as_integers(text, codes, starts, ends)) is not None:
        return values
    return _read_all(text, np.float64, len(starts))


def _read_as_integers(text: bytes, codes: npt.NDArray[np.uint8], starts: IntArray, ends: IntArray) -> FloatArray | None:
    """Read numbers without exponents by their digits; None where that is not exact or one looks malformed."""
    negative = codes[starts] == ord("-")
    if text.count(b"-") != np.count_nonzero(negative):
        return None
    # Points and ends of numbers in one sequence: a point that comes right before an end belongs to that number.
    is_mark = codes == ord(".")
    is_mark[ends] = True
    marks = np.flatnonzero(is_mark)
    is_point = codes[marks] == ord(".")
    at_end = np.flatnonzero(~is_point)
    has_point = is_point[at_end - 1]
    has_point[0] &= at_end[0] > 0
    if np.count_nonzero(has_point) != np.count_nonzero(is_point):
        return None  # a number with two points
    if (ends - starts - has_point - negative).min() < 1:
        return None  # a sign or a point without a digit, which numpy would take for 0
    decimals = np.where(has_point, marks[at_end] - marks[at_end - 1] - 1, 0)
    whole = _read_all(text.replace(b".", b""), np.int64, len(starts))
    if whole is None:
        return None
    # numpy gives the largest or smallest integer for one that is larger still.
    long = np.flatnonzero((whole > _MAX_EXACT) | (whole < -_MAX_EXACT) | (decimals > _MAX_EXACT_DECIMALS))
    if len(long) > len(starts) * _MAX_LONG_SHARE:
        return None
    values = whole.astype(np.float64)
    values[negative & (whole == 0)] = -0.0
    values /= _POWERS[np.minimum(decimals, _MAX_EXACT_DECIMALS)]
    values[long] = [float(text[starts[i] : ends[i]]) for i in long]
    return values


def _read_all(text: bytes, dtype: type[_Kind], count: int) -> npt.NDArray[_Kind] | None:
    """Read `count` numbers between blanks; None where there are more (two in one word) or one cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that it stopped before the end
        try:
            values: npt.NDArray[_Kind] = np.fromstring(text, dtype=dtype, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return values if len(values) == count else None
