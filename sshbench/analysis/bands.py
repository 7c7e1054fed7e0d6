"""Pointwise bands around curves: where the curve lies on most resampled datasets, one point at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.analysis.resample import CompiledLedger, Resampling
from sshbench.curves import ROCCurve
from sshbench.display import short_repr
from sshbench.evaluators.base import Outcome
from sshbench.evaluators.ledger import RateAt, precision_at
from sshbench.records import FloatArray

RECALLS = np.linspace(0.0, 1.0, 201)
FALSE_POSITIVES = np.concatenate((np.arange(0, 100, 10), np.arange(100, 2001, 50))).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A pointwise band: each point has its own interval, and the curve as a whole is outside more often.

    Attributes:
        x: float64 (k,), recall, or the number of false positives.
        low: float64 (k,), precision, or true positive rate.
        high: float64 (k,).
    """

    __repr__ = short_repr

    x: FloatArray
    low: FloatArray
    high: FloatArray


def band(outcome: Outcome, curve: str, resampling: Resampling) -> Band | None:
    """Return the band of a curve; None where the outcome does not say what adds up to it.

    Args:
        outcome: The evaluator's.
        curve: Name of the curve, as in `outcome.curves`.
        resampling: How datasets are drawn.
    """
    added = outcome.ledger(curve)
    if added is None:
        return None
    counts = isinstance(outcome.curves[curve], ROCCurve)
    x = FALSE_POSITIVES if counts else RECALLS
    ledger = CompiledLedger(added)
    values = np.empty((len(x), resampling.replicates))
    for part, weights in resampling.batches():
        sums = ledger.sums(weights)
        values[:, part] = (
            np.array([RateAt(count, 0.0).many(sums) for count in x.tolist()]) if counts else precision_at(sums, x)
        )
    tail = (1 - resampling.level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail], axis=1, method="linear")
    return Band(x, low, high)
