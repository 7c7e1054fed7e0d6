"""Text that Octave evaluates: the rules of its language for what may stand between the brackets of a matrix.

The tool's own rows for 103 texts are in `tests/evaluators/test_golden_small_wider.py`.
"""

from __future__ import annotations

import pytest

from sshbench.formats.wider_official import official_lines, read_official, str2num


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1 2,3\t4 , 5,", [1, 2, 3, 4, 5]),
        (",1 2", [1, 2]),
        ("", []),
        ("1 -2", [1, -2]),
        ("1 - 2", [-1]),
        ("1-2", [-1]),
        ("1- 2", [-1]),
        ("1 - -2", [3]),
        ("2 *3 4", [6, 4]),
        ("-2^2", [-4]),
        ("2^-1", [0.5]),
        ("2^3^2", [64]),  # from left to right
        ("1+2*3", [7]),
        ("1/0 -1/0", [float("inf"), -float("inf")]),
        ("1d2 1D-1 1_000", [100, 0.1, 1000]),
        ("3i 2i*2i", [0, -4]),
        ("1 2;3 4", [1, 3, 2, 4]),  # by column
        ("1;;2;", [1, 2]),
        ("1\r2\r\n", [1, 2]),
        ("[1 2] [] 3", [1, 2, 3]),
        ("0x10 1.5 -3 300", [16, 2, 0, 255]),  # all become unsigned integers of 8 bits
        ("0x1FF 70000", [511, 65535]),
    ],
)
def test_what_octave_evaluates(text: str, numbers: list[float]) -> None:
    values = str2num(text)
    assert values is not None
    assert values.tolist() == numbers


@pytest.mark.parametrize(
    "text",
    ["1,,2", ",,", "1 2;3", "[1", "1]", "1 -", "+", "1..2", "1.2.3", "1e", "face", "NAN", "1%", "(1)", "1:5", "é"],
)
def test_what_cannot_be_read(text: str) -> None:
    assert str2num(text) is None


def test_the_first_line_end_decides() -> None:
    assert official_lines(b"a\r1\n2\r3\r\r") == ["a", "1", "2", "3"]
    assert official_lines(b"a\n1\r2\n3\n \n") == ["a", "1\r2", "3"]
    assert official_lines(b"a\r\n1\r2\r\n") == ["a\r", "1\r2\r"]


def test_extra_rows_are_told_from_blank_lines() -> None:
    assert not read_official(b"a\n1\n1 2 3 4 5\n\n \n").has_extra_rows
    assert read_official(b"a\n1\n1 2 3 4 5\n\nx\n").has_extra_rows
