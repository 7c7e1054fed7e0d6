"""Detections of other images than the dataset's are never evaluated in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sshbench.datasets import Dataset
from sshbench.errors import UsageError
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.pascal import PascalResult
from sshbench.formats import read_predictions
from sshbench.protocols import load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, Finding, offsets_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return load_dataset("sample")


def perfect(dataset: Dataset, *, keys: dict[str, str] | None = None) -> DetectionSet:
    pairs = zip(dataset.keys, dataset.faces, strict=True)
    names = keys or {}
    return DetectionSet.from_images(
        (names.get(key, key), Detections(faces.boxes, np.linspace(0.9, 0.5, len(faces)))) for key, faces in pairs
    )


def test_detections_of_no_known_image_are_refused(sample: Dataset) -> None:
    renamed = perfect(sample, keys={key: f"{key}.jpg" for key in sample.keys})
    with pytest.raises(UsageError, match=r"0--Portrait/.*\.jpg.*0--Portrait/"):
        evaluate_set(renamed, sample, load_protocol("sample"))


def test_some_unknown_images_are_named_and_take_no_part(sample: Dataset) -> None:
    odd = next(key for key, faces in zip(sample.keys, sample.faces, strict=True) if len(faces) > 1)
    whole = evaluate_set(perfect(sample), sample, load_protocol("sample")).record
    record = evaluate_set(perfect(sample, keys={odd: "elsewhere/odd"}), sample, load_protocol("sample")).record
    assert whole.warnings == ()
    assert {finding.code: finding.files for finding in record.warnings} == {
        "unknown-image": ("elsewhere/odd",),
        "missing-image": (odd,),
    }
    assert record.detections == whole.detections - len(sample.faces[odd])
    hard, best = record.metrics["AP/hard"], whole.metrics["AP/hard"]
    assert hard is not None
    assert best is not None
    assert hard < best


def test_detections_of_a_part_are_no_unknown_ones(sample: Dataset) -> None:
    record = evaluate_set(perfect(sample), sample.limited(3), load_protocol("sample")).record
    assert record.warnings == ()
    assert record.detections == sum(len(faces) for faces in list(sample.faces)[:3])


def test_detections_of_images_passed_over_are_not_counted() -> None:
    protocol = load_protocol("wider")
    dataset = load_dataset(protocol, GOLDEN / "wider_no_boxes")
    detections, findings = read_predictions(GOLDEN / "wider_no_boxes/predictions/percent.zip", dataset, "wider")
    record = evaluate_set(detections, dataset, protocol, findings=findings).record
    empty = [i for i, faces in enumerate(dataset.faces) if not len(faces)]
    assert len(empty) == 15
    assert record.detections == detections.total - sum(len(detections[i]) for i in empty)


def test_what_a_reader_reported_is_not_reported_twice(sample: Dataset) -> None:
    """A reader's own finding on unknown or missing images stands for the evaluation's."""
    known = [Finding("unknown-image", "by the reader"), Finding("missing-file", "by the reader")]
    found = perfect(sample, keys={sample.keys[0]: "elsewhere/odd"})
    warnings = evaluate_set(found, sample, load_protocol("sample"), findings=known).record.warnings
    assert [(one.code, one.message) for one in warnings] == [(one.code, one.message) for one in known]


def test_pascal_counts_detections_of_unknown_images_without_a_finding_of_its_own() -> None:
    """By its protocol they are false positives; its reader reports them, so the evaluation does not."""
    protocol = load_protocol("pascal")
    faces = FaceSet(("a",), offsets_of([1]), np.array([[0.0, 0, 40, 40]]), {"all": np.zeros(1, dtype=np.bool_)})
    dataset = Dataset(
        name="pascal",
        split="test",
        root=Path(),
        faces=faces,
        source_hash="",
        image_root=None,
        suffix=".jpg",
        total_images=1,
        all_keys=("a",),
    )
    found = DetectionSet.from_images(
        (key, Detections(faces.boxes, np.array([score]))) for key, score in (("a", 0.9), ("b", 0.8))
    )
    evaluation = evaluate_set(found, dataset, protocol)
    assert (evaluation.record.detections, evaluation.record.warnings) == (2, ())
    result = evaluation.outcome.result
    assert isinstance(result, PascalResult)
    assert (result.true_positives, result.false_positives) == (1, 1)
