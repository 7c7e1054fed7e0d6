"""The search for the best box against brute force over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.boxes import aligned_iou
from sshbench.evaluators import matching
from sshbench.evaluators.matching import best_boxes, int32_iou
from sshbench.records import DetectionSet, FaceSet, offsets_of

NUMBER = st.one_of(
    st.integers(-40, 90).map(float),
    st.floats(-40, 90, allow_nan=False),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e7, -1e7, 5e6]),
)
BOX = st.tuples(NUMBER, NUMBER, NUMBER, NUMBER)
FACE = st.tuples(*(st.integers(-10, 90),) * 2, *(st.integers(0, 80),) * 2)


def brute_force(detections: DetectionSet, faces: FaceSet, threshold: float, inclusive: bool, int32: bool) -> list[int]:
    best = []
    for i in range(len(detections)):
        first, last = faces.offsets[i], faces.offsets[i + 1]
        for box in detections[i].boxes:
            choice, value = -1, -np.inf
            for g in range(first, last):
                pair = faces.boxes[g][None], box[None]
                with np.errstate(all="ignore"):
                    iou = (int32_iou(*pair) if int32 else aligned_iou(*pair, inclusive=inclusive))[0]
                if iou > value:
                    choice, value = g, iou
            best.append(choice if value >= threshold else -1)
    return best


@pytest.mark.parametrize(("inclusive", "int32"), [(True, False), (False, False), (True, True)])
@given(
    images=st.lists(st.tuples(st.lists(FACE, max_size=6), st.lists(BOX, max_size=6)), min_size=1, max_size=3),
    threshold=st.sampled_from([0.5, 0.5, 0.3, 0.75, 1.0]),
)
def test_equals_brute_force(
    inclusive: bool,
    int32: bool,
    images: list[tuple[list[tuple[int, ...]], list[tuple[float, ...]]]],
    threshold: float,
) -> None:
    if int32:
        threshold = 0.5
    keys = tuple(map(str, range(len(images))))
    truth = np.array([box for boxes, _ in images for box in boxes], dtype=float).reshape(-1, 4)
    truth[:, 2:] += truth[:, :2]
    found = np.array([box for _, boxes in images for box in boxes], dtype=float).reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        found[:, 2:] += found[:, :2]
    faces = FaceSet(keys, offsets_of([len(f) for f, _ in images]), truth, {})
    detections = DetectionSet(keys, offsets_of([len(d) for _, d in images]), found, np.zeros(len(found)))
    with np.errstate(all="ignore"):
        got = best_boxes(detections, faces, threshold=threshold, inclusive=inclusive, int32=int32)
    assert got.tolist() == brute_force(detections, faces, threshold, inclusive, int32)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    keys = ("a", "b")
    boxes = rng.integers(0, 60, (80, 4)).astype(float)
    boxes[:, 2:] = boxes[:, :2] + rng.integers(1, 30, (80, 2))
    faces = FaceSet(keys, offsets_of([15, 25]), boxes[:40], {})
    detections = DetectionSet(keys, offsets_of([30, 10]), boxes[40:] + 0.5, np.zeros(40))
    whole = best_boxes(detections, faces, threshold=0.5)
    monkeypatch.setattr(matching, "_CHUNK_PAIRS", 3)
    np.testing.assert_array_equal(best_boxes(detections, faces, threshold=0.5), whole)
    assert (whole >= 0).any()
