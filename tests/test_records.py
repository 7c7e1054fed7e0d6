"""Detections and faces of a whole dataset behave as sequences, and refuse what is not one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.errors import SshbenchError
from sshbench.records import Detections, DetectionSet, Faces, FaceSet, offsets_of

COUNTS = [2, 0, 3, 1]
KEYS: tuple[str, ...] = ("e/a", "e/b", "f/c", "f/d")
N = sum(COUNTS)


def detection_set() -> DetectionSet:
    rows = np.arange(N, dtype=np.float64)
    boxes = np.column_stack((rows, rows, rows + 1, rows + 1))
    ellipses = np.column_stack((boxes, rows))
    return DetectionSet(KEYS, offsets_of(COUNTS), boxes, rows / 10, ellipses, np.arange(N, dtype=np.int64))


def face_set() -> FaceSet:
    found = detection_set()
    sizes = np.array([[10, 20], [30, 40], [50, 60], [70, 80]])
    return FaceSet(
        KEYS,
        found.offsets,
        found.boxes,
        {"all": np.arange(N) % 2 == 0},
        {"blur": np.arange(N, dtype=np.int8)},
        found.ellipses,
        sizes,
        found.scores,
    )


SETS: list[Callable[[], DetectionSet | FaceSet]] = [detection_set, face_set]
ROWS = [[0, 1], [], [2, 3, 4], [5]]


def rows_of(record: Detections | Faces) -> list[float]:
    return [float(value) for value in record.boxes[:, 0]]


@pytest.mark.parametrize("make", SETS)
def test_images_by_position_as_in_a_list(make: Callable[[], DetectionSet | FaceSet]) -> None:
    images = make()
    assert [rows_of(image) for image in images] == ROWS
    backwards: list[Detections | Faces] = [*reversed(images)]  # type: ignore[list-item]
    assert [rows_of(image) for image in backwards] == ROWS[::-1]
    for i in range(-4, 4):
        assert rows_of(images[i]) == rows_of(images[np.int64(i)]) == ROWS[i]
    for i in (-5, 4, 100):
        with pytest.raises(IndexError, match=rf"no image {i}: the set has 4 images"):
            images[i]


@pytest.mark.parametrize("make", SETS)
def test_images_by_key(make: Callable[[], DetectionSet | FaceSet]) -> None:
    images = make()
    assert [rows_of(images[key]) for key in KEYS] == ROWS
    assert [key in images for key in ("f/c", "c")] == [True, False]  # type: ignore[comparison-overlap]
    with pytest.raises(KeyError, match=r"no image 'f/cc'. Did you mean 'f/c'\?"):
        images["f/cc"]
    with pytest.raises(KeyError, match="no image '0000'"):
        images["0000"]


bounds = st.none() | st.integers(-6, 6)


@pytest.mark.parametrize("make", SETS)
@given(start=bounds, stop=bounds, step=st.none() | st.integers(-3, 3).filter(bool))
def test_slices_are_sets_of_the_same_kind(
    make: Callable[[], DetectionSet | FaceSet], start: int | None, stop: int | None, step: int | None
) -> None:
    images, cut = make(), slice(start, stop, step)
    part = images[cut]
    assert type(part) is type(images)
    assert part.keys == KEYS[cut]
    assert [rows_of(image) for image in part] == ROWS[cut]
    rows = [row for image in ROWS[cut] for row in image]
    assert part.ellipses is not None
    assert part.ellipses[:, 4].tolist() == rows
    if isinstance(part, FaceSet):
        assert part.areas is not None
        assert part.sizes is not None
        assert part.areas.tolist() == [row / 10 for row in rows]
        assert part.sizes[:, 0].tolist() == [10, 30, 50, 70][cut]
        assert part.attributes["blur"].tolist() == rows
        assert part.ignore["all"].tolist() == [row % 2 == 0 for row in rows]
    else:
        assert part.positions is not None
        assert part.scores.tolist() == [row / 10 for row in rows]
        assert part.positions.tolist() == rows


def test_a_slice_shares_the_memory_of_the_whole() -> None:
    images = detection_set()
    assert np.shares_memory(images[1:3].boxes, images.boxes)


@pytest.mark.parametrize("make", SETS)
def test_images_are_selected_in_any_order(make: Callable[[], DetectionSet | FaceSet]) -> None:
    part = make().select([-1, 0])
    assert (part.keys, [rows_of(image) for image in part]) == (("f/d", "e/a"), [[5], [0, 1]])
    assert make().select([]).keys == ()
    with pytest.raises(IndexError, match="no image 4"):
        make().select([0, 4])
    with pytest.raises(SshbenchError, match="'e/a' comes twice"):
        make().select([0, -4])


def test_aligned_detections_keep_the_order_of_each_image() -> None:
    found = detection_set().aligned(["f/c", "none", "e/a"])
    assert found.keys == ("f/c", "none", "e/a")
    assert [rows_of(image) for image in found] == [[2, 3, 4], [], [0, 1]]
    with pytest.raises(SshbenchError, match="'e/a' comes twice"):
        detection_set().aligned(["e/a", "e/a"])


def pair(key: str, **arrays: Any) -> tuple[str, Detections]:
    return key, Detections(np.ones((1, 4)), np.ones(1), **arrays)


@pytest.mark.parametrize(("name", "array"), [("ellipses", np.ones((1, 5))), ("positions", np.ones(1, dtype=np.int64))])
def test_ellipses_and_positions_of_some_images_only_are_refused(name: str, array: Any) -> None:
    given_ = [("e/a", Detections.empty()), pair("e/b", **{name: array}), pair("e/c")]
    with pytest.raises(SshbenchError, match=f"image 'e/b' has {name} and image 'e/c' has none"):
        DetectionSet.from_images(given_)
    joined = DetectionSet.from_images(given_[:2])  # images without detections do not matter
    assert len(getattr(joined, name)) == 1
    assert getattr(DetectionSet.from_images([*given_[:1], *given_[2:]]), name) is None


def test_a_key_that_comes_twice_is_named() -> None:
    with pytest.raises(SshbenchError, match="image 'e/b' comes twice in the detections"):
        DetectionSet.from_images([pair("e/a"), pair("e/b"), pair("e/b")])
    with pytest.raises(SshbenchError, match="image 'x' comes twice in the ground truth"):
        FaceSet(("x", "x"), offsets_of([0, 0]), np.empty((0, 4)), {})


WRONG: list[tuple[Callable[[], DetectionSet | FaceSet], str, Any, str]] = [
    (detection_set, "offsets", np.array([0, 2, 2, 5]), "must be 5 integers"),
    (detection_set, "offsets", np.array([0.0, 2, 2, 5, 6]), "must be 5 integers"),
    (detection_set, "offsets", np.array([1, 2, 2, 5, 6]), "must rise from 0 to the number of rows, 6"),
    (detection_set, "offsets", np.array([0, 2, 1, 5, 6]), "must rise from 0"),
    (detection_set, "offsets", np.array([0, 2, 2, 5, 7]), "must rise from 0"),
    (detection_set, "boxes", np.ones((N, 5)), r"boxes must have shape \(n, 4\), not \(6, 5\)"),
    (detection_set, "boxes", [["a"] * 4] * N, "boxes must be numbers"),
    (detection_set, "scores", np.ones(N - 1), r"scores must have shape \(6,\), not \(5,\)"),
    (detection_set, "scores", np.ones((N, 1)), "scores must have shape"),
    (detection_set, "ellipses", np.ones((N, 4)), r"ellipses must have shape \(6, 5\)"),
    (detection_set, "ellipses", np.ones((N - 1, 5)), r"ellipses must have shape \(6, 5\)"),
    (detection_set, "positions", np.ones(N), "positions must be integers"),
    (detection_set, "positions", np.ones(N + 1, dtype=np.int64), "positions must have shape"),
    (face_set, "offsets", np.array([0, 2, 1, 5, 6]), "ground truth must rise from 0"),
    (face_set, "boxes", np.ones(N), "boxes must have shape"),
    (face_set, "ellipses", np.ones((N, 6)), "ellipses must have shape"),
    (face_set, "sizes", np.ones((N, 2), dtype=np.int64), r"sizes must have shape \(4, 2\), not \(6, 2\)"),
    (face_set, "areas", np.ones(N + 1), "areas must have shape"),
    (face_set, "ignore", {"all": np.zeros(N + 1, dtype=np.bool_)}, "ignore flags of subset 'all' must have shape"),
    (face_set, "attributes", {"blur": np.zeros(1, dtype=np.int8)}, "attribute 'blur' must have shape"),
]


@pytest.mark.parametrize(("make", "name", "value", "says"), WRONG)
def test_wrong_arrays_are_refused(make: Callable[[], DetectionSet | FaceSet], name: str, value: Any, says: str) -> None:
    with pytest.raises(SshbenchError, match=says):
        replace(make(), **{name: value})


def test_arrays_become_the_promised_types_without_a_copy_where_they_are_that_already() -> None:
    boxes, scores = np.ones((2, 4)), np.ones(2)
    found = DetectionSet(("a",), np.array([0, 2], dtype=np.int32), boxes, scores)
    assert found.boxes is boxes
    assert found.scores is scores
    assert found.offsets.dtype == np.int64
    one = Detections([[1, 2, 3, 4]], [1], np.ones((1, 5), dtype=np.float32))  # type: ignore[arg-type]
    assert one.ellipses is not None
    assert {one.boxes.dtype, one.scores.dtype, one.ellipses.dtype} == {np.dtype(np.float64)}
    with pytest.raises(SshbenchError, match="scores must have shape"):
        Detections(boxes, np.ones(3))


def test_sets_are_short_in_print() -> None:
    count = 100_000
    keys = tuple(f"event/{i}" for i in range(count))
    found = DetectionSet(keys, offsets_of([1] * count), np.ones((count, 4)), np.ones(count))
    faces = FaceSet(keys, found.offsets, found.boxes, {f"subset {i}" * 20: np.ones(count) > 0 for i in range(9)})
    assert repr(found) == "DetectionSet(100000 images, 100000 detections)"
    assert repr(faces) == "FaceSet(100000 images, 100000 faces)"
    assert repr(detection_set()[-1]) == "Detections(1 detection, scores 0.5 to 0.5)"
    assert repr(Detections.empty()) == "Detections(0 detections)"
    assert repr(face_set()["f/c"]) == "Faces(3 faces)"
    wide = Detections(np.ones((2, 4)), np.array([-1.2345678901234e-300, 1.2345678901234e300]))
    assert len(repr(wide)) < 200


@pytest.mark.parametrize("make", SETS)
def test_copies_are_whole(make: Callable[[], DetectionSet | FaceSet]) -> None:
    for other in (pickle.loads(pickle.dumps(make())), copy.deepcopy(make()), replace(make())):
        assert rows_of(other["f/c"]) == [2, 3, 4]
