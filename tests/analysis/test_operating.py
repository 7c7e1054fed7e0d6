"""Operating points against plain loops over scores, images and resampled datasets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.analysis import operating
from sshbench.analysis.operating import default_rules, operating_points
from sshbench.analysis.point_rules import PointRule, threshold_text
from sshbench.analysis.record import OperatingPoint
from sshbench.analysis.resample import Resampling
from sshbench.analysis.subject import Subject
from sshbench.boxes import aligned_iou
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.fddb import _overlaps
from sshbench.evaluators.fitted_ellipses import fit_ellipses
from sshbench.evaluators.pascal import PascalResult
from sshbench.evaluators.regions import face_regions
from sshbench.formats import read_predictions
from sshbench.protocols import FddbEvaluation, Protocol, load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, FloatArray, offsets_of

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {
    "wider-ordinary": ("wider", "wider", "predictions/ordinary.zip"),
    "wider-grid": ("wider", "wider", "predictions/grid.zip"),
    "wider-hostile": ("wider", "wider", "predictions/hostile.zip"),
    "wider-logits": ("wider", "wider", "predictions/logits.zip"),
    "pascal": ("pascal", "pascal", "detections/shifted.txt.gz"),
    "afw-tied": ("afw", "afw", "detections/tied.txt.gz"),
    "fddb-crowded": ("fddb", "fddb", "detections/crowded_unsorted.txt.gz"),
    "fddb-ellipses": ("fddb", "fddb", "detections_ellipse/ellipses.txt.gz"),
    "coco": ("coco", "wider", "predictions/grid.zip"),
}
WIDER = Protocol.model_validate(
    {**load_protocol("wider").model_dump(), "subsets": [{"name": "easy", "ground_truth": "x.mat"}]}
)
RULES = [
    PointRule.parse(text)
    for text in (
        *("best-f1", "lrp", "precision=0.5", "precision=0.9", "precision=1", "recall=0.1", "recall=0.3", "recall=0.6"),
        *("fppi=0", "fppi=0.05", "fppi=0.5", "fppi=3", "score=0.5", "score=-1", "score=1e9"),
    )
]


def golden(case: str, replicates: int = 100, images: int | None = None) -> Subject:
    name, folder, file = CASES[case]
    loaded = load_protocol("wider" if name == "coco" else name)
    dataset = load_dataset(loaded, GOLDEN / folder)
    detections, _ = read_predictions(GOLDEN / folder / file, dataset, loaded.evaluation.kind)
    protocol = load_protocol(name)
    faces = dataset.faces
    if name == "coco":
        faces = FaceSet(faces.keys, faces.offsets, faces.boxes, {"all": faces.ignore["hard"]})
    faces = faces[:images]
    outcome = evaluator_of(protocol)(detections[:images], faces, protocol)
    return Subject.of(
        outcome, detections[:images], faces, protocol, resampling=Resampling(len(faces), replicates=replicates)
    )


def drawn(images: dict[str, tuple[list[list[float]], list[list[float]], list[float]]], seed: int = 0) -> Subject:
    """A WIDER FACE subject from faces, detections and scores by image key."""
    faces = FaceSet(
        tuple(images),
        offsets_of([len(truth) for truth, _, _ in images.values()]),
        np.array([box for truth, _, _ in images.values() for box in truth], dtype=float).reshape(-1, 4),
        {"easy": np.zeros(sum(len(truth) for truth, _, _ in images.values()), dtype=bool)},
    )
    detections = DetectionSet.from_images(
        (key, Detections(np.array(found, dtype=float).reshape(-1, 4), np.array(scores, dtype=float)))
        for key, (_, found, scores) in images.items()
    )
    outcome = evaluator_of(WIDER)(detections, faces, WIDER)
    return Subject.of(outcome, detections, faces, WIDER, resampling=Resampling(len(images), replicates=100, seed=seed))


@dataclass
class Plain:
    """What is kept and right down to each score, by image: lists of arrays (images,), by falling score."""

    scores: list[float]
    kept: list[FloatArray]
    right: list[FloatArray]
    overlap: list[FloatArray]
    faces: FloatArray
    images: int


def plain(subject: Subject) -> Plain:
    """Ask the evaluator at every score what became of every detection."""
    everything = subject.fates()
    kept = (everything.right | everything.false) & np.isfinite(subject.outcome.scores)
    scores = sorted(set(subject.outcome.scores[kept].tolist()), reverse=True)
    images, counted = len(subject.detections), subject.faces.image_rows[subject.counted]
    found = Plain(scores, [], [], [], np.bincount(counted, minlength=images).astype(float), len(subject.faces))
    iou = plain_overlaps(subject)
    for score in scores:
        fates = subject.fates(score)
        rows = subject.detections.image_rows
        found.kept.append(np.bincount(rows[fates.right | fates.false], minlength=images).astype(float))
        found.right.append(np.bincount(rows[fates.right], minlength=images).astype(float))
        overlap = np.zeros(images)
        for row in np.flatnonzero(fates.right):
            overlap[rows[row]] += iou(int(row), int(fates.faces[row]))
        found.overlap.append(overlap)
    return found


def plain_overlaps(subject: Subject) -> Callable[[int, int], float]:
    boxes = subject.detections.boxes
    if isinstance(subject.outcome.result, PascalResult):
        boxes = subject.outcome.result.aligned
    if subject.protocol.name != "fddb":
        inclusive = subject.protocol.name != "coco"
        return lambda row, face: aligned_iou(
            subject.faces.boxes[face : face + 1], boxes[row : row + 1], inclusive=inclusive
        ).item()
    detections = subject.detections
    if subject.protocol.rules(FddbEvaluation).fit_ellipse:
        detections = fit_ellipses(detections)
    drawn_faces = face_regions(subject.faces)
    tables = [_overlaps(detections, subject.faces, drawn_faces, i) for i in range(len(subject.faces))]

    def iou(row: int, face: int) -> float:
        image = int(detections.image_rows[row])
        return float(tables[image][row - detections.offsets[image], face - subject.faces.offsets[image]])

    return iou


@dataclass
class Chosen:
    place: int
    kept: float
    right: float
    error: float


def worth_of(
    rule: PointRule, score: float, kept: float, right: float, faces: float, images: float, accuracy: float
) -> float:
    if rule.target is None:
        return accuracy if rule.name == "lrp" else 2 * right / max(kept + faces, 1)
    met, worth = {
        "precision": (kept > 0 and right / kept >= rule.target, right),
        "recall": (faces > 0 and right / faces >= rule.target, 0.0),
        "fppi": ((kept - right) / images <= rule.target, right),
        "score": (score >= rule.target, -score),
    }[rule.name]
    return worth if met else -math.inf


def choose(found: Plain, rule: PointRule, weights: FloatArray) -> Chosen | None:
    """Go through all scores, from the highest, and keep the best that meets the target."""
    faces, images = float(found.faces @ weights), float(weights[: found.images].sum())
    best: Chosen | None = None
    best_worth = -math.inf
    for place, score in enumerate(found.scores):
        kept, right = float(found.kept[place] @ weights), float(found.right[place] @ weights)
        overlap = float(found.overlap[place] @ weights)
        if kept == 0 and rule.name != "score":
            continue
        false, missed = kept - right, faces - right
        error = (false + missed + (right - overlap) / 0.5) / (right + false + missed) if kept + missed else math.nan
        worth = worth_of(rule, score, kept, right, faces, images, -error)
        margin = 1e-12 if rule.name == "lrp" else 0.0  # sums of overlaps are added in another order here
        if worth > best_worth + margin:
            best, best_worth = Chosen(place, kept, right, error), worth
    return best


@pytest.mark.parametrize("case", CASES)
def test_points_are_those_of_a_search_over_all_scores(case: str) -> None:
    subject = golden(case, images=40 if case[:4] in ("wide", "coco", "fddb") else None)
    found = plain(subject)
    points, _ = operating_points(subject, RULES)
    faces, images = float(found.faces.sum()), len(subject.faces)
    unreached = 0
    for rule, point in zip(RULES, points, strict=True):
        expected = choose(found, rule, np.ones(len(subject.detections)))
        assert (point.rule, point.target) == (rule.name, rule.target)
        if expected is None:
            assert (point.score, point.found, point.precision) == (None, None, None)
            assert point.reached is not None
            unreached += 1
            continue
        assert point.score == found.scores[expected.place], rule
        assert point.reached is None
        assert (point.found, point.false) == (expected.right, expected.kept - expected.right)
        assert point.precision is not None
        assert point.recall is not None
        assert point.fppi is not None
        assert point.precision.value == expected.right / expected.kept
        assert point.recall.value == expected.right / faces
        assert point.fppi.value == (expected.kept - expected.right) / images
        assert point.f1 == 2 * expected.right / (expected.kept + faces)
        assert point.lrp is not None
        assert point.lrp.total == pytest.approx(expected.error, abs=1e-12)
        fates = subject.fates(point.score)
        assert (point.found, point.false) == (fates.right.sum(), fates.false.sum())
        assert point.threshold is not None
        below = found.scores[expected.place + 1] if expected.place + 1 < len(found.scores) else -math.inf
        assert below < float(point.threshold) <= point.score
        held_out_by_hand(subject, found, rule, point)
    assert unreached


def held_out_by_hand(subject: Subject, found: Plain, rule: PointRule, point: OperatingPoint) -> None:
    folds = [int(hashlib.sha256(key.encode()).hexdigest(), 16) % 5 for key in subject.detections.keys]
    kept = right = 0.0
    for fold in set(folds):
        inside = np.array([one == fold for one in folds])
        chosen = choose(found, rule, (~inside).astype(float))
        if chosen is None or rule.name == "score":
            assert point.held_out is None
            return
        kept += float(found.kept[chosen.place] @ inside)
        right += float(found.right[chosen.place] @ inside)
    assert point.held_out is not None
    assert point.held_out.precision == (right / kept if kept else None)
    assert point.held_out.recall == right / found.faces.sum()
    assert point.held_out.fppi == (kept - right) / len(subject.faces)


@pytest.mark.parametrize("case", ["wider-grid", "afw-tied", "fddb-crowded"])
def test_intervals_are_those_of_a_loop_over_resampled_datasets(case: str) -> None:
    subject = golden(case, images=40 if case == "wider-grid" else None)
    found, points = plain(subject), operating_points(subject, RULES)[0]
    drawn_weights = np.hstack([weights for _, weights in subject.resampling.batches()]).astype(float)
    others = np.ones(len(subject.detections) - len(subject.faces))
    for rule, point in zip(RULES, points, strict=True):
        if point.score is None:
            continue
        place = found.scores.index(point.score)
        rows = []
        for weights in drawn_weights.T:
            every = np.append(weights, others)
            kept, right = found.kept[place] @ every, found.right[place] @ every
            chosen = choose(found, rule, every)
            score = found.scores[chosen.place] if chosen else -math.inf if rule.name == "recall" else math.inf
            precision = right / kept if kept else math.nan
            rows.append((precision, right / (found.faces @ every), (kept - right) / len(subject.faces), score))
        columns = np.array(rows).T
        for spread, values in zip((point.precision, point.recall, point.fppi), columns, strict=False):
            assert spread is not None
            if np.isnan(values).mean() > 0.2:
                assert spread.low is None
                continue
            assert (spread.low, spread.high) == pytest.approx(
                np.nanquantile(values, [0.025, 0.975]).tolist(), abs=1e-12
            )
        if rule.name == "score":
            assert (point.score_low, point.score_high) == (None, None)
            continue
        with np.errstate(invalid="ignore"):
            ends = np.quantile(columns[3], [0.025, 0.975]).tolist()
        if rule.name == "lrp":  # near ties may go either way
            continue
        expected = [end if math.isfinite(end) else None for end in ends]
        assert (point.score_low, point.score_high) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 1 << 30), images=st.integers(1, 6), distinct=st.integers(1, 12))
def test_small_sets_equal_the_search(seed: int, images: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    made = {}
    for i in range(images):
        truth = [[10.0 * k, 0.0, 10.0 * k + 8, 9.0] for k in range(rng.integers(0, 4))]
        boxes = [[10.0 * k + rng.integers(0, 5), 0.0, 10.0 * k + 8, 9.0] for k in rng.integers(0, 4, rng.integers(6))]
        made[f"e/{i}"] = (truth, boxes, (rng.integers(0, distinct, len(boxes)) / distinct).tolist())
    subject = drawn(made)
    found, (points, _) = plain(subject), operating_points(subject, RULES)
    for rule, point in zip(RULES, points, strict=True):
        expected = choose(found, rule, np.ones(images))
        if rule.name == "lrp":  # near ties may go either way
            continue
        assert point.score == (None if expected is None else found.scores[expected.place])
    if np.any([right.sum() for right in found.right]):
        assert points[0].score == subject.outcome.best_f1_score()


@pytest.mark.parametrize("case", CASES)
def test_best_f1_is_the_evaluators(case: str) -> None:
    subject = golden(case)
    (point,), _ = operating_points(subject, [PointRule("best-f1")])
    assert point.score == subject.outcome.best_f1_score(subject.curve)


def test_false_detections_are_per_image_of_all_images() -> None:
    """Images without faces, without detections and without both count."""
    face, other = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]
    images = {
        "a": ([face], [face, other], [0.9, 0.8]),
        "b": ([face], [other], [0.7]),
        "c": ([], [], []),
        "d": ([face], [], []),
    }
    (point,), _ = operating_points(drawn(images), [PointRule("fppi", 0.5)])
    assert point.fppi is not None
    assert (point.score, point.fppi.value) == (0.9, 0.0)  # the largest recall, then the highest score
    (point,), _ = operating_points(drawn(images), [PointRule("score", 0.0)])
    assert point.fppi is not None
    assert (point.score, point.found, point.false, point.fppi.value) == (0.7, 1, 2, 0.5)


def perfect(images: int) -> Subject:
    box = [[0.0, 0.0, 9.0, 9.0], [20.0, 0.0, 29.0, 9.0]]
    return drawn({f"e/{i}": (box, box, [0.9, 0.5]) for i in range(images)})


def test_a_perfect_detector() -> None:
    points, findings = operating_points(perfect(12))
    assert findings == []
    for point in points:
        recall, found = (0.5, 12) if point.rule == "score" else (1.0, 24)
        assert (point.score, point.found, point.false) == (0.5, found, 0)
        assert (point.score_low, point.score_high) == (0.5, 0.5)
        assert point.precision is not None
        assert (point.precision.value, point.precision.low, point.precision.high) == (1.0, 1.0, 1.0)
        assert point.recall is not None
        assert point.recall.value == recall
        assert point.lrp is not None
        assert (point.lrp.total, point.lrp.localisation, point.lrp.false, point.lrp.missed) == (0.0, 0.0, 0.0, 0.0)
        assert point.held_out is not None
        assert (point.held_out.precision, point.held_out.recall, point.held_out.fppi) == (1.0, 1.0, 0.0)
        assert point.crossings == (0 if point.rule == "precision" else None)


def test_no_detections_one_image_and_no_faces() -> None:
    points, findings = operating_points(drawn({"e/a": ([[0.0, 0.0, 9.0, 9.0]], [], [])}))
    assert all((point.score, point.reached, point.found) == (None, None, None) for point in points)
    assert [finding.code for finding in findings] == ["target-unreached"]
    points, _ = operating_points(perfect(1))
    assert all(point.score == 0.5 and point.held_out is None for point in points)
    assert all(point.recall is not None and point.recall.low is None for point in points)
    points, _ = operating_points(drawn({"e/a": ([], [[0.0, 0.0, 9.0, 9.0]], [0.5])}), RULES)
    assert {point.found for point in points} <= {None, 0}


def test_a_target_out_of_reach_says_what_is_reached() -> None:
    face, other = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]
    images = {f"e/{i}": ([face, [20.0, 0.0, 29.0, 9.0]], [other, face], [0.9, 0.8]) for i in range(12)}
    rules = [PointRule("precision", 0.9), PointRule("recall", 0.8), PointRule("fppi", 0.5), PointRule("score", 0.95)]
    points, findings = operating_points(drawn(images), rules)
    assert [(point.score, point.threshold) for point in points] == [(None, None)] * 4
    assert [point.reached for point in points] == [0.5, 0.5, 1.0, 0.9]
    assert [(one.code, one.files) for one in findings] == [("target-unreached", tuple(str(rule) for rule in rules))]


def test_the_end_of_a_score_is_open_where_resampled_datasets_do_not_reach_the_target() -> None:
    """Half the images hold a false detection of the highest score: with too many of them no score has the precision."""
    face, other = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]
    images = {f"e/{i}": ([face], [face, other] if i % 2 else [face], [0.5, 0.9] if i % 2 else [0.5]) for i in range(20)}
    (point,), _ = operating_points(drawn(images), [PointRule("precision", 0.65)])
    assert (point.score, point.score_low, point.score_high) == (0.5, 0.5, None)


def test_precision_that_crosses_its_target_again_is_told() -> None:
    face, other = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]
    images = {
        f"e/{i}": ([face], [face, other] if i == 0 else [face], [0.8, 0.9] if i == 0 else [0.7]) for i in range(12)
    }
    (point,), findings = operating_points(drawn(images), [PointRule("precision", 0.9)])
    assert (point.score, point.crossings) == (0.7, 1)
    assert findings == []
    images["e/1"] = ([face], [face, other], [0.95, 0.1])
    (point,), findings = operating_points(drawn(images), [PointRule("precision", 0.85)])
    assert point.crossings == 2
    assert [one.code for one in findings] == ["crosses-again"]


def test_a_target_that_held_out_images_miss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of one fold mean something else: what four folds choose does not hold on the fifth."""
    monkeypatch.setattr(operating, "folds_of", lambda keys: np.arange(len(keys)) % 5)
    face, other = [0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]
    images = {}
    for i in range(50):
        false = [0.5 + 0.001 * (i % 5)] * 3 if i % 5 == 0 else [0.4 - 0.05 * (i % 5)]
        images[f"e/{i}"] = ([face], [face, *[other] * len(false)], [0.6 - 0.05 * (i % 5), *false])
    (point,), findings = operating_points(drawn(images), [PointRule("precision", 0.97)])
    assert point.held_out is not None
    assert point.held_out.precision is not None
    assert point.held_out.precision < 0.97
    assert [one.code for one in findings if one.code == "held-out-misses"] == ["held-out-misses"]


