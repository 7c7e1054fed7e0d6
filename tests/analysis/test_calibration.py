"""Calibration by hand, and against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.analysis.calibration import calibration
from sshbench.analysis.record import CalibrationRow
from sshbench.analysis.resample import Resampling
from sshbench.analysis.subject import Subject
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.formats import read_predictions
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, offsets_of

GOLDEN = Path(__file__).parents[1] / "golden"
WIDER = Protocol.model_validate(
    {**load_protocol("wider").model_dump(), "subsets": [{"name": "easy", "ground_truth": "x.mat"}]}
)
FACE, OTHER = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]


def golden(name: str, file: str, replicates: int = 100) -> Subject:
    protocol = load_protocol(name)
    dataset = load_dataset(protocol, GOLDEN / name)
    detections, _ = read_predictions(GOLDEN / name / file, dataset, protocol.evaluation.kind)
    outcome = evaluator_of(protocol)(detections, dataset.faces, protocol)
    resampling = Resampling(len(dataset.faces), replicates=replicates)
    return Subject.of(outcome, detections, dataset.faces, protocol, resampling=resampling)


def drawn(images: list[tuple[list[bool], list[float]]], seed: int = 0) -> Subject:
    """A WIDER FACE subject: by image, for each detection whether it is right, and its score."""
    truth = [[[20.0 * k, 0.0, 20.0 * k + 9, 9.0] for k in range(len(right))] for right, _ in images]
    keys = tuple(f"e/{i}" for i in range(len(images)))
    faces = FaceSet(
        keys,
        offsets_of([len(boxes) for boxes in truth]),
        np.array([box for boxes in truth for box in boxes], dtype=float).reshape(-1, 4),
        {"easy": np.zeros(sum(map(len, truth)), dtype=bool)},
    )
    detections = DetectionSet.from_images(
        (
            key,
            Detections(
                np.array([box if hit else [900.0, 900.0, 905.0, 905.0] for box, hit in zip(boxes, right, strict=True)])
                .astype(float)
                .reshape(-1, 4),
                np.array(scores, dtype=float),
            ),
        )
        for key, boxes, (right, scores) in zip(keys, truth, images, strict=True)
    )
    outcome = evaluator_of(WIDER)(detections, faces, WIDER)
    return Subject.of(outcome, detections, faces, WIDER, resampling=Resampling(len(images), replicates=100, seed=seed))


def test_three_rows_by_hand() -> None:
    """Two scores, two bins: of four at 0.8 three are right, of four at 0.2 one is; 0.01 is wrong."""
    images = [([True, False], [0.8, 0.2])] * 3 + [([False, True], [0.8, 0.2]), ([False, True], [0.01, 0.0])]
    rows, findings = calibration(drawn(images), 0.5)
    assert findings == []
    every, from_low, from_point = rows
    assert [row.from_score for row in rows] == [0.0, 0.05, 0.5]
    assert [row.detections for row in rows] == [10, 8, 4]
    assert [row.recall for row in rows] == [0.5, 0.4, 0.3]
    assert from_low.ece == pytest.approx(0.5 * abs(0.8 - 0.75) + 0.5 * abs(0.2 - 0.25))
    assert from_low.bias == pytest.approx(0.5 - 4 / 8)
    assert from_low.brier == pytest.approx((3 * 0.2**2 + 0.8**2 + 3 * 0.2**2 + 0.8**2) / 8)
    assert from_low.mce is None  # no bin has 50 detections
    assert [(b.low, b.high, b.right.value, b.detections, b.images) for b in from_low.bins] == [
        (0.2, 0.2, 0.25, 4, 4),
        (0.8, 0.8, 0.75, 4, 4),
    ]
    assert from_point.ece == pytest.approx(0.05)
    assert from_point.bias == pytest.approx(0.05)
    assert every.detections == sum(b.detections for b in every.bins)


def test_bins_hold_equal_numbers_and_error_is_summed_over_them() -> None:
    rng = np.random.default_rng(1)
    images = [(scores**2 > rng.uniform(size=30), scores) for scores in rng.uniform(size=(100, 30))]
    subject = drawn([(right.tolist(), scores.tolist()) for right, scores in images])
    scores = np.concatenate([scores for _, scores in images])
    right = np.concatenate([right for right, _ in images])
    for row in calibration(subject, 0.37)[0]:
        used = scores >= row.from_score
        s, y = scores[used], right[used]
        edges = np.quantile(s, np.linspace(0, 1, 16))
        expected, worst = 0.0, 0.0
        assert len(row.bins) == 15
        for k, shown in enumerate(row.bins):
            inside = (s >= edges[k]) & ((s < edges[k + 1]) if k < 14 else (s <= edges[15]))
            gap = abs(y[inside].mean() - s[inside].mean())
            expected, worst = expected + inside.sum() / len(s) * gap, max(worst, gap)
            assert shown.detections == inside.sum()
            assert abs(inside.sum() - len(s) / 15) <= 1
            assert (shown.low, shown.high) == (s[inside].min(), s[inside].max())
            assert shown.right.low is not None
            assert shown.right.high is not None
            assert shown.right.low <= y[inside].mean() <= shown.right.high
        assert row.ece == pytest.approx(expected, abs=1e-12)
        assert row.mce == pytest.approx(worst, abs=1e-12)
        assert row.ece_floor is not None
        assert row.ece is not None
        assert row.ece_floor < row.ece / 3  # these scores are far too high
        assert row.bias is not None
        assert row.bias > 0.05


@given(seed=st.integers(0, 1 << 30))
def test_scores_that_are_probabilities_lie_near_the_floor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = [((scores > rng.uniform(size=20)).tolist(), scores.tolist()) for scores in rng.uniform(size=(60, 20))]
    row = calibration(drawn(images, seed), 0.5)[0][0]
    assert row.ece is not None
    assert row.ece_floor is not None
    assert 0.3 * row.ece_floor < row.ece < 2.5 * row.ece_floor


def test_the_floor_is_that_of_plain_drawing_and_depends_on_the_seed_alone() -> None:
    rng = np.random.default_rng(2)
    scores = rng.uniform(size=(40, 10))
    images = [((row > 0.5).tolist(), row.tolist()) for row in scores]
    row = calibration(drawn(images), 0.5)[0][0]
    again = calibration(drawn(images[::-1]), 0.5)[0][0]
    other = calibration(drawn(images, seed=7), 0.5)[0][0]
    assert row.ece_floor == again.ece_floor
    assert row.ece_floor != other.ece_floor
    s = np.sort(scores.ravel())
    edges = np.quantile(s, np.linspace(0, 1, 16))
    number = np.minimum(np.searchsorted(edges, s, side="right") - 1, 14)
    errors = []
    for _ in range(400):
        y = s > rng.uniform(size=len(s))
        errors.append(sum(abs((y[number == k] - s[number == k]).sum()) for k in range(15)) / len(s))
    assert row.ece_floor == pytest.approx(np.mean(errors), rel=0.05)


def test_intervals_of_bins_are_those_of_a_loop_over_resampled_datasets() -> None:
    subject = golden("wider", "predictions/grid.zip")
    row = calibration(subject, 0.5)[0][0]
    fates, scores, image = subject.fates(), subject.outcome.scores, subject.detections.image_rows
    for shown in row.bins:
        inside = (fates.right | fates.false) & (scores >= shown.low) & (scores <= shown.high)
        shares = []
        for weights in np.hstack([weights for _, weights in subject.resampling.batches()]).T:
            w = weights[image].astype(float)
            shares.append((w * (inside & fates.right)).sum() / (w * inside).sum())
        if 0 < (shown.right.value or 0) < 1:
            assert (shown.right.low, shown.right.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]).tolist())


def test_where_all_or_none_are_right_the_limit_is_open() -> None:
    rows, _ = calibration(drawn([([True, False], [0.9, 0.1])] * 7), 0.5)
    none, every = rows[0].bins
    assert (every.right.value, every.right.high) == (1.0, 1.0)
    assert every.right.low == pytest.approx(1 - (1 - 0.025 ** (1 / 7)))
    assert (none.right.value, none.right.low) == (0.0, 0.0)
    assert none.right.high == pytest.approx(1 - 0.025 ** (1 / 7))


def test_margins_have_no_calibration_error() -> None:
    subject = golden("pascal", "detections/shifted.txt.gz")
    rows, findings = calibration(subject, 0.5)
    assert [finding.code for finding in findings] == ["no-probabilities"]
    for row in rows:
        assert (row.ece, row.ece_floor, row.mce, row.bias, row.brier) == (None,) * 5
        assert row.recall is not None
        assert sum(b.detections for b in row.bins) == row.detections
    fates = subject.fates()
    assert rows[0].detections == int((fates.right | fates.false).sum())


@pytest.mark.parametrize("file", ["detections/crowded_unsorted.txt.gz", "detections/ordinary.txt.gz"])
def test_fddb_matches_at_the_lowest_score_and_recalls_at_each(file: str) -> None:
    subject = golden("fddb", file)
    fates, scores = subject.fates(), subject.outcome.scores
    for row in calibration(subject, 0.5)[0]:
        used = scores >= row.from_score
        assert row.detections == used.sum()
        right = sum((b.right.value or 0) * b.detections for b in row.bins)
        assert right == pytest.approx((fates.right & used).sum())
        assert row.recall == subject.fates(row.from_score).right.sum() / subject.faces.total


def test_neutral_detections_and_those_without_a_score_are_left_out() -> None:
    faces = FaceSet(("e/a",), np.array([0, 2]), np.array([FACE, OTHER]), {"easy": np.array([False, True])})
    found = DetectionSet.from_images(
        [("e/a", Detections(np.array([FACE, OTHER, FACE, FACE]), np.array([0.9, 0.8, 0.3, np.nan])))]
    )
    outcome = evaluator_of(WIDER)(found, faces, WIDER)
    rows, _ = calibration(Subject.of(outcome, found, faces, WIDER), 0.85)
    assert [row.detections for row in rows] == [2, 2, 1]


def check_empty(row: CalibrationRow) -> None:
    assert (row.detections, row.ece, row.ece_floor, row.mce, row.bias, row.brier) == (0, None, None, None, None, None)
    assert row.bins == ()


def test_no_detections_one_detection_and_no_faces() -> None:
    rows, findings = calibration(drawn([([], [])]), float("inf"))
    assert findings == []
    assert [row.from_score for row in rows] == [0.0, 0.05, 1.0]
    for row in rows:
        check_empty(row)
        assert row.recall is None
    rows, _ = calibration(drawn([([True], [0.75]), ([False], [0.5])]), 0.75)
    assert (rows[2].detections, rows[2].ece, rows[2].recall) == (1, 0.25, 0.5)
    rows, _ = calibration(drawn([([True], [0.75]), ([False], [0.5])]), 0.8)
    check_empty(rows[2])
    assert rows[2].recall == 0.0


def test_a_real_detector(shared: Path) -> None:
    """Figures of the specification, whose prototype had bins of equal width: equal numbers move ECE by up to 0.0005."""
    dataset = load_dataset(load_protocol("wider"), shared / "data" / "wider")
    protocol = load_protocol("wider")
    file = shared / "data" / "wider" / "predictions" / "retinaface-jit.zip"
    detections, _ = read_predictions(file, dataset, "wider")
    outcome = evaluator_of(protocol)(detections, dataset.faces, protocol)
    subject = Subject.of(
        outcome, detections, dataset.faces, protocol, resampling=Resampling(len(dataset.faces), replicates=100)
    )
    errors = [row.ece for limit in (0.3, 0.5) for row in calibration(subject, limit)[0]]
    assert errors == pytest.approx([0.0209, 0.0281, 0.0376, 0.0209, 0.0281, 0.0335], abs=1e-4)
