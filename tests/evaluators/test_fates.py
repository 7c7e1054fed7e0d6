"""What became of each detection and face agrees with the figures of the evaluator, for every protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sshbench.curves import PRCurve, ROCCurve
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.base import UNUSED, Outcome
from sshbench.formats import read_predictions
from sshbench.protocols import load_protocol
from sshbench.records import Detections, DetectionSet

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    ("fddb", "fddb", "detections/ordinary.txt.gz"),
    ("fddb", "fddb", "detections/crowded_unsorted.txt.gz"),
    ("fddb", "fddb", "detections_ellipse/ellipses.txt.gz"),
    ("pascal", "pascal", "detections/shifted.txt.gz"),
    ("afw", "afw", "detections/tied.txt.gz"),
    ("wider", "wider", "predictions/ordinary.zip"),
    ("wider", "wider_no_boxes", "predictions/percent.zip"),
]


def evaluated(name: str, folder: str, file: str) -> Outcome:
    protocol = load_protocol(name)
    dataset = load_dataset(protocol, GOLDEN / folder)
    detections, _ = read_predictions(GOLDEN / folder / file, dataset, protocol.evaluation.kind)
    return evaluator_of(protocol)(detections, dataset.faces, protocol)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case[1:]))
def test_outcomes_add_up_to_the_evaluators_figures(case: tuple[str, str, str]) -> None:
    outcome = evaluated(*case)
    for name in outcome.fates_at:
        curve = outcome.curves[name]
        counted = outcome.counted[name] if name in outcome.counted else outcome.counted["all"]
        scores = [float(s) for s in np.quantile(outcome.scores, [0.1, 0.5, 0.9], method="nearest")]
        for score in (-np.inf, *scores):
            fates = outcome.fates(name, score)
            right, false = int(fates.right.sum()), int(fates.false.sum())
            assert right == int(fates.found.sum())
            assert right + int(fates.missed.sum()) == counted
            assert (fates.faces[fates.right] >= 0).all()
            if isinstance(curve, ROCCurve):
                point = 0 if score == -np.inf else int(np.flatnonzero(curve.thresholds == score)[0])
                assert right == round(curve.true_positive_rate[point] * counted)
                assert false == curve.false_positives[point]
            elif score == -np.inf:
                assert right / counted == curve.recall[-1]
                assert right / (right + false) == curve.precision[-1]
            elif case[0] != "wider":  # its thresholds are of normalised scores
                last = int(np.flatnonzero(curve.thresholds >= score)[-1])
                assert right / counted == curve.recall[last]
                assert right / (right + false) == curve.precision[last]


def test_a_threshold_of_largest_f1_is_one_of_the_scores() -> None:
    for case in CASES:
        outcome = evaluated(*case)
        assert outcome.best_f1_score() in set(outcome.scores.tolist())


def test_coco_matches_are_those_of_its_own_evaluation() -> None:
    protocol = load_protocol("sample")
    sample = load_dataset(protocol)
    coco = load_protocol("coco")
    truth = DetectionSet(sample.keys, sample.faces.offsets, sample.faces.boxes, np.linspace(1, 0.1, sample.faces.total))
    half = DetectionSet.from_images(
        (key, Detections(found.boxes[::2] + 1.0, found.scores[::2]))
        for key, found in zip(truth.keys, truth, strict=True)
    )
    outcome = evaluator_of(coco)(half, sample.faces, coco)
    fates = outcome.fates()
    assert isinstance(outcome.curves["all"], PRCurve)
    assert int(fates.right.sum()) + int(fates.false.sum()) == half.total
    assert int(fates.found.sum()) == int(fates.right.sum())
    assert int((fates.found | fates.missed).sum()) == outcome.counted["all"] == sample.faces.total
    assert np.unique(fates.faces[fates.right]).size == int(fates.right.sum())


def test_an_unknown_curve_is_named_with_the_known_ones() -> None:
    outcome = evaluated(*CASES[0])
    with pytest.raises(UsageError, match="discrete"):
        outcome.fates("easy")
    assert (outcome.fates(min_score=np.inf).roles == UNUSED).all()
