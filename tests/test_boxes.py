"""Box arithmetic: properties of IoU, and NMS against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.boxes import aligned_iou, areas, nms, pairwise_iou

SIDE = st.floats(0.5, 100)
BOX = st.tuples(st.floats(-50, 50), st.floats(-50, 50), SIDE, SIDE).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
BOXES = st.lists(BOX, min_size=1, max_size=8)


@pytest.mark.parametrize("inclusive", [False, True])
@given(a=BOX, b=BOX)
def test_iou_is_symmetric_and_a_fraction(inclusive: bool, a: list[float], b: list[float]) -> None:
    there, back = pairwise_iou([a], [b], inclusive=inclusive), pairwise_iou([b], [a], inclusive=inclusive)
    assert there == pytest.approx(back, rel=1e-12)
    assert 0 <= there[0, 0] <= 1 + 1e-12


@pytest.mark.parametrize("inclusive", [False, True])
@given(a=BOX)
def test_a_box_overlaps_itself_wholly(inclusive: bool, a: list[float]) -> None:
    assert pairwise_iou([a], [a], inclusive=inclusive)[0, 0] == pytest.approx(1)


@given(a=BOX, b=BOX)
def test_inclusive_is_continuous_with_a_pixel_more(a: list[float], b: list[float]) -> None:
    longer = [[box[0], box[1], box[2] + 1, box[3] + 1] for box in (a, b)]
    assert pairwise_iou([a], [b], inclusive=True) == pytest.approx(pairwise_iou([longer[0]], [longer[1]]), abs=1e-9)


@given(a=BOX, b=BOX, shift=st.integers(-100, 100))
def test_shifting_both_changes_nothing(a: list[float], b: list[float], shift: int) -> None:
    moved = [[value + shift for value in box] for box in (a, b)]
    assert pairwise_iou([moved[0]], [moved[1]]) == pytest.approx(pairwise_iou([a], [b]), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "inclusive", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 5], False, 0.5),
        ([0, 0, 9, 9], [0, 0, 9, 4], True, 0.5),
        ([0, 0, 10, 10], [10, 0, 20, 10], False, 0.0),
        ([0, 0, 10, 10], [10, 0, 20, 10], True, 11 / 231),
        ([0, 0, 10, 10], [30, 30, 40, 40], True, 0.0),
        ([5, 5, 5, 5], [5, 5, 5, 5], True, 1.0),
        ([5, 5, 5, 5], [5, 5, 5, 5], False, 0.0),
    ],
)
def test_iou_table(a: list[float], b: list[float], inclusive: bool, expected: float) -> None:
    pair = np.array([a], dtype=float), np.array([b], dtype=float)
    assert aligned_iou(*pair, inclusive=inclusive)[0] == expected


def test_areas_keep_inside_out_boxes_as_they_are() -> None:
    assert areas([[0, 0, 4, 5], [4, 0, 0, 5]]).tolist() == [20, -20]


def slow_nms(boxes: list[list[float]], scores: list[float], threshold: float, inclusive: bool) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda k: -scores[k]):
        if all(not pairwise_iou([boxes[j]], [boxes[i]], inclusive=inclusive)[0, 0] > threshold for j in kept):
            kept.append(i)
    return kept


@given(boxes=BOXES, data=st.data(), threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]), inclusive=st.booleans())
def test_nms_equals_plain_loops(
    boxes: list[list[float]], data: st.DataObject, threshold: float, inclusive: bool
) -> None:
    score = st.integers(0, 4).map(float)  # few values: ties are the hard part
    scores = data.draw(st.lists(score, min_size=len(boxes), max_size=len(boxes)))
    assert nms(boxes, scores, threshold, inclusive=inclusive).tolist() == slow_nms(boxes, scores, threshold, inclusive)


def test_nms_of_nothing() -> None:
    assert nms(np.empty((0, 4)), np.empty(0), 0.5).tolist() == []
