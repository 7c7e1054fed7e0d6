"""Counts at every raw score: what operating points and calibration read off.

Protocols have steps of their own (WIDER FACE: 1 000 thresholds of normalised scores). A user's threshold is a raw
score, so the steps here are the distinct raw scores of the detections that count: all of one score stand or fall
together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sshbench.analysis.subject import Subject
from sshbench.boxes import aligned_iou
from sshbench.display import short_repr
from sshbench.evaluators.fddb import OVERLAP_LEDGER
from sshbench.evaluators.ledger import Ledger, ledger_of_detections
from sshbench.evaluators.pascal import PascalResult
from sshbench.protocols import FddbEvaluation, PascalEvaluation, WiderEvaluation
from sshbench.records import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Sums down to each score, for many sets of weights of the images at a time.

    Attributes:
        kept: float64 (steps, b), detections that count.
        right: float64 (steps, b), right ones among them.
        overlap: float64 (steps, b), their summed IoU.
        faces: float64 (b,), counted faces.
        images: float64 (b,), images of the dataset, those without faces and detections too.
    """

    __repr__ = short_repr

    kept: FloatArray
    right: FloatArray
    overlap: FloatArray
    faces: FloatArray
    images: FloatArray

    @classmethod
    def of(cls, ledger: Ledger, weights: FloatArray, images: int) -> Counts:
        """Add up a ledger of `score_ledger` at all its steps.

        Args:
            ledger: With the summed IoU as `true`.
            weights: float64 (ledger.images, b).
            images: Number of images of the dataset; what follows them are images that it does not have.
        """

        def summed(column: FloatArray) -> FloatArray:
            parts = [
                np.bincount(ledger.step, column * weight[ledger.image], minlength=ledger.steps) for weight in weights.T
            ]
            # Each set's numbers lie side by side: searches are faster.
            return np.asarray(np.cumsum(np.vstack(parts), axis=1).T, dtype=np.float64)

        return cls(
            kept=summed(ledger.kept),
            right=summed(ledger.right),
            overlap=summed(ledger.true),
            faces=ledger.faces @ weights,
            images=weights[:images].sum(axis=0),
        )

    @property
    def false(self) -> FloatArray:
        """Detections that are not right, float64 (steps, b)."""
        return self.kept - self.right

    def at(self, step: int) -> Counts:
        """Return the sums of the first set of weights at one step, as arrays (1, 1)."""
        at = np.index_exp[step : step + 1, :1]
        return Counts(self.kept[at], self.right[at], self.overlap[at], self.faces[:1], self.images[:1])

    @property
    def lrp(self) -> FloatArray:
        """LRP error at tau 0.5, float64 (steps, b). Source: Oksuz et al., ECCV 2018."""
        missed = self.faces - self.right
        errors = self.false + missed + (self.right - self.overlap) / 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(errors / (self.kept + missed))


def score_ledger(subject: Subject) -> Ledger:
    """Return a ledger whose steps are the distinct raw scores of the detections that count.

    `right` adds up right detections and `true` their IoU with their faces; `faces` has 0 for images that the dataset
    does not have, which follow its own. FDDB matches anew at each score, so that its rows are changes. Scores that are
    not finite are no thresholds: detections that score infinite are kept at every one, those without a score at none.
    """
    if isinstance(subject.protocol.evaluation, FddbEvaluation):
        ledger = subject.outcome.ledgers[OVERLAP_LEDGER]
        finite = ledger.scores[np.isfinite(ledger.scores)]
        step = np.searchsorted(-finite, -ledger.scores[ledger.step])
        used = step < len(finite)
        return replace(
            ledger,
            image=ledger.image[used],
            step=step[used],
            kept=ledger.kept[used],
            true=ledger.true[used],
            right=ledger.right[used],
            scores=finite,
            detection_step=np.searchsorted(-finite, -subject.outcome.scores),
        )
    fates, scores = subject.fates(), subject.outcome.scores
    kept = fates.right | fates.false
    falling = -np.unique(-scores[kept & np.isfinite(scores)])
    ledger = ledger_of_detections(
        image=subject.detections.image_rows,
        step=np.searchsorted(-falling, -scores),
        kept=kept,
        right=fates.right,
        faces=np.pad(
            subject.faces.per_image(fates.found | fates.missed), (0, len(subject.detections) - len(subject.faces))
        ),
        scores=falling,
    )
    overlap = np.zeros(len(scores))
    overlap[fates.right] = _overlaps(subject, fates.right, fates.faces)
    rows = np.flatnonzero(kept & (ledger.detection_step < ledger.steps))
    return replace(ledger, true=overlap[rows[np.argsort(ledger.detection_step[rows], kind="stable")]])


def knows_overlaps(subject: Subject) -> bool:
    """Return whether the boxes of the curve are known: PASCAL Faces keeps those of its last iteration alone."""
    return not isinstance(subject.outcome.result, PascalResult) or subject.curve == subject.outcome.pictured


def _overlaps(subject: Subject, right: BoolArray, face: IntArray) -> FloatArray:
    """Return the IoU of the right detections with their faces, in the protocol's convention and double arithmetic."""
    result, rules = subject.outcome.result, subject.protocol.evaluation
    boxes = result.aligned if isinstance(result, PascalResult) else subject.detections.boxes
    inclusive = isinstance(rules, PascalEvaluation) or (
        isinstance(rules, WiderEvaluation) and rules.box_convention == "inclusive"
    )
    return aligned_iou(subject.faces.boxes[face[right]], boxes[right], inclusive=inclusive)


def with_others(weights: npt.NDArray[np.floating], images: int) -> npt.NDArray[np.floating]:
    """Return weights of images, (n, b), with 1 for images that the dataset does not have: (images, b)."""
    return np.pad(weights, ((0, images - len(weights)), (0, 0)), constant_values=1)
