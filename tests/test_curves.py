"""AP by the official rule against plain loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.curves import truncated_percent, wider_ap

FRACTION = st.floats(0, 1)


def slow_ap(recall: list[float], precision: list[float]) -> float:
    r, p = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(p) - 2, -1, -1):
        if not p[i] > p[i + 1] and not math.isnan(p[i + 1]):
            p[i] = p[i + 1]
    total = 0.0
    for i in range(1, len(r)):
        if r[i] != r[i - 1]:
            total += (r[i] - r[i - 1]) * p[i]
    return total


@given(points=st.lists(st.tuples(FRACTION, FRACTION | st.just(math.nan)), max_size=20))
def test_equals_plain_loops(points: list[tuple[float, float]]) -> None:
    recall = sorted(r for r, _ in points)
    precision = [p for _, p in points]
    ap = wider_ap(recall, precision)
    assert ap == slow_ap(recall, precision)
    assert 0 <= ap <= 1 + 1e-12


@given(points=st.lists(st.tuples(FRACTION, FRACTION), min_size=1, max_size=20), lift=st.floats(0, 0.5))
def test_more_precision_is_never_worse(points: list[tuple[float, float]], lift: float) -> None:
    recall = sorted(r for r, _ in points)
    precision = [p for _, p in points]
    assert wider_ap(recall, [min(1.0, p + lift) for p in precision]) >= wider_ap(recall, precision)


@pytest.mark.parametrize(
    ("recall", "precision", "expected"),
    [
        ([], [], 0.0),
        ([0.0, 0.0], [math.nan, math.nan], 0.0),
        ([1.0], [1.0], 1.0),
        ([0.5, 1.0], [1.0, 0.5], 0.75),
        ([0.5, 1.0], [0.25, 0.5], 0.5),
    ],
)
def test_table(recall: list[float], precision: list[float], expected: float) -> None:
    assert wider_ap(recall, precision) == expected


@pytest.mark.parametrize(
    ("ap", "text"),
    [(0.92571, "0.925"), (0.57, "0.570"), (0.9999, "0.999"), (1.0, "1.000"), (0.0, "0.000"), (1e-9, "0.000")],
)
def test_cut_to_three_digits(ap: float, text: str) -> None:
    assert truncated_percent(ap) == text
