"""FDDB's parts against plain loops: regions, overlaps, matching, adding up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from sshbench.boxes import bounding_boxes
from sshbench.errors import SshbenchError
from sshbench.evaluators.fddb import evaluate_fddb
from sshbench.evaluators.fddb_matching import image_steps
from sshbench.evaluators.kuhn import official_assignment
from sshbench.evaluators.regions import ellipse_region, rectangle_overlaps, region_overlaps
from sshbench.records import Detections, DetectionSet, FaceSet, FloatArray

SIZE = (40, 30)
ellipses = st.tuples(
    st.floats(1, 15), st.floats(1, 15), st.floats(-3.2, 3.2), st.floats(-8, 48), st.floats(-8, 38)
).map(np.array)
rectangles = st.tuples(st.floats(-10, 45), st.floats(-10, 35), st.floats(-5, 30), st.floats(-5, 30)).map(
    lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
)
# Few different values: ties are where solvers differ.
overlap_tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9]),
)


@pytest.fixture(scope="module")
def reference(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("reference_fddb.py"))


@given(st.lists(rectangles, max_size=4), st.lists(ellipses, max_size=4))
def test_overlaps_are_those_of_pixel_masks(
    reference: ModuleType, boxes: list[FloatArray], faces: list[FloatArray]
) -> None:
    regions = [ellipse_region(face, *SIZE) for face in faces]
    expected = [
        [reference.iou(reference.drawn_rectangle(box, SIZE), reference.drawn_ellipse(face, SIZE)) for face in faces]
        for box in boxes
    ]
    found = rectangle_overlaps(np.array(boxes).reshape(-1, 4), regions, *SIZE)
    assert found.tolist() == np.array(expected).reshape(len(boxes), len(faces)).tolist()


@given(st.lists(ellipses, max_size=4), st.lists(ellipses, max_size=4))
def test_overlaps_of_ellipses_are_those_of_pixel_masks(
    reference: ModuleType, found: list[FloatArray], faces: list[FloatArray]
) -> None:
    expected = [
        [reference.iou(reference.drawn_ellipse(one, SIZE), reference.drawn_ellipse(face, SIZE)) for face in faces]
        for one in found
    ]
    regions = [[ellipse_region(ellipse, *SIZE) for ellipse in group] for group in (found, faces)]
    overlaps = region_overlaps(regions[0], regions[1])
    assert overlaps.tolist() == np.array(expected).reshape(len(found), len(faces)).tolist()


@given(overlap_tables)
def test_the_official_solver_matches_one_to_one_and_is_best_on_square_problems(table: FloatArray) -> None:
    table = table[np.ix_(table.any(axis=1), table.any(axis=0))]
    if table.size == 0:
        return
    if table.shape[0] > table.shape[1]:
        table = table.T
    pairs = [(i, j) for i, j in official_assignment(table.copy()) if table[i, j] > 0]
    assert len({i for i, _ in pairs}) == len(pairs) == len({j for _, j in pairs})
    total = sum(table[i, j] for i, j in pairs)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    assert total <= best + 1e-12
    rows, columns = table.max(axis=1).sum(), table.max(axis=0).sum()
    if table.shape[0] == table.shape[1] or rows <= columns - 1e-9:
        assert total == pytest.approx(best, abs=1e-12)


def test_trap_the_official_solver_stops_early() -> None:
    """Column potentials leave a priced column unmatched: rows' maxima add up to more than the columns'."""
    rng = np.random.default_rng(0)
    lost = 0.0
    for _ in range(3000):
        table = rng.choice([0.0, 0.2, 0.5, 0.7, 0.9], (2, 3)) + rng.uniform(0, 0.05, (2, 3))
        pairs = official_assignment(table)
        best = table[linear_sum_assignment(table, maximize=True)].sum()
        lost = max(lost, best - sum(table[i, j] for i, j in pairs))
    assert lost > 0


cases = st.lists(
    st.tuples(
        st.lists(st.tuples(rectangles, st.sampled_from([0.1, 0.3, 0.5, 0.9])), max_size=4),
        st.lists(ellipses, max_size=3),
    ),
    min_size=1,
    max_size=3,
)


@given(cases)
def test_optimal_matching_equals_a_plain_evaluation_with_scipys_optimum(
    reference: ModuleType, images: list[tuple[list[tuple[FloatArray, float]], list[FloatArray]]]
) -> None:
    faces = face_set([annotated for _, annotated in images])
    if faces.total == 0:
        return
    detections = DetectionSet.from_images(
        (key, Detections(np.array([box for box, _ in found]).reshape(-1, 4), np.array([score for _, score in found])))
        for key, (found, _) in zip(faces.keys, images, strict=True)
    )
    result = evaluate_fddb(detections, faces, matching="optimal")
    expected = reference.evaluate(detections, faces)
    count = len(expected)  # an image without detections adds a last point
    np.testing.assert_array_equal(result.discrete.thresholds[:count], expected[:, 0])
    np.testing.assert_array_equal(result.discrete.false_positives[:count], expected[:, 1])
    np.testing.assert_allclose(result.discrete.true_positive_rate[:count], expected[:, 2] / faces.total, atol=1e-15)
    np.testing.assert_allclose(result.continuous.true_positive_rate[:count], expected[:, 3] / faces.total, atol=1e-12)
    assert len(result.discrete.thresholds) - count == any(not found for found, _ in images)


@given(st.integers(0, 2**32 - 1))
def test_the_official_solver_gets_the_detections_in_file_order(reference: ModuleType, seed: int) -> None:
    """Crowds: eight detections with distinct scores in any order, five faces, about half of the pairs overlap."""
    rng = np.random.default_rng(seed)
    table = rng.choice([0.0, 0.2, 0.5, 0.7, 0.9], (8, 5)) + rng.uniform(0, 0.05, (8, 5))
    table[rng.random((8, 5)) < 0.5] = 0
    check_steps(reference, table, rng.permutation(8) / 10)


@given(overlap_tables, st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=5, max_size=5))
def test_steps_count_what_the_official_solver_matches_where_many_assignments_tie(
    reference: ModuleType, table: FloatArray, levels: list[float]
) -> None:
    """Overlaps of few different values: equal sums with other numbers of faces over one half."""
    check_steps(reference, table, np.array(levels[: len(table)]))


def check_steps(reference: ModuleType, table: FloatArray, scores: FloatArray) -> None:
    steps = image_steps(table, scores, "official", 0.5)
    expected = [reference.official(table[scores >= score]) for score in steps.scores]
    assert steps.scores.tolist() == sorted(set(scores.tolist()), reverse=True)
    assert steps.kept.tolist() == [int((scores >= score).sum()) for score in steps.scores]
    assert steps.discrete.tolist() == [int((pairs > 0.5).sum()) for pairs in expected]
    np.testing.assert_allclose(steps.continuous, [pairs.sum() for pairs in expected], atol=1e-12)


def test_trap_equal_sums_with_other_numbers_of_faces() -> None:
    """Both assignments overlap by 1.1 in all; one has two faces over one half, the other has one."""
    table = np.array([[0.6, 0.75], [0.35, 0.5]])
    for rows in ([0, 1], [1, 0]):
        steps = image_steps(table[rows], np.array([0.5, 0.5]), "official", 0.45)
        pairs = [table[rows][i, j] for i, j in official_assignment(table[rows].copy())]
        assert steps.discrete.tolist() == [sum(value > 0.45 for value in pairs)]


def face_set(faces: list[list[FloatArray]]) -> FaceSet:
    flat = np.array([ellipse for image in faces for ellipse in image]).reshape(-1, 5)
    offsets = np.cumsum([0, *map(len, faces)]).astype(np.int64)
    keys = tuple(str(i) for i in range(len(faces)))
    sizes = np.tile(np.array(SIZE, dtype=np.int64), (len(faces), 1))
    ignore = {"all": np.zeros(len(flat), dtype=np.bool_)}
    return FaceSet(keys, offsets, bounding_boxes(flat), ignore, ellipses=flat, sizes=sizes)


def test_no_detections_at_all_is_one_point_where_the_tool_hangs() -> None:
    faces = face_set([[np.array([5.0, 4.0, 0.0, 20.0, 15.0])]])
    result = evaluate_fddb(DetectionSet.from_images([("0", Detections.empty())]), faces)
    assert result.discrete.true_positive_rate.tolist() == [0.0]
    assert result.discrete.rate_at(100) == 0.0


def test_other_images_are_refused() -> None:
    with pytest.raises(SshbenchError, match="different images"):
        evaluate_fddb(DetectionSet.from_images([("x", Detections.empty())]), face_set([[]]))
