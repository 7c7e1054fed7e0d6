"""What each type of errors costs: the metric after an oracle has repaired them, minus the metric.

An oracle takes false detections away, makes badly placed ones right, or takes missed faces out of the count. Costs of
several types do not add up to what is missing, and one may cost more than all false detections together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sshbench.analysis.error_types import (
    FALSE_TYPES,
    REASON_NAMES,
    TYPE_NAMES,
    ErrorTypes,
    classify_both,
    missed_reasons,
)
from sshbench.analysis.error_types import classify as classify
from sshbench.analysis.intervals import enough, spread
from sshbench.analysis.nearest import LEAST_OVERLAP, hit_overlap
from sshbench.analysis.record import ErrorsRecord, ErrorType, Reasons, Spread
from sshbench.analysis.resample import CompiledLedger
from sshbench.analysis.subject import Subject
from sshbench.evaluators.ledger import Ledger, Rule
from sshbench.records import BoolArray, Finding, FloatArray

_BATCH = 256  # steps whose cost is computed at a time
_QUALITATIVE = 500  # images below which costs are rough


def errors_record(subject: Subject, threshold: float) -> ErrorsRecord:
    """Count the errors of each type and compute what they cost.

    Args:
        subject: One evaluation and one of its curves.
        threshold: The operating point: the lowest raw score that is kept.

    Raises:
        UsageError: See `classify`.
    """
    whole, kept = classify_both(subject, threshold)
    costs = _costs(subject, oracles(subject, whole))
    types = [
        ErrorType(
            name=TYPE_NAMES[code],
            detections=int(np.count_nonzero(whole.types == code)),
            at_point=int(np.count_nonzero(kept.types == code)),
            cost=costs[TYPE_NAMES[code]],
        )
        for code in FALSE_TYPES
    ]
    types.append(
        ErrorType(
            name="missed",
            detections=int(np.count_nonzero(whole.missed)),
            at_point=int(np.count_nonzero(kept.missed)),
            cost=costs["missed"],
        )
    )
    counts = np.bincount(missed_reasons(subject, whole, kept), minlength=len(REASON_NAMES)).tolist()
    return ErrorsRecord(
        metric=subject.metric,
        limits=(LEAST_OVERLAP, hit_overlap(subject)),
        types=tuple(types),
        all_false=costs["all-false"],
        all_missed=costs["all-missed"],
        reasons=Reasons(**dict(zip(REASON_NAMES[1:], counts[1:], strict=True))),
    )


def oracles(subject: Subject, types: ErrorTypes) -> dict[str, Ledger]:
    """Return the ledger after each oracle.

    Args:
        subject: One evaluation and one of its curves.
        types: Of all its detections.

    Returns:
        By name: the four types of false detections, `missed`, `all-false` and `all-missed`.
    """
    ledger, faces = subject.ledger, subject.faces
    changed = {TYPE_NAMES[code]: _repaired(subject, types, types.types == code) for code in FALSE_TYPES}
    changed["missed"] = ledger.counting(ledger.faces - faces.per_image(types.missed))
    changed["all-false"] = _repaired(subject, replace(types, fixes=np.zeros_like(types.fixes)), types.false)
    changed["all-missed"] = ledger.counting(faces.per_image(types.found))
    return changed


def _repaired(subject: Subject, types: ErrorTypes, chosen: BoolArray) -> Ledger:
    """Take detections away, and make those right that a better place would make right."""
    rows = np.flatnonzero(chosen)
    fixed = types.fixes[rows].astype(np.float64)
    # Images that the ground truth does not have share the place after the last one, as in the ledger.
    image = np.minimum(subject.detections.image_rows[rows], len(subject.faces))
    return subject.ledger.changed(image, subject.ledger.detection_step[rows], fixed - 1.0, fixed)


class _Figure:
    """The metric of one ledger: once, and on resampled datasets."""

    def __init__(self, ledger: Ledger, rule: Rule) -> None:
        self._compiled, self._rule = CompiledLedger(ledger), rule
        self.value = rule.exact([ledger.totals])
        self._offset = 0.0
        if self._compiled.on_grid:  # as for intervals: what reading the curve at a grid changes is taken off
            self._offset = float(self.many(np.ones((ledger.images, 1)))[0]) - self.value

    def many(self, weights: npt.NDArray[np.floating]) -> FloatArray:
        """Return the figure for weights (images, b): float64 (b,)."""
        return self._rule.many(self._compiled.sums(weights)) - self._offset


def _costs(subject: Subject, changed: Mapping[str, Ledger]) -> dict[str, Spread]:
    rule, resampling = subject.outcome.measures[subject.metric].rule, subject.resampling
    base = _Figure(subject.ledger, rule)
    figures = {name: _Figure(ledger, rule) for name, ledger in changed.items()}
    replicates = {name: np.empty(resampling.replicates) for name in figures}
    sure = enough(subject.ledger.faces)
    for part, weights in resampling.batches() if sure else ():
        before = base.many(weights)
        for name, figure in figures.items():
            replicates[name][part] = figure.many(weights) - before
    return {
        name: spread(figure.value - base.value, replicates[name] if sure else None, resampling)
        for name, figure in figures.items()
    }


def false_detection_costs(subject: Subject) -> FloatArray:
    """Return what each false detection costs: the metric without it, minus the metric.

    Detections that join at the same step cost the same. Where a curve has very many steps (COCO), steps between two of
    a grid share one cost.

    Args:
        subject: One evaluation and one of its curves.

    Returns:
        float64 (n,), by detection; 0 for those that are not false.
    """
    false, ledger = subject.fates().false, subject.ledger
    rule = subject.outcome.measures[subject.metric].rule
    compiled = CompiledLedger(ledger)
    sums = compiled.sums(np.ones((ledger.images, 1)))
    at = np.searchsorted(compiled.changes, ledger.detection_step)
    steps = np.unique(at[false & (at < compiled.steps)])
    by_step = np.zeros(compiled.steps + 1)  # after the last change a detection costs nothing
    position = np.arange(compiled.steps)[:, None]
    for first in range(0, len(steps), _BATCH):
        part = steps[first : first + _BATCH]
        shape = (compiled.steps, len(part))
        less = replace(
            sums,
            kept=sums.kept - (position >= part),
            true=np.broadcast_to(sums.true, shape),
            added=np.broadcast_to(sums.added, shape),
            right=np.broadcast_to(sums.right, shape),
            faces=np.broadcast_to(sums.faces, len(part)),
            share=np.broadcast_to(sums.share, len(part)),
        )
        by_step[part] = rule.many(less) - rule.many(sums)
    return np.where(false, by_step[at], 0.0)


def error_findings(subject: Subject, record: ErrorsRecord) -> tuple[Finding, ...]:
    """Return what the reader of the costs should know."""
    found = []
    if len(subject.faces) < _QUALITATIVE:
        text = f"{len(subject.faces)} images are few: take the costs of errors as rough ones"
        found.append(Finding("few-images-for-errors", text))
    below = [one.name for one in record.types if one.cost.value is not None and one.cost.value < 0]
    if below:
        text = "the metric falls when these errors are repaired"
        found.append(Finding("negative-cost", text, tuple(below)))
    return tuple(found)
