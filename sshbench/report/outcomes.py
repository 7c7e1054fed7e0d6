"""What became of each detection and each face of an image, as the evaluator counted it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.evaluators.wider import WiderResult
from sshbench.records import BoolArray, DetectionSet, FaceSet, FloatArray, IntArray


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


def best_f1_step(counts: IntArray, faces: int) -> int:
    """Position of the threshold with the largest F1, the highest one on ties.

    Args:
        counts: int64 (t, 2), detections kept and faces recalled at each threshold.
        faces: Faces that count.
    """
    kept, recalled = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    f1 = 2 * recalled / np.maximum(kept + faces, 1)
    return int(np.argmax(f1))


def raw_threshold(scores: FloatArray, normalised: FloatArray, threshold: float) -> float:
    """The least raw score whose normalised one reaches the threshold; infinite where none does."""
    reached = scores[normalised >= threshold]
    return float(reached.min()) if len(reached) else float("inf")


def outcomes(
    detections: DetectionSet, faces: FaceSet, result: WiderResult, subset: str, least_score: float
) -> Outcomes:
    """Sort detections and faces into right, false, missed and found.

    Args:
        detections: As evaluated.
        faces: As evaluated.
        result: The evaluation, whose matching is used.
        subset: Which faces count.
        least_score: Detections with a lower raw score are left out.
    """
    ignore = faces.ignore[subset]
    box = result.match.box
    kept = detections.scores >= least_score
    hit = kept & (box >= 0)
    neutral = np.zeros(len(box), dtype=np.bool_)
    neutral[hit] = ignore[box[hit]]
    # By falling score: the first detection that names a face is its hit, later ones are repeats.
    order = result.match.order
    ranked = order[(hit & ~neutral)[order]]
    first = ranked[np.unique(box[ranked], return_index=True)[1]]
    right = np.zeros(len(box), dtype=np.bool_)
    right[first] = True
    found = np.zeros(len(ignore), dtype=np.bool_)
    found[box[first]] = True
    return Outcomes(right=right, false=kept & ~neutral & ~right, missed=~ignore & ~found, found=found)
