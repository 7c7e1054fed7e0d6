"""Types of errors and their costs: by hand, by plain loops, by the properties of an oracle, and against tidecv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.analysis.error_types import (
    BACKGROUND,
    DUPLICATE,
    FALSE_TYPES,
    LOCALISATION,
    NEUTRAL,
    ON_IGNORED,
    REASON_NAMES,
    RIGHT,
    TYPE_NAMES,
    UNUSED,
    ErrorTypes,
    classify,
    missed_reasons,
)
from sshbench.analysis.errors import error_findings, errors_record, false_detection_costs, oracles
from sshbench.analysis.nearest import hit_overlap, nearest
from sshbench.analysis.record import ErrorsRecord
from sshbench.analysis.resample import Resampling
from sshbench.analysis.subject import Subject
from sshbench.boxes import aligned_iou, pairwise_iou
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.ledger import AveragePrecision, Ledger, Measure, Sums, Totals
from sshbench.formats import read_predictions
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, FaceSet, FloatArray, offsets_of

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    ("fddb", "fddb", "detections/ordinary.txt.gz"),
    ("fddb", "fddb", "detections_ellipse/ellipses.txt.gz"),
    ("pascal", "pascal", "detections/shifted.txt.gz"),
    ("afw", "afw", "detections/tied.txt.gz"),
    ("wider", "wider", "predictions/ordinary.zip"),
    ("wider", "wider", "predictions/hostile.zip"),
    ("wider", "wider_no_boxes", "predictions/percent.zip"),
]
SUBSETS = ("easy", "medium", "hard")
Box = Sequence[float]


def subject_of(
    protocol: Protocol, detections: DetectionSet, faces: FaceSet, subset: str | None = None, replicates: int = 100
) -> Subject:
    outcome = evaluator_of(protocol)(detections, faces, protocol)
    resampling = Resampling(len(faces), replicates)
    return Subject.of(outcome, detections, faces, protocol, subset=subset, resampling=resampling)


def golden(name: str, folder: str, file: str, subset: str | None = None) -> Subject:
    protocol = load_protocol(name)
    dataset = load_dataset(protocol, GOLDEN / folder)
    detections, _ = read_predictions(GOLDEN / folder / file, dataset, protocol.evaluation.kind)
    return subject_of(protocol, detections, dataset.faces, subset)


def table(boxes: Sequence[Box]) -> FloatArray:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def one_image(
    name: str,
    found: Sequence[tuple[Box, float]],
    faces: Sequence[Box],
    ignored: Sequence[int] = (),
    **changes: object,
) -> Subject:
    protocol = load_protocol(name).with_evaluation(**changes) if changes else load_protocol(name)
    flags = np.isin(np.arange(len(faces)), ignored)
    names = SUBSETS if name == "wider" else ("all",)
    truth = FaceSet(("a",), offsets_of([len(faces)]), table(faces), dict.fromkeys(names, flags))
    scores = np.array([score for _, score in found], dtype=np.float64)
    return subject_of(
        protocol, DetectionSet(("a",), offsets_of([len(found)]), table([b for b, _ in found]), scores), truth
    )


def names_of(types: ErrorTypes) -> list[str]:
    return [TYPE_NAMES[code] for code in types.types.tolist()]


def cost_of(record: ErrorsRecord, name: str) -> float | None:
    return next(one.cost.value for one in record.types if one.name == name)


def after_all(subject: Subject, types: ErrorTypes) -> float:
    """The metric with every type repaired at once, and the missed faces left out."""
    rows = np.flatnonzero(types.false)
    fixed = types.fixes[rows].astype(np.float64)
    image = np.minimum(subject.detections.image_rows[rows], len(subject.faces))
    ledger = subject.ledger.changed(image, subject.ledger.detection_step[rows], fixed - 1.0, fixed)
    ledger = ledger.counting(ledger.faces - subject.faces.per_image(types.missed))
    return subject.outcome.measures[subject.metric].rule.exact([ledger.totals])


def assert_sound(subject: Subject) -> None:
    """What holds for every protocol: types and fates agree, reasons add up, and the oracles repair everything."""
    fates, types = subject.fates(), classify(subject)
    counted = fates.found | fates.missed
    assert (types.false == fates.false).all()
    assert (types.false == np.isin(types.types, FALSE_TYPES)).all()
    assert ((types.types == RIGHT) == fates.right).all()
    assert ((types.types == NEUTRAL) == (fates.roles == 2)).all()
    matched = fates.faces >= 0
    assert (types.near[matched] == fates.faces[matched]).all()
    assert ((types.near >= 0) == (types.iou > 0))[types.types > UNUSED].all()
    assert (types.missed <= fates.missed).all()
    assert counted[types.near[np.isin(types.types, (DUPLICATE, LOCALISATION))]].all()
    assert not counted[types.near[types.types == ON_IGNORED]].any()
    fixed = types.near[types.fixes]
    assert len(np.unique(fixed)) == len(fixed)
    assert (fates.missed[fixed] & ~types.missed[fixed]).all()
    if (counted & ~types.missed).any():
        assert after_all(subject, types) == pytest.approx(1.0, abs=1e-12)
    scores = subject.outcome.scores
    for threshold in (
        np.quantile(scores[np.isfinite(scores)], [0.2, 0.8], method="nearest").tolist() if len(scores) else ()
    ):
        kept = classify(subject, threshold)
        missed = subject.fates(threshold).missed
        reasons = missed_reasons(subject, types, kept)
        assert ((reasons > 0) == missed).all()
        assert np.count_nonzero(kept.missed) <= np.count_nonzero(missed)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case[1:]))
def test_types_partition_the_detections_and_oracles_repair_everything(case: tuple[str, str, str]) -> None:
    for subset in SUBSETS if case[0] == "wider" else (None,):
        assert_sound(golden(*case, subset))


coordinates = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
scored = st.tuples(coordinates, st.sampled_from([0.1, 0.2, 0.4, 0.6, 0.8, 0.9]))
images = st.lists(
    st.tuples(st.lists(scored, max_size=8), st.lists(st.tuples(coordinates, st.booleans()), max_size=5)),
    min_size=1,
    max_size=3,
)
Images = list[tuple[list[tuple[list[float], float]], list[tuple[list[float], bool]]]]


def sets_of(case: Images, names: Sequence[str]) -> tuple[DetectionSet, FaceSet]:
    keys = tuple(str(i) for i in range(len(case)))
    boxes = table([box for found, _ in case for box, _ in found])
    scores = np.array([score for found, _ in case for _, score in found], dtype=np.float64)
    flags = np.array([flag for _, faces in case for _, flag in faces], dtype=np.bool_)
    faces = table([box for _, faces in case for box, _ in faces])
    return (
        DetectionSet(keys, offsets_of([len(found) for found, _ in case]), boxes, scores),
        FaceSet(keys, offsets_of([len(faces) for _, faces in case]), faces, dict.fromkeys(names, flags)),
    )


@given(images)
def test_wider_types_are_those_of_plain_loops(case: Images) -> None:
    case = [*case, ([([0.0, 0.0, 9.0, 9.0], 1.0), ([0.0, 0.0, 9.0, 9.0], 0.0)], [])]  # a range of scores, for all
    subject = subject_of(load_protocol("wider"), *sets_of(case, SUBSETS))
    assert_sound(subject)
    expected, first_face, missed = [], 0, []
    for found, faces in case:
        names, lost = plain_types(found, faces)
        expected += names
        missed += lost
        first_face += len(faces)
    types = classify(subject)
    assert names_of(types) == expected
    assert types.missed.tolist() == missed


def plain_types(
    found: list[tuple[list[float], float]], faces: list[tuple[list[float], bool]]
) -> tuple[list[str], list[bool]]:
    """Types of the detections of one image and, by face, whether it is missed; the table of the specification."""
    if not faces:
        return ["unused"] * len(found), []
    names = [""] * len(found)
    hit: set[int] = set()
    near_faces: set[int] = set()
    iou = pairwise_iou([box for box, _ in found], [box for box, _ in faces], inclusive=True)
    for d in sorted(range(len(found)), key=lambda d: -found[d][1]):
        face = int(iou[d].argmax())
        ignored = faces[face][1]
        if iou[d, face] >= 0.5:
            names[d] = "neutral" if ignored else "duplicate" if face in hit else "right"
            hit |= set() if ignored else {face}
        elif iou[d, face] >= 0.1:
            names[d] = "on-ignored" if ignored else "localisation"
            near_faces |= set() if ignored else {face}
        else:
            names[d] = "background"
    return names, [not ignored and f not in hit | near_faces for f, (_, ignored) in enumerate(faces)]


@given(images)
def test_near_faces_are_the_matched_ones_in_double_arithmetic(case: Images) -> None:
    detections, faces = sets_of(case, SUBSETS)
    subject = subject_of(load_protocol("wider"), detections, faces)
    near, match = nearest(subject), subject.fates().faces
    assert ((near.iou >= 0.5) == (match >= 0)).all()
    rows = np.flatnonzero(near.face >= 0)
    assert (near.iou[rows] == aligned_iou(faces.boxes[near.face[rows]], detections.boxes[rows], inclusive=True)).all()
    assert (near.iou[rows] >= 0.1).all()


@given(images)
def test_int32_arithmetic_keeps_its_matches_and_has_near_faces(case: Images) -> None:
    case = [*case, ([([0.0, 0.0, 9.0, 9.0], 1.0), ([0.0, 0.0, 9.0, 9.0], 0.0)], [])]
    assert_sound(subject_of(load_protocol("wider").with_evaluation(iou_arithmetic="int32"), *sets_of(case, SUBSETS)))


@given(images)
def test_coco_and_pascal_types_are_sound(case: Images) -> None:
    large = [
        ([([4 * x for x in box], s) for box, s in found], [([4 * x for x in box], flag) for box, flag in faces])
        for found, faces in case
    ]
    for name in ("coco", "pascal"):
        assert_sound(subject_of(load_protocol(name), *sets_of(large, ["all"])))


FACE = [0.0, 0.0, 100.0, 100.0]


@pytest.mark.parametrize("name", ["coco", "wider"])
def test_a_badly_placed_detection_of_the_only_face_costs_everything(name: str) -> None:
    one = 1.0 if name == "wider" else 0.0
    badly = [0.0, 0.0, 100.0 - one, 45.0 - one]
    far = [500.0, 500.0, 520.0, 520.0]  # WIDER normalises scores: it needs two of them
    subject = one_image(name, [(badly, 0.9), (far, 0.1)], [[0.0, 0.0, 100.0 - one, 100.0 - one]])
    assert classify(subject).iou[0] == 0.45
    record = errors_record(subject, 0.5)
    assert record.limits == (0.1, 0.5)
    assert cost_of(record, "localisation") == pytest.approx(1.0, abs=1e-15)  # COCO adds an epsilon
    assert record.all_false.value == 0.0
    assert record.all_false.low is None  # one image: no interval
    assert record.all_missed.value is None  # no face would be left
    assert cost_of(record, "missed") == 0.0
    assert record.reasons.localisation == 1


def test_wider_reasons_of_missed_faces_by_hand() -> None:
    faces = [[x, 0.0, x + 99, 99.0] for x in (0.0, 20.0, 300.0, 500.0, 700.0, 900.0)]
    found = [
        (faces[1], 0.9),  # overlaps the first face by two thirds
        ([300.0, 0.0, 399.0, 39.0], 0.8),
        ([500.0, 0.0, 599.0, 39.0], 0.3),
        (faces[4], 0.2),
        ([700.0, 0.0, 799.0, 39.0], 0.1),
    ]
    subject = one_image("wider", found, faces)
    whole, kept = classify(subject), classify(subject, 0.5)
    reasons = missed_reasons(subject, whole, kept)
    assert [REASON_NAMES[code] for code in reasons] == ["taken", "", "localisation", "low", "score", "nothing"]
    assert names_of(whole) == ["right", "localisation", "localisation", "right", "localisation"]
    assert whole.fixes.tolist() == [False, True, True, False, False]
    assert whole.missed.tolist() == [True, False, False, False, False, True]
    assert names_of(kept)[2:] == ["unused"] * 3
    record = errors_record(subject, 0.5)
    assert list(record.reasons.model_dump().values()) == [1, 1, 1, 1, 1]
    assert [(one.detections, one.at_point) for one in record.types] == [(0, 0), (3, 1), (0, 0), (0, 0), (2, 4)]


def test_pascal_by_hand() -> None:
    faces = [[0.0, 0.0, 99.0, 99.0], [200.0, 0.0, 299.0, 99.0], [400.0, 0.0, 499.0, 99.0], [0.0, 200.0, 99.0, 299.0]]
    found = [
        (faces[0], 0.9),
        ([5.0, 0.0, 104.0, 99.0], 0.8),
        ([200.0, 0.0, 299.0, 39.0], 0.7),
        ([200.0, 0.0, 299.0, 29.0], 0.6),
        (faces[2], 0.5),
        ([400.0, 0.0, 499.0, 29.0], 0.4),
        ([700.0, 0.0, 799.0, 99.0], 0.3),
        ([0.0, 0.0, 10.0, 10.0], 0.2),
    ]
    protocol = load_protocol("pascal").with_evaluation(iterations=1)
    boxes = table([*(box for box, _ in found), FACE])
    scores = np.array([*(score for _, score in found), 0.85])
    detections = DetectionSet(("a", "unknown"), offsets_of([len(found), 1]), boxes, scores)
    truth = FaceSet(("a",), offsets_of([4]), table(faces), {"all": np.array([False, False, True, False])})
    subject = subject_of(protocol, detections, truth)
    types = classify(subject)
    assert names_of(types) == [
        *("right", "duplicate", "localisation", "localisation", "neutral", "on-ignored", "background", "unused"),
        "background",  # of an image without ground truth
    ]
    assert types.near.tolist() == [0, 0, 1, 1, 2, 2, -1, -1, -1]
    assert np.flatnonzero(types.fixes).tolist() == [2]
    record = errors_record(subject, 0.65)
    # Two false detections stand before the badly placed one: precision 1/2 at the second third of the recall.
    assert cost_of(record, "localisation") == pytest.approx(1 / 6)
    assert cost_of(record, "missed") == pytest.approx(1 / 2 - 1 / 3)
    assert record.all_missed.value == pytest.approx(1 - 1 / 3)
    assert [cost_of(record, name) for name in ("duplicate", "on-ignored", "background")] == [0, 0, 0]
    assert [one.detections for one in record.types] == [1, 2, 1, 2, 1]
    assert [one.at_point for one in record.types] == [1, 1, 0, 1, 1]
    assert (record.reasons.localisation, record.reasons.nothing) == (1, 1)


def test_pascal_errors_are_of_the_last_iteration() -> None:
    subject = golden("pascal", "pascal", "detections/shifted.txt.gz", "iteration1")
    with pytest.raises(UsageError, match="not kept"):
        classify(subject)


def test_fddb_by_hand() -> None:
    circles = np.array([[20.0, 20.0, 0.0, x, y] for x, y in ((50, 50), (150, 50), (50, 150), (150, 150))])
    found = [
        ([30.0, 30.0, 70.0, 70.0], 0.9),
        ([32.0, 30.0, 72.0, 70.0], 0.8),
        ([150.0, 50.0, 170.0, 70.0], 0.7),  # matched at an IoU of about 0.23
        ([150.0, 30.0, 170.0, 50.0], 0.6),  # near the same face, unmatched
        ([90.0, 90.0, 100.0, 100.0], 0.5),
        ([50.0, 50.0, 70.0, 70.0], 0.4),  # near a face that is found
        ([67.0, 148.0, 120.0, 199.0], 0.3),  # matched at an IoU below 0.1
    ]
    boxes = np.column_stack((circles[:, 3:] - 20, circles[:, 3:] + 20))
    truth = FaceSet(
        ("a",), offsets_of([4]), boxes, {"all": np.zeros(4, np.bool_)}, ellipses=circles, sizes=np.array([[200, 200]])
    )
    scores = np.array([score for _, score in found])
    subject = subject_of(
        load_protocol("fddb"), DetectionSet(("a",), offsets_of([7]), table([box for box, _ in found]), scores), truth
    )
    types = classify(subject)
    assert names_of(types) == [
        *("right", "duplicate", "localisation", "localisation", "background", "localisation", "background"),
    ]
    assert types.near.tolist() == [0, 0, 1, 1, -1, 0, -1]
    assert np.flatnonzero(types.fixes).tolist() == [2]
    record = errors_record(subject, 0.65)
    assert record.metric == "TPR@1000/discrete"
    assert cost_of(record, "localisation") == 0.25
    assert cost_of(record, "missed") == 0.25
    assert record.all_missed.value == 0.75
    assert record.all_false.value == 0
    assert list(record.reasons.model_dump().values()) == [0, 0, 1, 0, 2]


def test_coco_crowds_are_near_by_the_share_inside_them() -> None:
    """The small detection lies inside the crowd by 30 %, though its IoU with it is below 0.1."""
    crowd, face = [0.0, 0.0, 400.0, 400.0], [300.0, 300.0, 420.0, 420.0]
    found = [([20.0, 20.0, 60.0, 60.0], 0.9), ([388.0, 0.0, 428.0, 40.0], 0.8), (face, 0.7), (face, 0.6)]
    subject = one_image("coco", found, [crowd, face], ignored=[0])
    types = classify(subject)
    # pycocotools takes the repeat of the face for a detection on the crowd.
    assert names_of(types) == ["neutral", "on-ignored", "right", "neutral"]
    assert types.iou[:3].tolist() == [1.0, 0.3, 1.0]
    assert types.near.tolist() == [0, 0, 1, 0]


def test_costs_of_single_detections_are_those_of_taking_them_away() -> None:
    for case in (CASES[0], CASES[2], CASES[4]):
        subject = golden(*case)
        costs, false = false_detection_costs(subject), subject.fates().false
        assert (costs[~false] == 0).all()
        rule, base = subject.outcome.measures[subject.metric].rule, subject.outcome.metrics[subject.metric]
        image = np.minimum(subject.detections.image_rows, len(subject.faces))
        for row in np.random.default_rng(0).permutation(np.flatnonzero(false))[:40].tolist():
            at = np.array([row])
            less = subject.ledger.changed(image[at], subject.ledger.detection_step[at], -np.ones(1), np.zeros(1))
            assert costs[row] == pytest.approx(rule.exact([less.totals]) - base, abs=1e-12)


def test_intervals_are_percentiles_of_the_gain_on_the_same_resampled_datasets() -> None:
    subject = golden(*CASES[4])
    ledgers = oracles(subject, classify(subject))
    rule = subject.outcome.measures[subject.metric].rule

    def resampled(ledger: Ledger, weights: FloatArray) -> float:
        rows = weights[ledger.image]
        faces = weights @ ledger.faces
        counted = replace(ledger, kept=ledger.kept * rows, true=ledger.true * rows, right=ledger.right * rows)
        return rule.exact([replace(counted.totals, faces=float(faces))])

    draws = [column for _, weights in subject.resampling.batches() for column in weights.T.astype(np.float64)]
    before = [resampled(subject.ledger, one) for one in draws]
    record = errors_record(subject, 0.5)
    spreads = {one.name: one.cost for one in record.types}
    spreads |= {"all-false": record.all_false, "all-missed": record.all_missed}
    for name, spread in spreads.items():
        gains = np.array([resampled(ledgers[name], one) for one in draws]) - before
        low, high = np.quantile(gains, [0.025, 0.975])
        assert (spread.low, spread.high) == pytest.approx((low, high), abs=1e-12)


def test_no_detection_and_no_face_have_no_errors() -> None:
    nothing = errors_record(one_image("coco", [], [FACE]), 0.5)
    assert cost_of(nothing, "missed") is None  # no face would be left
    assert nothing.all_false.value == 0
    assert nothing.reasons.nothing == 1
    assert len(false_detection_costs(one_image("coco", [], [FACE]))) == 0
    unfound = errors_record(one_image("coco", [(FACE, 0.9)], [FACE], ignored=[0]), 0.5)
    assert all(one.detections == 0 and one.cost.value is None for one in unfound.types)


class _Opposite(AveragePrecision):
    """Falls where the average precision rises."""

    def exact(self, totals: Sequence[Totals]) -> float:
        return -super().exact(totals)

    def many(self, sums: Sums) -> FloatArray:
        return -super().many(sums)


def test_a_negative_cost_is_kept_and_said() -> None:
    subject = golden(*CASES[4])
    outcome = replace(
        subject.outcome,
        measures={"AP/hard": Measure(_Opposite(), ("hard",))},
        metrics={"AP/hard": -subject.outcome.metrics["AP/hard"]},
    )
    plain, turned = errors_record(subject, 0.5), errors_record(replace(subject, outcome=outcome), 0.5)
    for one, other in zip(plain.types, turned.types, strict=True):
        assert one.cost.value is not None
        assert one.cost.low is not None
        assert one.cost.low <= one.cost.value + 0.01
        assert other.cost.value == -one.cost.value
        assert other.cost.high == pytest.approx(-one.cost.low)
    codes = {finding.code: finding.files for finding in error_findings(subject, turned)}
    assert set(codes) == {"few-images-for-errors", "negative-cost"}
    assert "missed" in codes["negative-cost"]
    assert [finding.code for finding in error_findings(subject, plain)] == ["few-images-for-errors"]


def test_other_kinds_of_evaluation_are_refused() -> None:
    subject = one_image("coco", [(FACE, 0.9)], [FACE])
    other = load_protocol("coco").model_copy(update={"evaluation": Unknown(kind="toy")})
    with pytest.raises(UsageError, match="kind 'toy'"):
        hit_overlap(replace(subject, protocol=other))


class Unknown(sshbench.rules.Rules):
    """Rules of a benchmark that another package adds."""


def crowded(seed: int, images: int = 40) -> tuple[DetectionSet, FaceSet]:
    """Faces in crowds; detections that hit, repeat, miss by little or much; scores all different."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, images)
    start = rng.uniform(0, 300, (counts.sum(), 2))
    faces = np.hstack((start, start + rng.uniform(20, 90, (len(start), 2))))
    boxes, sizes = [], []
    for first, last in zip(offsets_of(counts)[:-1], offsets_of(counts)[1:], strict=True):
        near = np.repeat(faces[first:last], rng.integers(0, 4, last - first), axis=0)
        near = near + rng.normal(0, 12, near.shape)
        far = rng.uniform(0, 300, (int(rng.integers(0, 4)), 2))
        found = np.vstack((near, np.hstack((far, far + rng.uniform(10, 60, far.shape)))))
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 5)
        boxes.append(found)
        sizes.append(len(found))
    total = int(sum(sizes))
    scores = (1 + rng.permutation(total)) / (total + 1)
    keys = tuple(map(str, range(images)))
    truth = FaceSet(keys, offsets_of(counts), faces, {"all": np.zeros(len(faces), np.bool_)})
    return DetectionSet(keys, offsets_of(sizes), np.vstack(boxes), scores), truth


