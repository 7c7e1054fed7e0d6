"""Figures of raw times, and the stability check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.records import FloatArray, IntArray

P90_COUNT, P99_COUNT = 64, 662  # fewer values do not hold a percentile (MLPerf's rule at 90 % confidence)
_RESAMPLES = 2000
_MOST_COV = 0.10
_MOST_DRIFT = 0.05
_MOST_OUTLIERS = 0.05


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a series of times, in milliseconds.

    Attributes:
        count: Number of values.
        median: Median.
        mean: Mean.
        deviation: Standard deviation (n - 1).
        cov: Coefficient of variation: deviation / mean.
        p90: 90th percentile; None below 64 values.
        p99: 99th percentile; None below 662 values.
        interval: 95 % bootstrap interval of the median; None below 5 values.
    """

    count: int
    median: float
    mean: float
    deviation: float
    cov: float
    p90: float | None
    p99: float | None
    interval: tuple[float, float] | None


def summarise(nanoseconds: Sequence[int] | FloatArray | IntArray) -> Summary:
    """Return the figures of a series.

    >>> summarise([1_000_000, 3_000_000, 2_000_000]).median
    2.0
    """
    values = np.asarray(nanoseconds, dtype=np.float64) / 1e6
    count = len(values)
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if count > 1 else 0.0
    return Summary(
        count=count,
        median=float(np.median(values)),
        mean=mean,
        deviation=deviation,
        cov=deviation / mean if mean > 0 else 0.0,
        p90=float(np.percentile(values, 90)) if count >= P90_COUNT else None,
        p99=float(np.percentile(values, 99)) if count >= P99_COUNT else None,
        interval=median_interval(values) if count >= 5 else None,
    )


def median_interval(values: FloatArray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median (percentiles of medians of 2 000 resamples)."""
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(values, (_RESAMPLES, len(values))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def ratio_interval(new: FloatArray, old: FloatArray, seed: int = 0) -> tuple[float, float, float]:
    """Return the ratio of medians new / old and its 95 % bootstrap interval: ratio, low, high."""
    rng = np.random.default_rng(seed)
    tops = np.median(rng.choice(new, (_RESAMPLES, len(new))), axis=1)
    bottoms = np.median(rng.choice(old, (_RESAMPLES, len(old))), axis=1)
    low, high = np.percentile(tops / bottoms, [2.5, 97.5])
    return float(np.median(new) / np.median(old)), float(low), float(high)


def unstable_because(nanoseconds: Sequence[int] | FloatArray, images: Sequence[str]) -> list[str]:
    """Return why a series is unstable; nothing if it is stable.

    Images differ in cost, which is not noise: if every image was timed at least twice, each value is divided by the
    median of its image first.

    Args:
        nanoseconds: In the order measured.
        images: The image of each value.
    """
    values = _without_images(np.asarray(nanoseconds, dtype=np.float64), images)
    reasons: list[str] = []
    cov = float(values.std(ddof=1) / values.mean()) if len(values) > 1 else 0.0
    if cov > _MOST_COV:
        reasons.append(f"spread: coefficient of variation {cov:.0%}")
    third = len(values) // 3
    if third >= 2:
        blocks = [float(np.median(part)) for part in np.array_split(values, 3)]
        drift = max(blocks) / min(blocks) - 1
        if drift > _MOST_DRIFT:
            reasons.append(f"drift: thirds of the run differ by {drift:.0%}")
    low, high = np.percentile(values, [25, 75])
    reach = 3 * (high - low) + 0.02 * float(np.median(values))
    outliers = float(np.mean((values > high + reach) | (values < low - reach)))
    if outliers > _MOST_OUTLIERS:
        reasons.append(f"outliers: {outliers:.0%} of the values")
    return reasons


def _without_images(values: FloatArray, images: Sequence[str]) -> FloatArray:
    names, which, counts = np.unique(np.asarray(images), return_inverse=True, return_counts=True)
    if counts.min(initial=2) < 2 or len(names) == 1:
        return values
    medians = np.array([np.median(values[which == i]) for i in range(len(names))])
    relative: FloatArray = values / medians[which]
    return relative