def test_a_grid_moves_nothing_but_the_interval_of_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = golden("wider-ordinary")
    exact, _ = operating_points(subject)
    monkeypatch.setattr(operating, "_GRID", 200)
    rough, _ = operating_points(subject)
    scores = np.unique(subject.outcome.scores)
    for one, other in zip(exact, rough, strict=True):
        ends = {"score_low", "score_high"}
        assert one.model_dump(exclude=ends) == other.model_dump(exclude=ends)
        for a, b in ((one.score_low, other.score_low), (one.score_high, other.score_high)):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert abs(int(np.searchsorted(scores, a)) - int(np.searchsorted(scores, b))) < 20


def test_detections_of_other_images_count_in_every_resampled_dataset() -> None:
    subject = golden("pascal")
    assert len(subject.detections) > len(subject.faces)
    (point,), _ = operating_points(subject, [PointRule("score", -10.0)])
    assert point.fppi is not None
    assert point.fppi.value == subject.fates().false.sum() / len(subject.faces)


def test_boxes_of_earlier_iterations_are_not_known() -> None:
    subject = golden("pascal")
    earlier = Subject(
        subject.outcome, subject.detections, subject.faces, subject.protocol, "iteration1", subject.resampling
    )
    points, _ = operating_points(earlier)
    assert "lrp" not in {point.rule for point in points}
    assert all(point.lrp is None for point in points)


