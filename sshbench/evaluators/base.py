"""What became of each detection and each face, in the same form for every evaluator.

Reports and analyses take it from the evaluator's own matching and never match boxes a second time by other rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from sshbench.curves import ROCCurve
from sshbench.records import BoolArray, FloatArray, IntArray

Roles = npt.NDArray[np.int8]

UNUSED, FALSE, NEUTRAL, RIGHT = 0, 1, 2, 3
"""Roles of a detection: took no part (below the score asked for, too small, ...), false positive, matched with an
ignored face (counts neither way), true positive."""


@dataclass(frozen=True, slots=True, eq=False)
class Fates:
    """What became of every detection and every face, for one curve and down to one score.

    Attributes:
        roles: int8 (n,), by detection: `RIGHT`, `FALSE`, `NEUTRAL` or `UNUSED`.
        faces: int64 (n,), by detection: row of the face that it was matched with, -1 where there is none.
        found: bool (m,), by face: it counts and a detection was counted for it.
        missed: bool (m,), by face: it counts and no detection was counted for it.
    """

    roles: Roles
    faces: IntArray
    found: BoolArray
    missed: BoolArray

    @property
    def right(self) -> BoolArray:
        """Bool (n,), true positives."""
        return np.asarray(self.roles == RIGHT)

    @property
    def false(self) -> BoolArray:
        """Bool (n,), false positives."""
        return np.asarray(self.roles == FALSE)


FatesAt = Callable[[float], Fates]
"""From the lowest raw score that takes part to what became of detections and faces."""


def fates_of(roles: Roles, faces: IntArray, counted: BoolArray) -> Fates:
    """Add what became of the faces to what became of the detections.

    Args:
        roles: int8 (n,), by detection.
        faces: int64 (n,), by detection: row of the matched face, -1 for none.
        counted: bool (m,), by face: whether it counts.
    """
    found = np.zeros(len(counted), dtype=np.bool_)
    found[faces[roles == RIGHT]] = True
    return Fates(roles, faces, found & counted, counted & ~found)


def fixed_roles(roles: Roles, faces: IntArray, counted: BoolArray, scores: FloatArray) -> FatesAt:
    """Return the fates of a matching in which no detection's role depends on the threshold.

    That holds for WIDER FACE, PASCAL Faces and COCO, which match by falling score, and not for FDDB.

    Args:
        roles: int8 (n,), with every detection kept.
        faces: int64 (n,), row of the matched face, -1 for none.
        counted: bool (m,), whether a face counts.
        scores: float64 (n,), raw scores; a NaN is below every other score.
    """
    return partial(_at_score, roles, faces, counted, scores)


def _at_score(roles: Roles, faces: IntArray, counted: BoolArray, scores: FloatArray, min_score: float) -> Fates:
    if min_score > -np.inf:
        roles = np.where(scores >= min_score, roles, UNUSED).astype(np.int8)
    return fates_of(roles, faces, counted)


def best_f1_of_fates(fates: Fates, scores: FloatArray) -> float:
    """Return the raw score with the largest F1, the highest one on ties; infinite where there is no detection.

    Args:
        fates: With every detection kept.
        scores: float64 (n,), the detections' raw scores.
    """
    order = np.argsort(-scores, kind="stable")
    right, false = np.cumsum(fates.right[order]), np.cumsum(fates.false[order])
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], len(falling) > 0))
    if not len(last):
        return float("inf")
    faces = int(np.count_nonzero(fates.found | fates.missed))
    f1 = 2 * right[last] / np.maximum(right[last] + false[last] + faces, 1)
    return float(falling[last[int(np.argmax(f1))]])


def best_f1_of_roc(curve: ROCCurve, faces: int) -> float:
    """Return the threshold of a ROC with the largest F1, the highest one on ties; infinite where it has no point.

    Args:
        curve: Thresholds ascend.
        faces: Number of faces that its rates refer to.
    """
    if not len(curve.thresholds):
        return float("inf")
    right = curve.true_positive_rate * faces
    f1 = 2 * right / np.maximum(right + curve.false_positives + faces, 1)
    return float(curve.thresholds[len(f1) - 1 - int(np.argmax(f1[::-1]))])
