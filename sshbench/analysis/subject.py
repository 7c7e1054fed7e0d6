"""What is analysed: one evaluation with its detections, its faces and the curve that is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.analysis.resample import Resampling
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluators.base import Fates, Outcome
from sshbench.evaluators.ledger import Ledger
from sshbench.protocols import Protocol
from sshbench.records import BoolArray, DetectionSet, FaceSet


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One evaluation and one of its curves.

    Attributes:
        outcome: The evaluator's.
        detections: In the order of `outcome.scores`: those of the images of `faces`, then those of other images.
        faces: The ground truth.
        protocol: The rules.
        curve: Name of the curve, as in `outcome.fates_at`.
        resampling: How datasets are drawn.
    """

    __repr__ = short_repr

    outcome: Outcome
    detections: DetectionSet
    faces: FaceSet
    protocol: Protocol
    curve: str
    resampling: Resampling

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        detections: DetectionSet,
        faces: FaceSet,
        protocol: Protocol,
        *,
        subset: str | None = None,
        resampling: Resampling | None = None,
    ) -> Subject:
        """Look at an outcome.

        Args:
            outcome: The evaluator's.
            detections: As evaluated, in any order.
            faces: As evaluated.
            protocol: As evaluated.
            subset: Name of the curve; default: the last subset, the one that is drawn on images.
            resampling: Default: 2 000 replicates over images.

        Raises:
            UsageError: There is no such curve.
        """
        curve = outcome.pictured if subset is None else subset
        if curve not in outcome.fates_at:
            raise UsageError(f"there is no subset '{curve}'", remedy=f"Known: {', '.join(outcome.fates_at)}")
        known = set(faces.keys)
        others = [key for key in detections.keys if key not in known]
        aligned = detections.aligned(faces.keys)
        if aligned.total != len(outcome.scores):
            aligned = detections.aligned((*faces.keys, *others))
        return cls(outcome, aligned, faces, protocol, curve, resampling or Resampling(len(faces)))

    @property
    def ledger(self) -> Ledger:
        """What the curve adds up per image; COCO: at IoU 0.5."""
        found = self.outcome.ledger(self.curve)
        assert found is not None, "answers.common.subject_of asks for it before"
        return found

    @property
    def metric(self) -> str:
        """The metric of the curve in which costs are given: its AP (COCO: AP50); FDDB: the rate at 1 000."""
        for name in (f"AP/{self.curve}", f"AP50/{self.curve}", "AP50", "AP", f"TPR@1000/{self.curve}"):
            measure = self.outcome.measures.get(name)
            if measure is None or len(measure.ledgers) > 1:  # COCO's AP is a mean over ten ledgers
                continue
            if self.outcome.ledgers[measure.ledgers[0]] is self.ledger:
                return name
        return next(
            name
            for name, measure in self.outcome.measures.items()
            if self.outcome.ledgers[measure.ledgers[0]] is self.ledger
        )

    def fates(self, min_score: float = -np.inf) -> Fates:
        """Return what became of every detection and face of the curve, down to a raw score."""
        return self.outcome.fates(self.curve, min_score)

    @property
    def counted(self) -> BoolArray:
        """Bool (m,), the faces that count in the curve."""
        fates = self.fates()
        return np.asarray(fates.found | fates.missed)