def test_default_rows() -> None:
    names = [str(rule) for rule in default_rules(golden("wider-grid"))]
    assert names[:4] == ["best-f1", "precision=0.9", "precision=0.95", "precision=0.99"]
    assert names[4:] == ["recall=0.8", "recall=0.9", "recall=0.95", "fppi=0.01", "fppi=0.1", "fppi=1", "lrp"]
    fddb = golden("fddb-crowded")
    counts = fddb.protocol.rules(FddbEvaluation).false_positives
    assert [rule.target for rule in default_rules(fddb) if rule.name == "fppi"] == [n / 120 for n in counts]


def test_a_wider_score_is_also_given_normalised() -> None:
    (point,), _ = operating_points(golden("wider-logits"), [PointRule("best-f1")])
    assert point.score is not None
    assert point.score < 0
    assert point.normalised is not None
    assert 0 <= point.normalised <= 1
    (point,), _ = operating_points(golden("fddb-ellipses"), [PointRule("best-f1")])
    assert point.normalised is None


def test_rules_are_read_as_the_command_line_has_them() -> None:
    for rule in RULES:
        assert PointRule.parse(str(rule)) == rule
    for text in ("", "f1", "best-f1=1", "precision", "precision=0", "recall=1.1", "fppi=-1", "score=x", "score=nan"):
        with pytest.raises(UsageError, match=r"is not an operating point\. Use best-f1"):
            PointRule.parse(text)


@given(
    st.lists(
        st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-30, 30).map(lambda k: k / 10), min_size=2, max_size=2
    )
)
def test_a_threshold_has_the_fewest_digits_that_separate(scores: list[float]) -> None:
    lower, score = sorted(scores)
    if lower == score:
        return
    text = threshold_text(score, lower)
    assert lower < float(text) <= score
    if score > 0 and "E" not in text:
        digits = len(text.replace(".", "").strip("0"))
        for shorter in range(1, digits):
            rounded = float(f"{score:.{shorter - 1}e}")
            assert not lower < rounded <= score


def test_thresholds_by_hand() -> None:
    assert threshold_text(0.3, 0.25) == "0.3"
    assert threshold_text(0.35362622, 0.35362599) == "0.353626"
    assert threshold_text(-0.35, -0.6) == "-0.4"
    assert threshold_text(0.5, None) == "0.5"
    assert float(threshold_text(1e-12, 1e-13)) == 1e-12
