"""The one form of every evaluator: its signature, and its outcome with what became of each detection and face.

An evaluator is a pure function from detections, faces and a protocol to an `Outcome`; it opens no file and prints
nothing. Reports and analyses take what became of detections and faces from it and never match boxes a second time by
other rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from sshbench.curves import Curve, ROCCurve
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluators.ledger import Ledger, Measure
from sshbench.protocols import Protocol
from sshbench.records import BoolArray, DetectionSet, FaceSet, Finding, FloatArray, IntArray

Progress = Callable[[float], None]
"""Called with the number of images done since the last call, in fractions too."""

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

    __repr__ = short_repr

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The common result type of all evaluators.

    Attributes:
        metrics: By name, fractions; NaN where a metric is not defined.
        curves: By name.
        counted: By subset, the faces that count.
        result: The evaluator's own result, with what only this kind of evaluation has.
        findings: What the user should know of the evaluation.
        texts: Files in the official tool's own format, by name.
        pictured: Name of the curve whose outcomes are drawn on images.
        scores: float64 (n,), raw scores in the order of the fates: detections of the dataset's images, then of others.
        used: Number of detections of images that take part.
        fates_at: By curve, what became of detections and faces from a score on.
        measures: By metric, how it comes from the ledgers; metrics that are missing here have no interval.
        ledgers: By name, what the evaluation adds up image by image; made when asked for.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    counted: Mapping[str, int]
    result: object
    findings: tuple[Finding, ...] = ()
    texts: Mapping[str, str] | None = None
    pictured: str
    scores: FloatArray
    used: int
    fates_at: Mapping[str, FatesAt]
    measures: Mapping[str, Measure] = field(default_factory=dict)
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.5f}" for name, value in list(self.metrics.items())[:8])
        return f"Outcome({shown}; {self.used} detections)"

    def fates(self, curve: str | None = None, min_score: float = -math.inf) -> Fates:
        """Return what became of every detection and face, by the evaluator's own matching.

        Args:
            curve: Name of the curve; default: `pictured`.
            min_score: Detections with a lower raw score take no part.

        Raises:
            UsageError: There is no such curve.
        """
        name = self.pictured if curve is None else curve
        if name not in self.fates_at:
            raise UsageError(f"no outcomes are known for curve '{name}'", remedy=f"Known: {', '.join(self.fates_at)}")
        return self.fates_at[name](min_score)

    def ledger(self, curve: str) -> Ledger | None:
        """Return what a curve adds up per image (COCO: at IoU 0.5); None where the evaluator does not say."""
        return self.ledgers.get(curve, self.ledgers.get(f"{curve}@0.5"))

    def best_f1_score(self, curve: str | None = None) -> float:
        """Return the raw score with the largest F1, the highest one on ties; infinite where there is no detection."""
        name = self.pictured if curve is None else curve
        drawn = self.curves.get(name)
        if isinstance(drawn, ROCCurve):
            return best_f1_of_roc(drawn, self.counted["all"])
        return best_f1_of_fates(self.fates(name), self.scores)


class EvaluatorFunction(Interface):
    """The signature of every evaluator."""

    def __call__(
        self, detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None
    ) -> Outcome:
        """Evaluate detections.

        Args:
            detections: Of the images of `faces`, in any order; entries of other images may be among them.
            faces: Ground truth with the ignore flags of the protocol's subsets.
            protocol: The rules.
            progress: Called by evaluators that take long.

        Raises:
            SshbenchError: The ground truth does not have what the evaluation needs.
        """
