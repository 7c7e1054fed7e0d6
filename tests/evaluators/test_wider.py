"""The evaluator against plain loops, and the properties that the protocol implies."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.errors import SshbenchError
from sshbench.evaluators.wider import evaluate_wider, normalise_scores
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, offsets_of


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_wider", Path(__file__).with_name("reference_wider.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = load_reference()
EASY = Protocol.model_validate(
    {**load_protocol("wider").model_dump(), "subsets": [{"name": "easy", "ground_truth": "x.mat"}]}
)

# Few distinct values make ties and exact halves likely; a few odd ones make trouble.
PLACE = st.one_of(st.integers(0, 24), st.floats(-5, 30, allow_nan=False).map(lambda v: round(v * 4) / 4))
SIDE = st.one_of(st.integers(-2, 14), st.sampled_from([0.0, 0.5, 1e6, 3.25]))
ODD = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
SCORE = st.one_of(
    st.integers(0, 10).map(lambda k: k / 10),
    st.floats(-100, 100, allow_nan=False, width=32),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e-45]),
)


@st.composite
def one_image(draw: st.DrawFn) -> tuple[list[list[float]], list[bool], list[list[float]], list[float]]:
    faces = [
        [float(x), float(y), float(x + w), float(y + h)]
        for x, y, w, h in draw(
            st.lists(
                st.tuples(st.integers(0, 24), st.integers(0, 24), st.integers(0, 12), st.integers(0, 12)), max_size=5
            )
        )
    ]
    ignored = draw(st.lists(st.booleans(), min_size=len(faces), max_size=len(faces)))
    value = st.one_of(PLACE, PLACE, PLACE, ODD)
    rows = draw(st.lists(st.tuples(value, value, SIDE, SIDE, SCORE), max_size=8))
    detections = [[float(x), float(y), float(x) + w, float(y) + h] for x, y, w, h, _ in rows]
    return faces, ignored, detections, [float(row[4]) for row in rows]


def as_sets(
    images: list[tuple[list[list[float]], list[bool], list[list[float]], list[float]]],
) -> tuple[DetectionSet, FaceSet]:
    keys = tuple(f"e/{i}" for i in range(len(images)))
    detections = DetectionSet.from_images(
        (key, Detections(np.array(d, dtype=float).reshape(-1, 4), np.array(s, dtype=float)))
        for key, (_, _, d, s) in zip(keys, images, strict=True)
    )
    faces = FaceSet(
        keys,
        offsets_of([len(f) for f, *_ in images]),
        np.array([box for f, *_ in images for box in f], dtype=float).reshape(-1, 4),
        {"easy": np.array([flag for _, flags, _, _ in images for flag in flags], dtype=bool)},
    )
    return detections, faces


@pytest.mark.parametrize("iou", ["double", "int32"])
@given(images=st.lists(one_image(), max_size=4), without_faces=st.sampled_from(["count", "skip"]))
def test_equals_plain_loops(
    iou: str,
    images: list[tuple[list[list[float]], list[bool], list[list[float]], list[float]]],
    without_faces: str,
) -> None:
    kept, recalled, counted = REFERENCE.evaluate(images, iou, without_faces)
    detections, faces = as_sets(images)
    rules = EASY.with_evaluation(iou_arithmetic=iou, images_without_faces=without_faces)
    result = evaluate_wider(detections, faces, rules)
    np.testing.assert_array_equal(result.counts["easy"], np.column_stack((kept, recalled)))
    assert result.faces["easy"] == counted


@given(images=st.lists(one_image(), max_size=4))
def test_ap_is_a_fraction(images: list[tuple[list[list[float]], list[bool], list[list[float]], list[float]]]) -> None:
    detections, faces = as_sets(images)
    ap = evaluate_wider(detections, faces, EASY).curves["easy"].ap
    assert 0.0 <= ap <= 1.0 or (np.isnan(ap) and faces.counted("easy") == 0)


def test_perfect_detections_reach_one() -> None:
    boxes = [[10.0 * i, 0.0, 10.0 * i + 8, 9.0] for i in range(5)]
    images = [(boxes, [False] * 5, boxes, [0.9, 0.8, 0.7, 0.6, 0.0])]
    assert evaluate_wider(*as_sets(images), EASY).curves["easy"].ap == 1.0


def test_an_image_without_counted_faces_still_yields_false_positives() -> None:
    face = [[0.0, 0.0, 9.0, 9.0]]
    noise = [(face, [False], face, [0.5]), (face, [True], [[50.0, 50.0, 60.0, 60.0], [0.0, 0.0, 1.0, 1.0]], [1.0, 0.1])]
    result = evaluate_wider(*as_sets(noise), EASY)
    assert result.curves["easy"].ap == 0.5
    assert result.counts["easy"][-1].tolist() == [3, 1]


def test_a_detection_on_an_ignored_face_is_neither_right_nor_wrong() -> None:
    face = [[0.0, 0.0, 9.0, 9.0], [20.0, 0.0, 29.0, 9.0]]
    result = evaluate_wider(*as_sets([(face, [False, True], face, [0.9, 1.0])]), EASY)
    assert result.counts["easy"][-1].tolist() == [1, 1]


def test_a_second_hit_counts_as_false() -> None:
    face = [[0.0, 0.0, 9.0, 9.0]]
    result = evaluate_wider(*as_sets([(face, [False], face * 2, [0.9, 0.1])]), EASY)
    assert result.counts["easy"][-1].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        ([2.0, 4.0], [0.0, 1.0]),
        ([3.0, 3.0], [np.nan, np.nan]),
        ([np.nan, 0.0, 1.0], [np.nan, 0.0, 1.0]),
        ([np.inf, 1.0, 2.0], [np.nan, 0.0, 0.0]),
        ([-1.0, -3.0], [2 / 3, 0.0]),  # the search for the largest starts at realmin, not at the first score
        ([], []),
    ],
)
def test_normalising(scores: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(normalise_scores(scores), np.array(expected, dtype=np.float32).astype(float))


REALMIN = 2.0**-126
REALMAX = 2.0**128 - 2.0**104


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # All scores below realmin: it is the largest. 1.18e-38 would give 0.4998 and 0.
        ([REALMIN / 2, 0.0], [0.5, 0.0]),
        ([-REALMIN, 0.0], [0.0, 0.5]),
        # A largest score between realmin and 1.18e-38 would not be found.
        ([REALMIN * 1.003, 0.0], [1.0, 0.0]),
        # All scores above 3.4e38: the smallest of them counts, not a rounded start below it.
        ([REALMAX, 3.401e38], [1.0, 0.0]),
        ([REALMAX, REALMAX], [np.nan, np.nan]),
    ],
)
def test_the_range_starts_at_realmin_and_realmax(scores: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(normalise_scores(scores), expected)


def test_images_without_boxes_are_skipped_or_counted() -> None:
    """An image whose boxes are all ignored is not one without boxes: its detections stay false positives."""
    face, away = [[0.0, 0.0, 9.0, 9.0]], [[50.0, 50.0, 60.0, 60.0]]
    images = [(face, [False], face, [0.9]), ([], [], away * 2, [1.0, 0.1]), (face, [True], away, [0.5])]
    skipped = evaluate_wider(*as_sets(images), EASY.with_evaluation(images_without_faces="skip"))
    assert skipped.counts["easy"][-1].tolist() == [2, 1]
    assert skipped.passed_over.tolist() == [False, True, True, False]
    assert [(finding.code, finding.files) for finding in skipped.findings] == [("images-without-faces", ("e/1",))]
    counted = evaluate_wider(*as_sets(images), EASY.with_evaluation(images_without_faces="count"))
    assert counted.counts["easy"][-1].tolist() == [4, 1]
    assert counted.findings == ()
    np.testing.assert_array_equal(counted.normalised, skipped.normalised)


def test_other_images_are_refused() -> None:
    detections, faces = as_sets([([], [], [], [])])
    other = DetectionSet(("e/other",), detections.offsets, detections.boxes, detections.scores)
    with pytest.raises(SshbenchError, match="different images"):
        evaluate_wider(other, faces, EASY)
