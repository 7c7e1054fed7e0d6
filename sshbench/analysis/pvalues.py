"""How often a difference would be as large by chance, from resampled datasets."""

from __future__ import annotations

import numpy as np

from sshbench.records import FloatArray


def two_sided_p(replicates: FloatArray) -> float:
    """Return the p-value of "the difference is 0", by inverting the percentile interval.

    With G = (#{d < 0} + #{d = 0} / 2 + 1 / 2) / (B + 1) it is 2 min(G, 1 - G), at least 2 / (B + 1); 1 where all
    replicates are equal.

    Args:
        replicates: float64 (B,), the difference on each resampled dataset; NaN are left out.

    >>> two_sided_p(np.array([-1.0, 1.0, 2.0])), two_sided_p(np.full(99, 0.5)), two_sided_p(np.arange(1.0, 100.0))
    (0.75, 1.0, 0.02)
    """
    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or (defined == defined[0]).all():
        return 1.0
    zero = np.count_nonzero(defined == 0) / 2
    # min(G, 1 - G), such that the difference turned round has the same p to the last bit.
    fewer = min(np.count_nonzero(defined < 0) + zero, np.count_nonzero(defined > 0) + zero)
    return float(max(2 * fewer + 1, 2) / (len(defined) + 1))


def largest_deviations(differences: FloatArray, replicates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the largest standardised deviation of a family in each resampled dataset, and the standard errors.

    Differences without spread are left out of the family.

    Args:
        differences: float64 (k,), the figures themselves.
        replicates: float64 (k, B); a NaN takes no part in the largest value of its replicate.

    Returns:
        float64 (b,), b <= B, and float64 (k,).

    Source: Westfall and Young, Resampling-Based Multiple Testing, 1993 (max-t).
    """
    se = np.nanstd(replicates, axis=1, ddof=1)
    family = se > 0
    if not family.any():
        return np.empty(0), se
    largest = np.fmax.reduce(np.abs(replicates[family] - differences[family, None]) / se[family, None], axis=0)
    return largest[~np.isnan(largest)], se


def max_t_p(differences: FloatArray, replicates: FloatArray) -> list[float]:
    """Return p-values adjusted for looking at all differences of a family: the max-t method.

    With q the largest |replicate - difference| / se over the family, it is (1 + #{q >= |difference| / se}) / (B + 1).
    Differences without spread are left out of the family and get their own `two_sided_p`; a family of one gets it too.

    Args:
        differences: float64 (k,), the figures themselves.
        replicates: float64 (k, B); a NaN takes no part in the largest value of its replicate.

    Returns:
        One p-value per difference.
    """
    alone = [two_sided_p(row) for row in replicates]
    if len(differences) < 2:
        return alone
    largest, se = largest_deviations(differences, replicates)
    family = np.flatnonzero(se > 0)
    if len(family) < 2:
        return alone
    reached = np.abs(differences[family]) / se[family]
    beyond = (len(largest) - np.searchsorted(np.sort(largest), reached, side="left")).tolist()
    for position, number in zip(family.tolist(), beyond, strict=True):
        alone[position] = float((1 + number) / (len(largest) + 1))
    return alone
