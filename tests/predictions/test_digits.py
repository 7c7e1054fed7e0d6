"""The fast parser says what `float()` and the slow parser say, bit for bit, or leaves the file to them."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sshbench.predictions.digits import parse_counted_tables
from sshbench.predictions.wider import parse_file

DIGITS = st.text("0123456789", min_size=1, max_size=20)
DECIMAL = st.builds(
    lambda sign, whole, part: sign + whole + part,
    st.sampled_from(["", "-"]),
    DIGITS,
    st.just("") | DIGITS.map(".{}".format),
)


@settings(max_examples=300, deadline=None)
@given(numbers=st.lists(DECIMAL, min_size=5, max_size=5), more=st.lists(DECIMAL, min_size=5, max_size=5))
@example(numbers=["0", "-0", "00.50", "999999999999999", "0.000000000000001"], more=["1"] * 5)
@example(numbers=["9007199254740993", "0.1", "1234567.89012345", "99999999", "100000000.5"], more=["1"] * 5)
def test_plain_numbers_are_those_of_float(numbers: list[str], more: list[str]) -> None:
    content = f"1 2 3\n2\n{' '.join(numbers)}\n{','.join(more)}\n".encode()
    parsed = parse_counted_tables([b"x\n0\n", content], 5)
    assert parsed.plain.all()
    expected = [float(text) for text in (*numbers, *more)]
    assert struct.pack("<10d", *parsed.rows.ravel().tolist()) == struct.pack("<10d", *expected)


TEXT = st.lists(
    st.sampled_from([*"0123456789", ".", "-", " ", " ", ",", "\t", "\r", "\n", "e", "x", "1 2 3 4 5\n", "2\n"]),
    max_size=40,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(
    texts=st.lists(TEXT | TEXT.map("a\n1\n{}".format) | TEXT.map("a\n2\n1 2 3 4 5\n{}".format), min_size=1, max_size=4)
)
def test_what_is_plain_agrees_with_the_slow_parser(texts: list[str]) -> None:
    contents = [text.encode() for text in texts]
    parsed = parse_counted_tables(contents, 5)
    first = 0
    for i, content in enumerate(contents):
        codes: list[str] = []
        table = parse_file(content, "name", lambda code, _, codes=codes: codes.append(code))  # type: ignore[misc]
        rows = parsed.rows[first : first + parsed.counts[i]]
        first += int(parsed.counts[i])
        if parsed.plain[i]:
            np.testing.assert_array_equal(rows, table)
            assert ("extra-rows" in codes) == bool(parsed.extra_rows[i])
            assert set(codes) <= {"extra-rows"}
        else:
            assert len(rows) == 0
