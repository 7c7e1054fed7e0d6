"""What became of each detection and each face of an image, as the evaluator counted it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.evaluation import Evaluation
from sshbench.evaluators.matching import best_boxes
from sshbench.evaluators.wider import WiderMatch, WiderResult, score_order
from sshbench.records import BoolArray, DetectionSet, FaceSet


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Outcomes over a whole dataset at one threshold and for one subset.

    Attributes:
        right: bool (n,), detections that are the first hit of a counted face.
        false: bool (n,), detections kept without a hit, or that hit a face again.
        missed: bool (m,), counted faces that no kept detection hits.
        found: bool (m,), counted faces that one does.
    """

    right: BoolArray
    false: BoolArray
    missed: BoolArray
    found: BoolArray


def match_of(evaluation: Evaluation, detections: DetectionSet, faces: FaceSet) -> WiderMatch:
    """Which face each detection hits: the evaluator's own matching where it has one, else by boxes at IoU 0.5."""
    result = evaluation.outcome.result
    if isinstance(result, WiderResult):
        return result.match
    return WiderMatch(box=best_boxes(detections, faces, threshold=0.5), order=score_order(detections))


def best_f1_score(detections: DetectionSet, faces: FaceSet, match: WiderMatch, subset: str) -> float:
    """The raw score with the largest F1, the highest one on ties; infinite where there are no detections."""
    found = outcomes(detections, faces, match, subset, -np.inf)
    order = np.argsort(-detections.scores, kind="stable")
    right, false = np.cumsum(found.right[order]), np.cumsum(found.false[order])
    scores = detections.scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], len(scores) > 0))
    if not len(last):
        return float("inf")
    f1 = 2 * right[last] / np.maximum(right[last] + false[last] + faces.counted(subset), 1)
    return float(scores[last[int(np.argmax(f1))]])


def outcomes(detections: DetectionSet, faces: FaceSet, match: WiderMatch, subset: str, least_score: float) -> Outcomes:
    """Sort detections and faces into right, false, missed and found.

    Args:
        detections: As evaluated.
        faces: As evaluated.
        match: Which face each detection hits.
        subset: Which faces count.
        least_score: Detections with a lower raw score are left out.
    """
    ignore = faces.ignore[subset]
    box = match.box
    kept = detections.scores >= least_score
    hit = kept & (box >= 0)
    neutral = np.zeros(len(box), dtype=np.bool_)
    neutral[hit] = ignore[box[hit]]
    # By falling score: the first detection that names a face is its hit, later ones are repeats.
    order = match.order
    ranked = order[(hit & ~neutral)[order]]
    first = ranked[np.unique(box[ranked], return_index=True)[1]]
    right = np.zeros(len(box), dtype=np.bool_)
    right[first] = True
    found = np.zeros(len(ignore), dtype=np.bool_)
    found[box[first]] = True
    return Outcomes(right=right, false=kept & ~neutral & ~right, missed=~ignore & ~found, found=found)
