"""PASCAL Faces and AFW: the toolbox's own outputs, and plain loops written from the protocol."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.datasets import Dataset
from sshbench.datasets.pascal import load_pascal
from sshbench.errors import SshbenchError
from sshbench.evaluators.pascal import evaluate_pascal
from sshbench.formats.pascal import read_pascal
from sshbench.protocols import PascalEvaluation, load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, FloatArray, offsets_of
from sshbench.selftest import pascal_differences

FILES = {
    "PASCAL": ["DPM.txt", "Face++.txt", "Ours_Baseline.txt", "Ours_Headhunter.txt"],
    "AFW": ["Baseline.txt", "DPM.txt", "Ours_Headhunter.txt"],
}
ANNOTATIONS = {
    ("PASCAL", "new"): ["new.csv", "Annotations_Face_PASCALLayout_large_fixed.mat"],
    ("PASCAL", "old"): ["old.csv"],
    ("AFW", "new"): ["afw_new.csv", "new_annotations_AFW.mat"],
    ("AFW", "old"): ["anno2.mat"],
}
CASES = [
    (collection, age, annotation, file)
    for (collection, age), files in ANNOTATIONS.items()
    for annotation in files
    for file in FILES[collection]
]


def load(shared: Path, collection: str, annotation: str) -> Dataset:
    folder = shared / "data" / collection.lower()
    return load_pascal(folder, annotation=[annotation], images=["images"], name=collection.lower())


def test_every_detection_file_is_listed(shared: Path) -> None:
    for collection, files in FILES.items():
        there = (shared / "data" / collection.lower() / "detections").iterdir()
        assert sorted(path.name.removesuffix(".gz") for path in there) == files


@pytest.mark.parametrize(("collection", "age", "annotation", "file"), CASES)
@pytest.mark.parametrize("iterations", [1, 5])
def test_the_toolbox_says_the_same(
    shared: Path, collection: str, age: str, annotation: str, file: str, iterations: int
) -> None:
    dataset = load(shared, collection, annotation)
    folder = dataset.root
    golden: dict[str, Any] = json.loads((folder / "golden" / "golden.json").read_text())
    expected = golden[f"{collection}|{age}|nit{iterations}|{file}"]
    detections, _ = read_pascal(folder / "detections" / f"{file}.gz", dataset.keys)
    result = evaluate_pascal(detections, dataset.faces, rules(iterations))
    points = None
    if age == "new" and iterations == 5:
        with gzip.open(folder / "golden" / f"{file}.pr.txt.gz") as points_file:
            points = np.loadtxt(points_file).T
    assert pascal_differences(result, expected, points) == []


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(15, 60), st.integers(15, 60)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
images = st.lists(
    st.tuples(
        st.lists(st.tuples(corners, st.floats(0, 1)), max_size=5),
        st.lists(st.tuples(corners, st.booleans()), max_size=4),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def reference(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("reference_pascal.py"))


@given(images)
def test_plain_loops_say_the_same(
    reference: ModuleType, case: list[tuple[list[tuple[list[float], float]], list[Any]]]
) -> None:
    # Scores all different: which of equal ones comes first is the file's business, tested on the toolbox's own files.
    scores = iter(np.random.default_rng(1).permutation(100) / 100)
    detections = DetectionSet.from_images(
        (str(i), Detections(_boxes([box for box, _ in found]), np.array([next(scores) for _ in found])))
        for i, (found, _) in enumerate(case)
    )
    flags = np.array([flag for _, faces in case for _, flag in faces], dtype=np.bool_)
    boxes = _boxes([box for _, faces in case for box, _ in faces])
    faces = FaceSet(detections.keys, offsets_of([len(faces) for _, faces in case]), boxes, {"all": flags})
    numbers = rules(3)
    result = evaluate_pascal(detections, faces, numbers)
    if result.faces and result.detections:
        assert [curve.ap for curve in result.curves] == pytest.approx(
            reference.evaluate(detections, faces, numbers), abs=1e-9
        )


def rules(iterations: int) -> PascalEvaluation:
    """The shipped protocol's numbers, with another number of iterations."""
    return load_protocol("pascal").with_evaluation(iterations=iterations).rules(PascalEvaluation)


def _boxes(rows: list[list[float]]) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def face(*, ignore: bool = False) -> FaceSet:
    return FaceSet(("a",), offsets_of([1]), _boxes([[0, 0, 40, 40]]), {"all": np.array([ignore])})


def counts(faces: FaceSet, *boxes: list[float], keys: tuple[str, ...] = ("a",)) -> tuple[int, int, int]:
    sizes = [len(boxes)] if len(keys) == 1 else [0, len(boxes)]
    scores = np.linspace(1, 0.5, len(boxes))
    result = evaluate_pascal(DetectionSet(keys, offsets_of(sizes), _boxes(list(boxes)), scores), faces, rules(1))
    return result.true_positives, result.false_positives, result.neutral


def test_hits_repeats_ignored_faces_and_other_images() -> None:
    hit = [0.0, 0.0, 40.0, 40.0]
    assert counts(face(), hit) == (1, 0, 0)
    assert counts(face(), hit, hit) == (1, 1, 0)
    assert counts(face(ignore=True), hit, hit) == (0, 0, 2)
    assert counts(face(), hit, keys=("a", "not in the dataset")) == (0, 1, 0)
    assert counts(face(), [0.0, 0.0, 21.0, 21.0]) == (0, 0, 0)  # neither side over 21: not used


def test_detections_must_begin_with_the_datasets_images() -> None:
    with pytest.raises(SshbenchError, match="different images"):
        evaluate_pascal(DetectionSet.from_images([("b", Detections.empty())]), face(), rules(1))
