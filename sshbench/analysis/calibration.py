"""Calibration: of the detections with some score, which share is right.

Raw scores, by the protocol's own matching: a second detection of a face is wrong, one on an ignored face is left out.
FDDB matches anew at every score; right is there what is matched, over the protocol's IoU, at the run's lowest score.
ECE improves where hard detections are dropped and says nothing of missed faces, so that recall stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.analysis.intervals import spread
from sshbench.analysis.record import CalibrationBin, CalibrationRow, Spread
from sshbench.analysis.resample import Resampling
from sshbench.analysis.scored import score_ledger, with_others
from sshbench.analysis.subject import Subject
from sshbench.records import Finding, FloatArray, IntArray

_BINS = 15
_LEAST_OF_MCE = 50  # detections of a bin
_FLOOR_SETS = 200
_LOW_SCORE = 0.05


def calibration(subject: Subject, threshold: float) -> tuple[list[CalibrationRow], list[Finding]]:
    """Compare scores with the share of right detections, from three scores on.

    Args:
        subject: The evaluation and its curve.
        threshold: Raw score of the operating point; where it is infinite, because there is no detection, 1.0 is taken.

    Returns:
        Rows of every detection that counts, of those from 0.05 and of those from the operating point; and the finding
        `no-probabilities` where scores are outside [0, 1]: there is no calibration error then, only the bins.
    """
    scored = _Scored.of(subject)
    lowest = float(scored.scores[0]) if len(scored.scores) else 0.0
    limits = [lowest, _LOW_SCORE, threshold if math.isfinite(threshold) else 1.0]
    probabilities = bool(len(scored.scores) == 0 or (lowest >= 0 and scored.scores[-1] <= 1))
    parts = [_Part.of(scored, limit) for limit in limits]
    floors = _floors(scored.scores, parts, subject.resampling.seed) if probabilities else [None] * len(parts)
    ledger = score_ledger(subject)
    totals, faces = ledger.totals.right, float(ledger.faces.sum())
    rows = []
    for limit, part, floor in zip(limits, parts, floors, strict=True):
        last = int(np.searchsorted(-ledger.scores, -limit, side="right")) - 1
        found = float(totals[last]) if last >= 0 else 0.0
        recall = found / faces if faces else None
        rows.append(_row(scored, part, limit, recall, floor, probabilities, subject.resampling))
    if probabilities:
        return rows, []
    text = (
        f"scores from {lowest:g} to {scored.scores[-1]:g} are no probabilities: there is no calibration error, only "
        "the share of right detections by score"
    )
    return rows, [Finding("no-probabilities", text)]


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """The detections that count, by rising score.

    Attributes:
        scores: float64 (n,), finite.
        right: bool (n,).
        image: int64 (n,), positions; those from the dataset's number of images on are of others.
        images: One more than the largest position.
    """

    scores: FloatArray
    right: npt.NDArray[np.bool_]
    image: IntArray
    images: int

    @classmethod
    def of(cls, subject: Subject) -> _Scored:
        fates, scores = subject.fates(), subject.outcome.scores
        rows = np.flatnonzero((fates.right | fates.false) & np.isfinite(scores))
        rows = rows[np.argsort(scores[rows], kind="stable")]
        image = subject.detections.image_rows[rows]
        return cls(scores[rows], fates.right[rows], image, len(subject.detections))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The detections from one score on, in bins of equal numbers.

    Attributes:
        first: Position of the first one, by rising score.
        starts: int64 (bins,), where bins begin, counted from `first`.
        sizes: int64 (bins,), detections of each bin.
    """

    first: int
    starts: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, scored: _Scored, limit: float) -> _Part:
        first = int(np.searchsorted(scored.scores, limit, side="left"))
        scores = scored.scores[first:]
        if not len(scores):
            return cls(first, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1), method="linear"))
        # Bins are open on the right, and the last one is closed; those without detections fall away.
        starts = np.unique(np.searchsorted(scores, edges[: max(len(edges) - 1, 1)], side="left"))
        return cls(first, starts, np.diff(np.append(starts, len(scores))))

    def sums(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Add up values of all detections, (n,), in each bin: float64 (bins,)."""
        used = values[self.first :]
        if not len(used):
            return np.empty(0)
        if used.dtype == np.bool_:  # whose sum is "any"
            return np.add.reduceat(used.view(np.uint8), self.starts, dtype=np.int64).astype(np.float64)
        return np.asarray(np.add.reduceat(used, self.starts), dtype=np.float64)

    def error(self, hits: FloatArray, summed: FloatArray) -> float | None:
        """Return the expected calibration error of right detections and summed scores by bin; None without any."""
        total = int(self.sizes.sum())
        return float(np.abs(hits - summed).sum()) / total if total else None


def _floors(scores: FloatArray, parts: Sequence[_Part], seed: int) -> list[float | None]:
    """Return the mean ECE of each part where every score is exactly the chance to be right.

    Args:
        scores: float64 (n,), rising, in [0, 1].
        parts: Which scores, and their bins.
        seed: Of the generator; all parts share the same labels.
    """
    # Three numbers: resampling draws from two, and a zero in third place would be the same as none. `random_raw` is the
    # generator's own output, which no release of numpy changes.
    bits = np.random.PCG64(np.random.SeedSequence([seed, 0, 1]))
    limits = np.rint(scores * float(1 << 32)).astype(np.uint64)
    summed = [part.sums(scores) for part in parts]
    totals = [0.0] * len(parts)
    for _ in range(_FLOOR_SETS if len(scores) else 0):
        right = (bits.random_raw(len(scores)) >> np.uint64(32)) < limits
        for i, part in enumerate(parts):
            totals[i] += part.error(part.sums(right), summed[i]) or 0.0
    return [total / _FLOOR_SETS if len(part.sizes) else None for total, part in zip(totals, parts, strict=True)]


def _row(
    scored: _Scored,
    part: _Part,
    limit: float,
    recall: float | None,
    floor: float | None,
    probabilities: bool,
    resampling: Resampling,
) -> CalibrationRow:
    hits, summed = part.sums(scored.right), part.sums(scored.scores)
    bins = _bins(scored, part, hits, summed, resampling)
    count = int(part.sizes.sum())
    if not count or not probabilities:
        return CalibrationRow(
            from_score=limit,
            detections=count,
            ece=None,
            ece_floor=None,
            mce=None,
            bias=None,
            brier=None,
            recall=recall,
            bins=bins,
        )
    large = part.sizes >= _LEAST_OF_MCE
    errors = np.abs(hits - summed) / part.sizes
    difference = scored.scores[part.first :] - scored.right[part.first :]
    return CalibrationRow(
        from_score=limit,
        detections=count,
        ece=part.error(hits, summed),
        ece_floor=floor,
        mce=float(errors[large].max()) if large.any() else None,
        bias=float(difference.mean()),
        brier=float((difference**2).mean()),
        recall=recall,
        bins=bins,
    )


def _bins(
    scored: _Scored, part: _Part, hits: FloatArray, summed: FloatArray, resampling: Resampling
) -> tuple[CalibrationBin, ...]:
    scores = scored.scores[part.first :]
    number = np.repeat(np.arange(len(part.sizes)), part.sizes)
    cell = scored.image[part.first :] * len(part.sizes) + number
    shape = (scored.images, len(part.sizes))
    kept = np.bincount(cell, minlength=math.prod(shape)).reshape(shape).astype(np.float64)
    right = np.bincount(cell, scored.right[part.first :], minlength=math.prod(shape)).reshape(shape)
    replicates = np.empty((resampling.replicates, len(part.sizes)))
    for rows, drawn in resampling.batches():
        weights = with_others(drawn, scored.images).T.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates[rows] = (weights @ right) / (weights @ kept)
    images = np.count_nonzero(kept, axis=0)
    return tuple(
        CalibrationBin(
            low=float(scores[start]),
            high=float(scores[start + size - 1]),
            score=float(summed[b] / size),
            right=_share(float(hits[b] / size), replicates[:, b], int(images[b]), resampling),
            detections=int(size),
            images=int(images[b]),
        )
        for b, (start, size) in enumerate(zip(part.starts.tolist(), part.sizes.tolist(), strict=True))
    )


def _share(share: float, replicates: FloatArray, images: int, resampling: Resampling) -> Spread:
    """Return a share with its interval; where all or none are right, so they are in every replicate.

    The limit is then open: 1 - 0.025^(1/m) away for m images at 95 %. Source: Clopper and Pearson, 1934.
    """
    if share not in (0.0, 1.0):
        return spread(share, replicates, resampling)
    away = 1 - ((1 - resampling.level) / 2) ** (1 / images)
    return Spread(value=share, low=0.0 if share == 0 else 1 - away, high=away if share == 0 else 1.0)
