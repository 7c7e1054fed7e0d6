"""What the page of failures knows of one run: types, reasons, costs and counts by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.analysis.axes import Axis, axes_of, face_heights, height_class
from sshbench.analysis.error_types import RIGHT, Codes, ErrorTypes, classify_both, missed_reasons
from sshbench.analysis.errors import false_detection_costs
from sshbench.analysis.intervals import Recount
from sshbench.analysis.point_rules import PointRule
from sshbench.analysis.scored import Counts, score_ledger
from sshbench.analysis.subject import Subject
from sshbench.display import short_repr
from sshbench.evaluation.result import Evaluation
from sshbench.records import BoolArray, FloatArray, IntArray

SURE = 0.99
"""Precision from whose score on a detection of background may be a face that nobody annotated."""
_FEW = 30  # counted faces below which a cell says nothing of how surprising a missed face is


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """One run as the page of failures sees it.

    Attributes:
        label: Its name in the report.
        evaluation: Computed again from its detections.
        subject: The curve whose failures are shown.
        threshold: Raw score of its best F1.
        sure: Raw score from which its precision is `SURE`; infinite where that is never reached.
        whole: Types of all detections.
        kept: Types down to the threshold.
        reasons: int8 (m,), why each face is missed at the threshold.
        costs: float64 (n,), what each false detection costs.
        surprise: float64 (m,), recall of the faces that are comparable with each one.
        influence: float64 (images,), the figure minus the figure without the image.
    """

    __repr__ = short_repr

    label: str
    evaluation: Evaluation
    subject: Subject
    threshold: float
    sure: float
    whole: ErrorTypes
    kept: ErrorTypes
    reasons: Codes
    costs: FloatArray
    surprise: FloatArray
    influence: FloatArray

    @classmethod
    def of(cls, label: str, evaluation: Evaluation) -> RunView:
        """Look at the failures of an evaluation, for the curve that is drawn on images."""
        outcome = evaluation.outcome
        subject = Subject.of(outcome, evaluation.detections, evaluation.dataset.faces, evaluation.protocol)
        threshold = outcome.best_f1_score(subject.curve)
        whole, kept = classify_both(subject, threshold)
        metric = subject.metric
        images = len(subject.faces)
        without = Recount(outcome, [metric]).without_each(images)[metric]
        return cls(
            label=label,
            evaluation=evaluation,
            subject=subject,
            threshold=threshold,
            sure=_sure(subject),
            whole=whole,
            kept=kept,
            reasons=missed_reasons(subject, whole, kept),
            costs=false_detection_costs(subject),
            surprise=_surprise(subject, kept),
            influence=outcome.metrics[metric] - without,
        )

    @property
    def false(self) -> BoolArray:
        """Bool (n,), false detections at the threshold."""
        return self.kept.false

    @property
    def missed(self) -> BoolArray:
        """Bool (m,), faces that count and are not found at the threshold."""
        return np.asarray(self.kept.counted & ~self.kept.found)

    def per_image(self, detections: BoolArray) -> IntArray:
        """Return how many of the chosen detections, bool (n,), each image of the dataset has: int64 (images,)."""
        images = len(self.subject.faces)
        return np.bincount(self.subject.detections.image_rows[detections], minlength=images)[:images]

    def image_counts(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return right, false and missed at the threshold by image: int64 (images,) each."""
        right = self.per_image(np.asarray(self.kept.types == RIGHT))
        return right, self.per_image(self.false), self.subject.faces.per_image(self.missed)


def axes_shown(views: Sequence[RunView]) -> tuple[Axis, ...]:
    """Return the axes that items are filtered by, of faces, then of images."""
    subject = views[0].subject
    return axes_of(subject.faces, subject.counted)


def _sure(subject: Subject) -> float:
    ledger = score_ledger(subject)
    counts = Counts.of(ledger, np.ones((ledger.images, 1)), len(subject.faces))
    step = int(PointRule("precision", SURE).choose(counts, ledger.scores)[0])
    return float(ledger.scores[step]) if step >= 0 else float("inf")


def _surprise(subject: Subject, kept: ErrorTypes) -> FloatArray:
    """Return for each face the recall of counted faces of its height, blur and occlusion.

    Where these are under 30 faces, the recall of its height alone.
    """
    faces = subject.faces
    heights = height_class(face_heights(faces))
    cells = heights
    for name in ("blur", "occlusion"):
        if name in faces.attributes:
            codes = np.unique(faces.attributes[name], return_inverse=True)[1]
            cells = cells * (int(codes.max(initial=0)) + 1) + codes
    by_height, _ = _recall(heights, kept)
    by_cell, counted = _recall(cells, kept)
    return np.where(counted[cells] >= _FEW, by_cell[cells], by_height[heights])


def _recall(cells: IntArray, kept: ErrorTypes) -> tuple[FloatArray, IntArray]:
    """Return recall and counted faces by cell; 0 where no face counts."""
    size = int(cells.max(initial=0)) + 1
    counted = np.bincount(cells[kept.counted], minlength=size)
    found = np.bincount(cells[kept.found], minlength=size)
    return found / np.maximum(counted, 1), counted
