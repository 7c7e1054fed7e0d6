"""Which of several runs is better: paired differences over the same resampled datasets.

All runs of a comparison count the same resampled datasets, so that what makes images hard moves them alike and leaves
their difference alone. A verdict comes from the interval of the difference, never from whether two single intervals
overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sshbench.analysis.intervals import Intervals, jackknife_error
from sshbench.analysis.pvalues import largest_deviations, max_t_p, two_sided_p
from sshbench.analysis.record import ExchangeTest, ImageInfluence, Pair, Rank
from sshbench.analysis.resample import Resampling
from sshbench.records import BoolArray, FloatArray, IntArray

_DETECTABLE = 2.8  # standard errors that are found in 80 % of tests at 5 %
_MOVING = 50  # images of each sign
_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class _Difference:
    a: str
    b: str
    value: float
    replicates: FloatArray
    identical: bool

    @property
    def se(self) -> float:
        return float(np.nanstd(self.replicates, ddof=1))


def pairs_of(names: Iterable[str], baseline: str | None) -> list[tuple[str, str]]:
    """Return all pairs of names, or those with the baseline, which is then the second."""
    return (
        list(combinations(names, 2)) if baseline is None else [(name, baseline) for name in names if name != baseline]
    )


def pairs(
    runs: Mapping[str, Intervals],
    metric: str,
    *,
    baseline: str | None = None,
    margin: float | None = None,
    identical: Sequence[tuple[str, str]] = (),
) -> list[Pair]:
    """Compare runs in one metric.

    Args:
        runs: By name; all over the same resampled datasets.
        metric: Name of the metric, which every run has.
        baseline: Compare only with this run, which is then `b` of every pair; default: all pairs.
        margin: Call differences equal that lie within it; a fraction.
        identical: Pairs of names whose detections are the same.

    Returns:
        One entry per pair. Adjusted values are over all pairs; the words follow the adjusted interval.
    """
    same = {*identical, *((b, a) for a, b in identical)}
    differences = [_difference(runs, metric, a, b, same) for a, b in pairs_of(runs, baseline)]
    adjusted = _adjusted(differences, next(iter(runs.values())).resampling)
    return [
        _pair(difference, more, metric, runs, margin, len(differences) > 1)
        for difference, more in zip(differences, adjusted, strict=True)
    ]


def _difference(
    runs: Mapping[str, Intervals], metric: str, a: str, b: str, identical: set[tuple[str, str]]
) -> _Difference:
    first, second = runs[a], runs[b]
    replicates = first.replicates[metric] - second.replicates[metric]
    values = first[metric].value, second[metric].value
    value = math.nan if None in values else float(values[0] or 0) - float(values[1] or 0)
    return _Difference(a, b, value, replicates, (a, b) in identical)


@dataclass(frozen=True, slots=True)
class _Adjusted:
    p: float
    low: float
    high: float


def _adjusted(differences: Sequence[_Difference], resampling: Resampling) -> list[_Adjusted]:
    """Adjust for looking at many pairs of one metric."""
    if len(differences) < 2:
        return [_Adjusted(two_sided_p(one.replicates), *resampling.ends(one.replicates)) for one in differences]
    values = np.array([one.value for one in differences])
    replicates = np.array([one.replicates for one in differences])
    adjusted = max_t_p(values, replicates)
    largest, errors = largest_deviations(values, replicates)
    reach = float(np.quantile(largest, resampling.level, method="linear")) if len(largest) else 0.0
    return [
        _Adjusted(p, value - reach * error, value + reach * error)
        for p, value, error in zip(adjusted, values.tolist(), errors.tolist(), strict=True)
    ]


def _pair(
    one: _Difference,
    adjusted: _Adjusted,
    metric: str,
    runs: Mapping[str, Intervals],
    margin: float | None,
    several: bool,
) -> Pair:
    resampling = runs[one.a].resampling
    if math.isnan(one.value) or runs[one.a][metric].low is None or runs[one.b][metric].low is None:
        value = None if math.isnan(one.value) else one.value
        return Pair(a=one.a, b=one.b, metric=metric, difference=value, words="no interval: too few faces")
    low, high = resampling.ends(one.replicates)
    defined = one.replicates[~np.isnan(one.replicates)]
    better = float(np.count_nonzero(defined > 0) + np.count_nonzero(defined == 0) / 2)
    ends = (adjusted.low, adjusted.high) if several else (low, high)
    words = "identical" if one.identical else verdict(one.a, one.b, one.value, *ends, _DETECTABLE * one.se, margin)
    return Pair(
        a=one.a,
        b=one.b,
        metric=metric,
        difference=one.value,
        low=low,
        high=high,
        se=one.se,
        se_jackknife=_jackknife(runs, one, metric, groups=False),
        se_group=_jackknife(runs, one, metric, groups=True),
        p=two_sided_p(one.replicates),
        p_adjusted=adjusted.p,
        low_adjusted=adjusted.low,
        high_adjusted=adjusted.high,
        detectable=_DETECTABLE * one.se,
        share=better / len(defined),
        words=words,
    )


def _jackknife(runs: Mapping[str, Intervals], one: _Difference, metric: str, *, groups: bool) -> float | None:
    first, second = (
        (run.group_influence if groups else run.influence).get(metric) for run in (runs[one.a], runs[one.b])
    )
    return None if first is None or second is None else jackknife_error(first - second)


def verdict(a: str, b: str, difference: float, low: float, high: float, detectable: float, margin: float | None) -> str:
    """Return in words which of two runs is better; the ends of the interval decide.

    >>> verdict("yunet", "haar", 0.021, 0.012, 0.03, 0.012, None)
    'yunet is better by 2.10 points (1.20 to 3.00)'
    """
    if low > 0 or high < 0:
        name, least, most = (a, low, high) if low > 0 else (b, -high, -low)
        size = f"{100 * abs(difference):.2f} points ({100 * least:.2f} to {100 * most:.2f})"
        text = f"{name} is better by {size}"
        return f"{text}; equal within {100 * margin:g}" if margin and -margin < low and high < margin else text
    between = f"between {100 * low:+.2f} and {100 * high:+.2f} points"
    if low == high == 0:
        return "no difference in any resampled dataset"
    if margin is not None and -margin < low and high < margin:
        return f"equal within {100 * margin:g} points: {between}"
    return f"not told apart: {between}; differences under {100 * detectable:.2f} need more images"


def ranks(found: Sequence[Pair], names: Sequence[str]) -> tuple[Rank, ...]:
    """Return the places that each run may have, from all pairs of one metric, in the order of `names`."""
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    for pair in found:
        if pair.p_adjusted is None or pair.difference is None or pair.p_adjusted >= _SIGNIFICANT:
            continue
        winner, loser = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
        better[loser] += 1
        worse[winner] += 1
    return tuple(Rank(run=name, best=1 + better[name], worst=len(names) - worse[name]) for name in names)


def moving_images(
    a: str, b: str, runs: Mapping[str, Intervals], metric: str, keys: Sequence[str]
) -> list[ImageInfluence]:
    """Return the images with the largest influence on the difference of two runs, at most 50 of each sign."""
    moved = runs[a].influence[metric] - runs[b].influence[metric]
    order = np.argsort(-moved, kind="stable")
    chosen = [*order[:_MOVING].tolist(), *order[max(len(order) - _MOVING, _MOVING) :].tolist()]
    return [
        ImageInfluence(a=a, b=b, metric=metric, key=keys[i], influence=float(moved[i])) for i in chosen if moved[i] != 0
    ]


@dataclass(frozen=True, slots=True, eq=False)
class PointCounts:
    """What one run has at its own operating point.

    Attributes:
        found: int64 (images,), counted faces that are found.
        false: int64 (images,), false detections.
        faces: bool (m,), by face: found.
    """

    found: IntArray
    false: IntArray
    faces: BoolArray


def exchange_tests(
    compared: Iterable[tuple[str, str]], counts: Mapping[str, PointCounts], faces: int, resampling: Resampling
) -> list[ExchangeTest]:
    """Test recall and precision of pairs, each run at its own operating point, by exchanging their images at random.

    Sound for counts, and not for AP: exchanging detections would mix the two score scales.

    Args:
        compared: Names of the two runs of each pair; all pairs exchange the same images.
        counts: By name.
        faces: Number of counted faces.
        resampling: Its seed and number of replicates are used.
    """
    # By run, found and kept detections of each image: float64 (images, 2).
    columns = {name: np.column_stack((one.found, one.found + one.false)) for name, one in counts.items()}
    swapped = _coins(len(next(iter(columns.values()))), resampling)
    tests = []
    for a, b in compared:
        own, other = columns[a].sum(axis=0), columns[b].sum(axis=0)
        moved = (columns[b] - columns[a]).T.astype(np.float64) @ swapped  # (2, replicates)
        for figure in ("recall", "precision"):
            difference = float(_ratio(own, faces, figure) - _ratio(other, faces, figure))
            drawn = _ratio(own[:, None] + moved, faces, figure) - _ratio(other[:, None] - moved, faces, figure)
            p = (1 + int(np.count_nonzero(np.abs(drawn) >= abs(difference) - 1e-12))) / (drawn.size + 1)
            tests.append(ExchangeTest(a=a, b=b, figure=figure, difference=difference, p=p))
    return tests


def _ratio(counts: FloatArray | IntArray, faces: int, figure: str) -> FloatArray:
    found, kept = np.asarray(counts, dtype=np.float64)
    return np.asarray(found / max(faces, 1) if figure == "recall" else found / np.maximum(kept, 1))


def _coins(images: int, resampling: Resampling) -> FloatArray:
    """Return 0 or 1 by image and replicate: float64 (images, replicates)."""
    raw = np.random.PCG64(np.random.SeedSequence([resampling.seed, images])).random_raw(images * resampling.replicates)
    return (raw >> np.uint64(63)).astype(np.float64).reshape(images, resampling.replicates)
