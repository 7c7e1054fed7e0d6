"""The fast reader gives what `float()` and the reader of single files give, bit for bit, or refuses the text."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sshbench.formats import wider_rows
from sshbench.formats.plain_tables import read_plain_table
from sshbench.formats.wider_rows import parse_batch, parse_file
from sshbench.records import FloatArray

DIGITS = st.text("0123456789", min_size=1, max_size=30)
DECIMAL = st.builds(
    lambda sign, whole, part: sign + whole + part,
    st.sampled_from(["", "", "-"]),
    DIGITS,
    st.just("") | DIGITS.map(".{}".format),
) | st.builds("{}.{}".format, st.sampled_from(["", "-"]), DIGITS)
EXPONENT = st.builds("{}{}{}".format, DECIMAL, st.sampled_from(["e", "E", "e-", "e+"]), st.integers(0, 400))
SEPARATOR = st.sampled_from([" ", " ", "  ", "\t", ",", ", ", " , "])


def bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@given(
    rows=st.lists(st.lists(DECIMAL, min_size=5, max_size=7), min_size=1, max_size=6),
    separator=SEPARATOR,
    end=st.sampled_from(["\n", "\r\n", " \n", ",\n"]),
)
@example(rows=[["0", "-0", "00.50", "999999999999999", "-0.0"]], separator=" ", end="\n")
@example(rows=[["9007199254740993", "0.1", "9007199254740992", "-9007199254740993", "5."]], separator=" ", end="\n")
@example(rows=[["0." + "0" * 21 + "1", "0." + "0" * 22 + "1", "9" * 40, "-" + "9" * 40, "1"]], separator=",", end="\n")
def test_numbers_are_those_of_float(rows: list[list[str]], separator: str, end: str) -> None:
    text = "".join(separator.join(row) + end for row in rows).encode()
    table = read_plain_table(text, len(rows), 5)
    assert table is not None
    assert table.tobytes() == bits([float(number) for row in rows for number in row[:5]])


@given(rows=st.lists(st.lists(DECIMAL | EXPONENT, min_size=5, max_size=5), min_size=1, max_size=4))
@example(rows=[["1e400", "-1e400", "1e-400", "-1e-400", "1.5E+300"]])
def test_exponents_are_read_too(rows: list[list[str]]) -> None:
    table = read_plain_table("".join(" ".join(row) + "\n" for row in rows).encode(), len(rows), 5)
    assert table is not None
    assert table.tobytes() == bits([float(number) for row in rows for number in row])


@pytest.mark.parametrize(
    "text",
    [
        "1 2.3.4\n",  # two points
        "1 .\n",
        "1 -\n",
        "1 --2\n",
        "1 3-4\n",
        "1-2 . 3\n",  # one number more and one less
        "1-2 -\n",
        "1 2e\n",
        "1 2e3e\n",
        "1 - 2\n",
        "1,,2\n",
        "1, ,2\n",
        "1 x\n",
        "1 nan\n",
        "1\n2\n",
        "1\n\n",
        "\n1 2\n",
        "1 2\n3 4\n",
        "1\f2\n",
        "1\v2\n",
        "1 2_0\n",
        "",
    ],
)
def test_what_is_not_plain_is_refused(text: str) -> None:
    assert read_plain_table(text.encode(), 1, 2) is None


# Files: the fast path against the reader of single files.

TEXT = st.lists(
    st.sampled_from(
        [*"0123456789", ".", "-", " ", " ", ",", "\t", "\r", "\n", "\r\n", *"e+x;%\f", "1 2 3 4 5\n", "2\n"]
    ),
    max_size=40,
).map("".join)
PLAIN_FILE = st.lists(st.lists(DECIMAL, min_size=5, max_size=6).map(" ".join), max_size=5).map(
    lambda rows: f"a\n{len(rows)}\n" + "".join(f"{row}\n" for row in rows)
)
FILE = PLAIN_FILE | TEXT | TEXT.map("a\n1\n{}".format) | TEXT.map("a\n2\n1 2 3 4 5\n{}".format)


@given(texts=st.lists(FILE, min_size=1, max_size=5), repair=st.booleans())
@example(texts=["a\n1\n1 2 3 4 1e400\n", "a\n1\n1 2 3 4 5\n6\n"], repair=True)
@example(texts=["a\r1\n1 2 3 4 5\n", "a\n1\r\n1 2 3 4 5\r\n\r\n"], repair=True)
@example(texts=["a\n0\n", "a\n2\n1 2 3 4 5\n\n6 7 8 9 10\n"], repair=False)
def test_a_batch_is_what_the_reader_of_single_files_gives(texts: list[str], repair: bool) -> None:
    names = [str(i) for i in range(len(texts))]
    contents = [text.encode() for text in texts]
    fast: list[tuple[str, str]] = []
    table, counts = parse_batch(names, contents, lambda *found: fast.append(found), repair=repair)
    slow: list[tuple[str, str]] = []
    tables = [
        parse_file(content, name, lambda *found: slow.append(found), repair=repair)
        for name, content in zip(names, contents, strict=True)
    ]
    np.testing.assert_array_equal(counts, [len(single) for single in tables])
    assert table.tobytes() == np.concatenate(tables).tobytes()
    assert fast == slow


def test_one_odd_file_does_not_slow_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain files around it stay with the fast reader."""
    calls: list[str] = []

    def counted(content: bytes, name: str, report: wider_rows.Report, *, repair: bool = True) -> FloatArray:
        calls.append(name)
        return parse_file(content, name, report, repair=repair)

    monkeypatch.setattr(wider_rows, "parse_file", counted)
    contents = [b"a\n1\n1 2 3 4 0.5\n"] * 100
    contents[37] = b"a\n1\n1 2 3 4 nan\n"
    table, _ = parse_batch([str(i) for i in range(100)], contents, lambda *_: None)
    assert calls == ["37"]
    assert len(table) == 100
