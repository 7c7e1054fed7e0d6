"""Many small tables of decimal numbers, parsed at once with numpy, exactly.

Plain decimal numbers (`-12.5`, no exponent) of up to 15 digits are read as an integer and divided once by a power of
ten: both are exact in float64, so the quotient is the correctly rounded value that `float()` gives. Anything else is
left to the caller, file by file.

The eight digits of a machine word are added up in three steps (the well-known SIMD-within-a-register scheme), so the
cost is a few array operations per number instead of a call per number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.records import BoolArray, FloatArray, IntArray, ranges

_PAD = 16  # newline bytes in front, so that the word before the first digit lies inside the buffer
_MAX_EXACT_DIGITS = 15
_MAX_DIGITS = 300  # a longer run is no number anybody meant
_POW10 = 10 ** np.arange(_MAX_EXACT_DIGITS + 1, dtype=np.uint64)
_POW10_FLOAT = _POW10.astype(np.float64)
_ALLOWED = np.zeros(256, dtype=np.bool_)
_ALLOWED[np.frombuffer(b"0123456789.- ,\t\r\n\v\f", dtype=np.uint8)] = True


@dataclass(frozen=True, slots=True, eq=False)
class ParsedTables:
    """What could be read of a batch of files.

    Attributes:
        plain: bool (files,): the file was of the plain form and is in `rows`; the others are the caller's to parse.
        counts: int64 (files,): rows of each plain file, 0 for the others.
        extra_rows: bool (files,): the plain file goes on with numbers after its stated count.
        rows: float64 (sum of counts, columns).
    """

    plain: BoolArray
    counts: IntArray
    extra_rows: BoolArray
    rows: FloatArray


def parse_counted_tables(files: Sequence[bytes], columns: int) -> ParsedTables:
    """Parse files of the form: a line that is ignored, a line with a count n, then n rows of numbers.

    Args:
        files: Contents, one an entry.
        columns: How many numbers of a row are taken; a row may hold more.

    Returns:
        The rows of all files of the plain form, in order.
    """
    buffer = b"\n" * _PAD + b"\n".join(files) + b"\n"
    text = np.frombuffer(buffer, dtype=np.uint8)
    sizes = np.array([len(content) for content in files], dtype=np.int64) + 1
    file_starts = _PAD + np.cumsum(sizes) - sizes
    line_ends = np.flatnonzero(text == ord("\n"))
    line_starts = np.concatenate(([0], line_ends[:-1] + 1))
    first_line = np.searchsorted(line_starts, file_starts)
    after_last = np.concatenate((first_line[1:], [len(line_ends)]))

    numbers = _scan_numbers(text)
    line_bad = np.zeros(len(line_ends), dtype=np.bool_)
    line_bad[np.searchsorted(line_ends, numbers.offences)] = True
    first_token = np.searchsorted(numbers.starts, line_starts)
    tokens = np.diff(np.append(first_token, len(numbers.starts)))

    # The count: the one number of the second line, a plain integer.
    has_header = first_line + 1 < after_last
    header = np.where(has_header, first_line + 1, first_line)
    token = np.minimum(first_token[header], len(numbers.starts) - 1)
    count = np.zeros(len(files), dtype=np.int64)
    plain = has_header & (tokens[header] == 1) & ~line_bad[header]
    if len(numbers.starts):
        plain &= numbers.whole[token] & ~numbers.long[token]
        count = np.where(plain, numbers.values[token], 0).astype(np.int64)
    plain &= (count >= 0) & (header + 1 + count <= after_last)
    count[~plain] = 0

    # Every row must hold enough plain numbers: a running sum over the lines tells it for all files at once.
    row_ok = np.concatenate(([0], np.cumsum((tokens >= columns) & ~line_bad)))
    plain &= row_ok[header + 1 + count] - row_ok[header + 1] == count
    count[~plain] = 0

    rows = ranges(header + 1, count)
    picked = first_token[rows][:, None] + np.arange(columns)
    table = numbers.values[picked] if len(rows) else np.empty((0, columns))
    long = numbers.long[picked] if len(rows) else np.empty((0, columns), dtype=np.bool_)
    for i, j in np.argwhere(long):
        start = int(numbers.starts[picked[i, j]])
        table[i, j] = float(buffer[start : start + 2 * _MAX_DIGITS + 2].split(None, 1)[0].split(b",")[0])

    not_blank = np.concatenate(([0], np.cumsum((tokens > 0) | line_bad)))
    extra = plain & (not_blank[after_last] > not_blank[np.minimum(header + 1 + count, after_last)])
    return ParsedTables(plain=plain, counts=count, extra_rows=extra, rows=table)


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """All decimal numbers of a text: where they start (sign included), values, whole numbers, too long to be exact."""

    starts: IntArray
    values: FloatArray
    whole: BoolArray
    long: BoolArray
    offences: IntArray  # positions of bytes that no plain number or separator has


def _scan_numbers(text: npt.NDArray[np.uint8]) -> _Numbers:
    is_digit = (text - np.uint8(ord("0"))) < 10
    edges = np.flatnonzero(is_digit[1:] != is_digit[:-1]) + 1  # starts and ends of digit runs, in turn
    starts, ends = edges[0::2], edges[1::2]
    before = text[starts - 1]
    is_fraction = before == ord(".")
    lengths = ends - starts
    digits = _digit_runs(text, ends, lengths)

    dots = np.flatnonzero(text == ord("."))
    minuses = np.flatnonzero(text == ord("-"))
    lead = text[minuses - 1]
    fractions = np.flatnonzero(is_fraction)
    offences = np.concatenate(
        (
            np.flatnonzero(~_ALLOWED[text]),
            dots[~(is_digit[dots - 1] & is_digit[dots + 1])],
            minuses[~is_digit[minuses + 1] | is_digit[minuses - 1] | (lead == ord(".")) | (lead == ord("-"))],
            starts[fractions[text[ends[fractions]] == ord(".")]],  # 1.2.3
            starts[lengths > _MAX_DIGITS],
        )
    )
    # A fraction without a whole part in front (".5") is an offence above; it must not join the number before it.
    fractions = fractions[is_digit[starts[fractions] - 2]]
    whole_of = fractions - 1
    scale = np.minimum(lengths[fractions], _MAX_EXACT_DIGITS)
    mantissa = digits
    mantissa[whole_of] = mantissa[whole_of] * _POW10[scale] + digits[fractions]
    values = mantissa.astype(np.float64)
    values[whole_of] /= _POW10_FLOAT[scale]
    total = lengths.copy()
    total[whole_of] += lengths[fractions]
    whole = np.ones(len(starts), dtype=np.bool_)
    whole[whole_of] = False
    negative = before == ord("-")
    values[negative] = -values[negative]

    tokens = np.flatnonzero(~is_fraction)
    return _Numbers(
        starts=starts[tokens] - negative[tokens],
        values=values[tokens],
        whole=whole[tokens],
        long=total[tokens] > _MAX_EXACT_DIGITS,
        offences=offences,
    )


def _digit_runs(text: npt.NDArray[np.uint8], ends: IntArray, lengths: IntArray) -> npt.NDArray[np.uint64]:
    """Integer values of digit runs that end before `ends`: uint64; right for up to 16 digits."""
    words = np.lib.stride_tricks.as_strided(text[:8].view(np.dtype("<u8")), shape=(len(text) - 7,), strides=(1,))
    values = _eight_digits(words[ends - 8], np.minimum(lengths, 8))
    longer = np.flatnonzero(lengths > 8)
    if len(longer):
        high = _eight_digits(words[ends[longer] - 16], np.minimum(lengths[longer] - 8, 8))
        values[longer] += high * _POW10[8]
    return values


def _eight_digits(words: npt.NDArray[np.uint64], lengths: IntArray) -> npt.NDArray[np.uint64]:
    """Values of words whose last `lengths` bytes (the high ones, little-endian) are digits."""
    # In-place steps: each array is small enough for the cache, and fresh ones would not be.
    unused = ((8 - lengths) * 8).astype(np.uint64)
    w = words & np.uint64(0x0F0F0F0F0F0F0F0F)
    w >>= unused
    w <<= unused
    w *= np.uint64(2561)  # 10 * 2^8 + 1: pairs of digits
    w >>= np.uint64(8)
    w &= np.uint64(0x00FF00FF00FF00FF)
    w *= np.uint64(6553601)  # fours
    w >>= np.uint64(16)
    w &= np.uint64(0x0000FFFF0000FFFF)
    w *= np.uint64(42949672960001)  # all eight
    w >>= np.uint64(32)
    return w
