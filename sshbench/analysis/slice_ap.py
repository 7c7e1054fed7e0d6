"""Average precisions of the parts of an axis.

A part keeps the detections that were matched with its own counted faces. Those matched with other faces are neutral.
Three figures differ in the false detections that are charged to it:

- normalised AP: all of the whole subset, and precision as if the part had as many faces as the whole subset,
  R N / (R N + (K - R) F) with F faces of the part and N of the subset. It can be compared between parts. Source: Hoiem,
  Chodpathumwan and Dai, Diagnosing error in object detectors, ECCV 2012.
- raw AP: those of the part's images, which are all images for an axis of faces, because a false detection has no blur
  or pose. A part of few faces looks bad then, whatever the detector does. For an axis of images it is the AP of these
  images alone, by the scores as normalised over the whole set (WIDER FACE).
- own AP (height only): those of the part's heights, as COCO has it for areas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sshbench.analysis.axes import HEIGHT, Axis, height_class
from sshbench.analysis.subject import Subject
from sshbench.display import short_repr
from sshbench.evaluators.base import FALSE, RIGHT
from sshbench.evaluators.ledger import AveragePrecision, MeanPrecision, Rule, Totals
from sshbench.evaluators.pascal import PascalResult
from sshbench.records import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class SliceAps:
    """The average precisions of one part, fractions; None where they are not defined."""

    normalised: float | None = None
    raw: float | None = None
    own: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SliceCurves:
    """Right and false detections by falling score, of the whole curve.

    Attributes:
        rule: Turns sums into an AP.
        step: int64 (d,), ascending.
        right: bool (d,).
        face: int64 (d,), the counted face that the detection was matched with; -1 for none.
        image: int64 (d,), the number of images for one that the ground truth does not have.
        height_class: int64 (d,), by the detection's own height.
    """

    __repr__ = short_repr

    rule: Rule
    step: IntArray
    right: BoolArray
    face: IntArray
    image: IntArray
    height_class: IntArray

    @classmethod
    def of(cls, subject: Subject) -> SliceCurves | None:
        """Look at all detections of a curve; None for FDDB, which has no AP."""
        rule = subject.outcome.measures[subject.metric].rule
        if not isinstance(rule, AveragePrecision | MeanPrecision):
            return None
        fates, step = subject.fates(), subject.ledger.detection_step
        rows = np.flatnonzero((fates.roles == RIGHT) | (fates.roles == FALSE))
        rows = rows[np.argsort(step[rows], kind="stable")]
        # PASCAL Faces and AFW match boxes that were moved and scaled; their heights are those as matched.
        result = subject.outcome.result
        boxes = result.aligned if isinstance(result, PascalResult) else subject.detections.boxes
        return cls(
            rule=rule,
            step=step[rows],
            right=fates.roles[rows] == RIGHT,
            face=fates.faces[rows],
            image=np.minimum(subject.detections.image_rows[rows], len(subject.faces)),
            height_class=height_class(boxes[rows, 3] - boxes[rows, 1]),
        )

    def figures(self, axis: Axis, part: IntArray, faces: IntArray) -> list[SliceAps]:
        """Return the average precisions of the parts of an axis.

        Args:
            axis: The axis.
            part: int64 (m,), the part of each face.
            faces: int64 (parts,), counted.
        """
        # An image that the ground truth does not have belongs to the one class of an axis of faces, and to no other.
        classes = np.append(axis.image_class, 0 if axis.image_classes == 1 else -1)
        everywhere = self.step[self.face < 0]
        there = self._false_of(classes[self.image], axis.image_classes)
        own = self._false_of(self.height_class, len(axis.parts)) if axis.name == HEIGHT else None
        figures, everything = [], int(faces.sum())
        for number, rows in enumerate(self._rows_of_parts(part, len(axis.parts))):
            count = int(faces[number])
            if not count:
                figures.append(SliceAps())
                continue
            figures.append(
                SliceAps(
                    normalised=self._ap(rows, everywhere, count, weight=count / everything),
                    raw=self._ap(rows, there[number % axis.image_classes], count),
                    own=None if own is None else self._ap(rows, own[number], count),
                )
            )
        return figures

    def _rows_of_parts(self, part: IntArray, parts: int) -> Iterator[IntArray]:
        """Yield the rows of each part's matched detections, by falling score."""
        matched = np.flatnonzero(self.face >= 0)
        of = part[self.face[matched]]
        order = np.argsort(of, kind="stable")
        for first, last in pairwise(np.searchsorted(of[order], np.arange(parts + 1))):
            yield matched[order[first:last]]

    def _false_of(self, of: IntArray, classes: int) -> list[IntArray]:
        """Return the steps of the detections without a match, ascending, by the class that they are charged to."""
        free = np.flatnonzero(self.face < 0)
        order = free[np.argsort(of[free], kind="stable")]
        bounds = np.searchsorted(of[order], np.arange(classes + 1))
        return [self.step[order[first:last]] for first, last in pairwise(bounds)]

    def _ap(self, rows: IntArray, charged: IntArray, faces: int, weight: float = 1.0) -> float | None:
        """Return the AP of a part from its matched detections.

        Args:
            rows: int64 (k,), of its matched detections, by falling score.
            charged: int64, ascending steps of the false detections without a match.
            faces: Its counted faces.
            weight: Of each false detection.
        """
        step, right = self.step[rows], self.right[rows]
        # A figure depends only on the steps at which a face joins, see `Rule`.
        changes, added = np.unique(step[right], return_counts=True)
        found = np.cumsum(added).astype(np.float64)
        false = sum(np.searchsorted(steps, changes, side="right") for steps in (step[~right], charged))
        value = self.rule.exact([Totals(kept=found + false * weight, true=found, right=found, faces=float(faces))])
        return None if np.isnan(value) else value
