"""What each run finds from a score on: the counts that the page shows beside its slider."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.curves import ROCCurve
from sshbench.evaluation.result import Evaluation
from sshbench.records import FloatArray

_STEPS = 600  # of all runs together
_MIN_STEPS = 40
_DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of one run and one curve, by score.

    Attributes:
        right: float64 (steps,), true positives among the detections of at least the score; FDDB's continuous score:
            their overlaps.
        false: float64 (steps,), false positives.
        faces: Faces that count.
        is_roc: Whether the curve is a ROC curve.
        heights: float64 (steps,), height of the curve, where it is not precision (COCO's is precision's running maximum
            from the end).
    """

    right: FloatArray
    false: FloatArray
    faces: int
    is_roc: bool
    heights: FloatArray | None = None

    def place(self, step: int) -> tuple[float, float]:
        """Return where a step lies on the curve: recall and precision, or false positives and rate; NaN for nowhere."""
        right, false = float(self.right[step]), float(self.false[step])
        recall = right / self.faces if self.faces else math.nan
        if self.is_roc:
            return false, recall
        precision = right / (right + false) if right + false else math.nan
        return recall, precision if self.heights is None else float(self.heights[step])


def score_steps(evaluations: Sequence[Evaluation], own: Sequence[float]) -> FloatArray:
    """Return the scores at which counts are given: float64 (steps,), ascending.

    Each run has the same share of them, half evenly spaced and half at quantiles of its scores.

    Args:
        evaluations: The runs.
        own: Scores that must be among them: the operating points.
    """
    found = {float(score) for score in own if np.isfinite(score)}
    each = max(_STEPS // (2 * max(len(evaluations), 1)), _MIN_STEPS)
    for evaluation in evaluations:
        scores = evaluation.outcome.scores
        scores = scores[np.isfinite(scores)]
        if len(scores):
            several = [np.quantile(scores, np.linspace(0, 1, each), method="lower")]
            several.append(np.linspace(scores.min(), scores.max(), each))
            found |= {float(f"{score:.{_DIGITS}g}") for score in np.concatenate(several).tolist()}
    return np.array(sorted(found))


def counts_at(evaluation: Evaluation, curve: str, scores: FloatArray) -> Counts:
    """Count by the evaluator's own matching.

    Args:
        evaluation: The run.
        curve: Name of the curve.
        scores: float64 (steps,), raw scores.
    """
    outcome = evaluation.outcome
    drawn = outcome.curves[curve]
    if isinstance(drawn, ROCCurve):
        # Its thresholds ascend. Detections of at least a score are those of at least the next threshold.
        faces = outcome.counted["all"]
        at = np.searchsorted(drawn.thresholds, scores, side="left")
        rates = np.append(drawn.true_positive_rate, 0.0)[at]
        false = np.append(drawn.false_positives, 0.0)[at]
        return Counts(rates * faces, false, faces, is_roc=True)
    fates = outcome.fates(curve)
    order = np.argsort(-outcome.scores, kind="stable")  # NaN comes last
    kept = np.searchsorted(-outcome.scores[order], -scores, side="right")
    right = np.concatenate(([0], np.cumsum(fates.right[order])))[kept].astype(np.float64)
    false = np.concatenate(([0], np.cumsum(fates.false[order])))[kept].astype(np.float64)
    faces = int(np.count_nonzero(fates.found | fates.missed))
    heights = None
    if evaluation.protocol.evaluation.kind == "coco":
        heights = np.interp(right / max(faces, 1), drawn.recall, drawn.precision)
    return Counts(right, false, faces, is_roc=False, heights=heights)


def counts_data(counts: Counts) -> dict[str, object]:
    """Return counts as the script needs them, for JSON."""
    data: dict[str, object] = {
        "faces": counts.faces,
        "right": [_short(value) for value in counts.right.tolist()],
        "false": [_short(value) for value in counts.false.tolist()],
    }
    if counts.heights is not None:
        data["heights"] = [_short(value, 5) for value in counts.heights.tolist()]
    return data


def _short(value: float, digits: int = 9) -> float | int | None:
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded
