"""Rows of WIDER FACE prediction files: plain files many at once, all others as the official tool takes them.

See `formats.wider` for the rules: what is repaired and what is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.formats.plain_tables import read_plain_table
from sshbench.formats.wider_official import COLUMNS, read_official
from sshbench.records import FloatArray, IntArray

Report = Callable[[str, str], None]
"""Takes the code of a finding and the name of a file."""

_BLANKS = b" \t\r\n"
_MAX_COUNT_DIGITS = 9


def parse_batch(
    names: Sequence[str], contents: Sequence[bytes], report: Report, *, repair: bool = True
) -> tuple[FloatArray, IntArray]:
    """Parse many files, all at once where they are plain; an odd one is found by halving the batch.

    Args:
        names: Names of the files, for reports.
        contents: Their bytes.
        report: As for `parse_file`.
        repair: As for `parse_file`.

    Returns:
        float64 (n, 5): the rows of all files; int64 (files,): how many each has.
    """
    parts = [_plain_part(content) for content in contents]
    counts = np.zeros(len(contents), dtype=np.int64)
    tables: list[FloatArray] = []

    def parse(first: int, last: int) -> None:
        group = [part for part in parts[first:last] if part is not None]
        if len(group) == last - first:
            stated = [part.count for part in group]
            table = read_plain_table(b"".join(part.rows for part in group), sum(stated), COLUMNS)
            if table is not None and np.isfinite(table).all():
                counts[first:last] = stated
                tables.append(table)
                for i, part in enumerate(group, start=first):
                    if part.has_extra_rows:
                        report("extra-rows", names[i])
                return
        if last - first == 1:
            table = parse_file(contents[first], names[first], report, repair=repair)
            counts[first] = len(table)
            tables.append(table)
            return
        middle = (first + last) // 2
        parse(first, middle)
        parse(middle, last)

    parse(0, len(contents))
    return (tables[0] if len(tables) == 1 else np.concatenate(tables)), counts


@dataclass(frozen=True, slots=True)
class _PlainPart:
    """A file whose lines are certain: its count, and as many rows, each ended by a newline."""

    count: int
    rows: bytes
    has_extra_rows: bool


def _plain_part(content: bytes) -> _PlainPart | None:
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return None
    _, _, rest = content.partition(b"\n")
    line, _, body = rest.partition(b"\n")
    stated = line.strip(_BLANKS)
    if not stated.isdigit() or len(stated) > _MAX_COUNT_DIGITS:
        return None
    count = int(stated)
    body = body.rstrip(_BLANKS)
    lines = body.count(b"\n") + 1 if body else 0
    if lines < count:
        return None
    if lines > count:
        body = b"\n".join(body.split(b"\n", count)[:count])
    return _PlainPart(count, body + b"\n" if count else b"", has_extra_rows=lines > count)


def parse_file(content: bytes, name: str, report: Report, *, repair: bool = True) -> FloatArray:
    """Parse one prediction file, number by number.

    Args:
        content: The file's bytes.
        name: Its name, for reports.
        report: Called with a finding's code and `name` for everything repaired, dropped or read in an unexpected way.
        repair: Whether a file that the official tool drops is read where a tolerant reader can (see the module's
            docstring).

    Returns:
        float64 (n, 5): x, y, w, h (or x2, y2), score; no rows where the file is dropped.
    """
    official = read_official(content)
    tolerant = _read_tolerantly(content)
    rows = official.rows
    if official.dropped is None:
        if tolerant is None or not np.array_equal(tolerant, rows, equal_nan=True):
            report("odd-text", name)
        if official.has_extra_rows:
            report("extra-rows", name)
    elif repair and tolerant is not None and len(tolerant):
        report("repaired-file", name)
        rows = tolerant
    else:
        report(official.dropped, name)
    if not np.isfinite(rows).all():
        report("not-finite", name)
    return rows


def _read_tolerantly(content: bytes) -> FloatArray | None:
    """Take the first number of line 2 and the first five of each row; None where they are not there."""
    lines = content.split(b"\n")
    fields = _fields(lines[1]) if len(lines) > 1 else []
    count = _number(fields[0]) if fields else None
    if count is None or not count.is_integer() or not 0 <= count <= len(lines) - 2:
        return None
    rows: list[list[float]] = []
    for line in lines[2 : 2 + int(count)]:
        row = [number for number in map(_number, _fields(line)[:COLUMNS]) if number is not None]
        if len(row) < COLUMNS:
            return None
        rows.append(row)
    return np.asarray(rows, dtype=np.float64).reshape(-1, COLUMNS)


def _fields(line: bytes) -> list[bytes]:
    return line.replace(b",", b" ").split()


def _number(text: bytes) -> float | None:
    # Python's float() takes 1_000; no plain reader of the field does.
    if b"_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