@pytest.mark.parametrize("seed", range(4))
def test_tidecv_says_the_same(seed: int) -> None:
    tidecv: Any = pytest.importorskip(
        "tidecv", reason="tidecv is not installed; it would replace opencv's headless build"
    )
    detections, faces = crowded(seed)
    subject = subject_of(load_protocol("coco"), detections, faces)
    run = tide_run(tidecv, detections, faces)
    record = errors_record(subject, 0.5)
    assert run.ap / 100 == pytest.approx(subject.outcome.metrics["AP50"], abs=1e-9)
    errors = {kind.short_name: (gain, len(run.error_dict[kind])) for kind, gain in run.fix_main_errors().items()}
    assert (errors["Cls"], errors["Both"]) == ((0, 0), (0, 0))
    for one, name in zip(record.types, ("Dupe", "Loc", None, "Bkg", "Miss"), strict=True):
        gain, count = (0.0, 0) if name is None else errors[name]
        assert one.cost.value == pytest.approx(gain / 100, abs=1e-9)
        assert one.detections == count
        assert count > 0 or name is None
    special = {kind.short_name: gain / 100 for kind, gain in run.fix_special_errors().items()}
    assert record.all_false.value == pytest.approx(special["FalsePos"], abs=1e-9)
    assert record.all_missed.value == pytest.approx(special["FalseNeg"], abs=1e-9)


