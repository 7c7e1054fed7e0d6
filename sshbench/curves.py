"""Curves and the rules that turn them into one number, each under its own name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

import numpy as np
import numpy.typing as npt

from sshbench.display import short_repr
from sshbench.records import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PRCurve:
    """A precision-recall curve.

    Attributes:
        precision: float64 (t,), fraction of detections that are right; NaN where there is no detection (0/0).
        recall: float64 (t,), fraction of the counted faces that are found.
        thresholds: float64 (t,), the score (after the protocol's normalisation) each point stands for.
        ap: Area under the curve by the protocol's rule, a fraction.
    """

    __repr__ = short_repr

    precision: FloatArray
    recall: FloatArray
    thresholds: FloatArray
    ap: float


@dataclass(frozen=True, slots=True, eq=False)
class ROCCurve:
    """A ROC curve as FDDB draws it: true positive rate against the number of false positives.

    Attributes:
        false_positives: float64 (t,), a count.
        true_positive_rate: float64 (t,), a fraction of all faces.
        thresholds: float64 (t,), the score each point stands for, ascending.
    """

    __repr__ = short_repr

    false_positives: FloatArray
    true_positive_rate: FloatArray
    thresholds: FloatArray

    def rate_at(self, false_positives: float) -> float:
        """Return the largest true positive rate with at most this many false positives, else NaN."""
        within = self.true_positive_rate[self.false_positives <= false_positives]
        return float(within.max()) if len(within) else math.nan


def wider_ap(recall: npt.ArrayLike, precision: npt.ArrayLike) -> float:
    """Average precision as the WIDER FACE tool computes it.

    Recall is padded with 0 and 1, precision with 0 and 0; precision becomes its running maximum from the end (a NaN
    never wins against a number); the result is the sum of recall step times precision where recall changes.

    Args:
        recall: (t,) by falling threshold.
        precision: (t,), may hold NaN.

    Returns:
        The area, a fraction; 0.0 where there is nothing to add up.

    Source: VOCap.m of the WIDER FACE evaluation tool.

    >>> wider_ap([0.5, 1.0], [1.0, 0.5])
    0.75
    """
    r = np.concatenate(([0.0], np.asarray(recall, dtype=np.float64), [1.0]))
    p = np.concatenate(([0.0], np.asarray(precision, dtype=np.float64), [0.0]))
    envelope = np.fmax.accumulate(p[::-1])[::-1]
    steps = np.flatnonzero(r[1:] != r[:-1]) + 1
    products = (r[steps] - r[steps - 1]) * envelope[steps]
    # Added one after the other, as MATLAB's sum does: numpy's pairwise sum differs in the last bits.
    return float(np.cumsum(products)[-1]) if len(products) else 0.0


def voc_area_ap(recall: npt.ArrayLike, precision: npt.ArrayLike) -> float:
    """Average precision as the area under the all-point interpolated curve (PASCAL VOC 2010 and later).

    The WIDER tool's VOCap.m is this rule; the two names keep the protocols apart.

    Args:
        recall: (t,) by falling score.
        precision: (t,), may hold NaN.

    Source: VOCap.m of the VOC development kit.
    """
    return wider_ap(recall, precision)


def truncated_percent(ap: float) -> str:
    """Return an AP as the WIDER tool's legends print it: cut to three digits, not rounded.

    >>> truncated_percent(0.92571), truncated_percent(0.9999), truncated_percent(float("nan"))
    ('0.925', '0.999', '-')
    """
    if math.isnan(ap):
        return "-"
    # Decimal of the shortest form: 0.57 is printed 0.570, though 0.57 * 1000 in binary lies just below 570.
    return str(Decimal(repr(float(ap))).quantize(Decimal("0.001"), rounding=ROUND_DOWN))


Curve = PRCurve | ROCCurve
"""A curve of any evaluation."""


def curve_columns(curve: Curve) -> dict[str, FloatArray]:
    """Return a curve's points as named columns, each float64 (n,)."""
    if isinstance(curve, PRCurve):
        return {"recall": curve.recall, "precision": curve.precision, "threshold": curve.thresholds}
    return {
        "false_positives": curve.false_positives,
        "true_positive_rate": curve.true_positive_rate,
        "threshold": curve.thresholds,
    }


def curve_csv(curve: Curve) -> str:
    """Return a curve as CSV, every number in the shortest form that reads back as the same bits."""
    columns = curve_columns(curve)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return ",".join(columns) + "\n" + "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in rows)