def tide_run(tidecv: Any, detections: DetectionSet, faces: FaceSet) -> Any:
    """Run tidecv with the limits of `sshbench`: a hit at IoU 0.5, background below 0.1, no limit of detections."""
    truth, found = tidecv.Data("truth", max_dets=10**6), tidecv.Data("found", max_dets=10**6)
    for image, key in enumerate(faces.keys):
        truth.add_image(image, key)  # it evaluates only images that the truth knows
    for data, sets in ((truth, faces), (found, detections)):
        xywh = np.column_stack((sets.boxes[:, :2], sets.boxes[:, 2:] - sets.boxes[:, :2])).tolist()
        for row, image in enumerate(sets.image_rows.tolist()):
            if data is truth:
                truth.add_ground_truth(image, 1, xywh[row])
            else:
                found.add_detection(image, 1, float(detections.scores[row]), xywh[row])
    return tidecv.TIDE(pos_threshold=0.5, background_threshold=0.1).evaluate(truth, found)


MEASURED = {
    ("retinaface-jit.zip", "hard"): {
        "localisation": 7.31,
        "background": 3.59,
        "missed": 2.88,
        "on-ignored": 0.33,
        "duplicate": 0.01,
    },
    ("retinaface-trt.zip", "hard"): {
        "localisation": 8.25,
        "background": 5.25,
        "missed": 1.97,
        "on-ignored": 0.42,
        "duplicate": 0.00,
    },
    ("retinaface-jit.zip", "easy"): {
        "localisation": 0.85,
        "background": 1.15,
        "missed": 1.19,
        "on-ignored": 0.48,
        "duplicate": 0.00,
    },
}


@pytest.mark.parametrize(("file", "subset"), MEASURED)
def test_costs_on_wider_are_those_that_were_measured(shared: Path, file: str, subset: str) -> None:
    folder = shared / "data" / "wider"
    result = sshbench.evaluate("wider", folder / "predictions" / file, data=folder)
    subject = Subject.of(
        result.outcome,
        result.detections,
        result.dataset.faces,
        result.protocol,
        subset=subset,
        resampling=Resampling(len(result.dataset), 100),
    )
    types = classify(subject)
    rule, base = subject.outcome.measures[subject.metric].rule, subject.outcome.metrics[subject.metric]
    ledgers: dict[str, Ledger] = oracles(subject, types)
    costs = {name: rule.exact([ledgers[name].totals]) - base for name in MEASURED[file, subset]}
    assert {name: round(100 * cost, 2) for name, cost in costs.items()} == MEASURED[file, subset]
    assert BACKGROUND in types.types
