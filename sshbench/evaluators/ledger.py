"""What an evaluation adds up, image by image: the counts from which every figure of a protocol can be computed again.

All protocols are sums over images. A `Ledger` holds the summands of one curve, sorted by the step (threshold) at which
they join; a `Rule` turns the sums into a figure, for one set of sums to the bit as the evaluator does, or for many at a
time. With other weights of the images the same rule gives the figure of a resampled dataset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from sshbench.curves import wider_ap
from sshbench.display import short_repr
from sshbench.records import BoolArray, FloatArray, IntArray

_EPSILON = float(np.spacing(1))  # pycocotools adds it to the number of detections


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """The summands of one curve, by falling threshold.

    Attributes:
        image: int64 (m,), position of the image; the number of images for one that the ground truth does not have.
        step: int64 (m,), ascending: the first step at which the row counts.
        kept: float64 (m,), detections that count, or their change.
        true: float64 (m,), what is added to the recalled faces; FDDB's continuous score adds overlaps.
        right: float64 (m,), detections that are right; other than `true` for FDDB's continuous score alone.
        faces: int64 (n,), the counted faces of each image.
        scores: float64 (steps,), the score that each step stands for, falling (WIDER: normalised).
        detection_step: int64 (d,), by detection in the order of the evaluation's: the first step that keeps it, the
            number of steps where none does.

    Source: the rows are those of `WiderResult`, `PascalResult`, `CocoResult` and FDDB's `ImageSteps`.
    """

    __repr__ = short_repr

    image: IntArray
    step: IntArray
    kept: FloatArray
    true: FloatArray
    right: FloatArray
    faces: IntArray
    scores: FloatArray
    detection_step: IntArray

    @property
    def images(self) -> int:
        """Number of images of the dataset."""
        return len(self.faces)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.scores)

    @property
    def totals(self) -> Totals:
        """The sums with every image counted once, added up in the evaluator's own order."""
        sums = [np.append(0.0, np.cumsum(column)) for column in (self.kept, self.true, self.right)]
        ends = np.searchsorted(self.step, np.arange(self.steps), side="right")
        kept, true, right = (column[ends] for column in sums)
        return Totals(kept, true, right, float(self.faces.sum()))

    def changed(self, image: IntArray, step: IntArray, kept: FloatArray, right: FloatArray) -> Ledger:
        """Return a ledger with further rows, as an oracle adds them: detections taken away or made right.

        Args:
            image: int64 (k,), as in the ledger.
            step: int64 (k,); rows past the last step are left out.
            kept: float64 (k,), added to the detections that count.
            right: float64 (k,), added to the right detections and to the recalled faces.
        """
        used = step < self.steps
        step = np.append(self.step, step[used])
        order = np.argsort(step, kind="stable")
        return replace(
            self,
            image=np.append(self.image, image[used])[order],
            step=step[order],
            kept=np.append(self.kept, kept[used])[order],
            true=np.append(self.true, right[used])[order],
            right=np.append(self.right, right[used])[order],
        )

    def counting(self, faces: IntArray) -> Ledger:
        """Return the same ledger with other counted faces, int64 (n,)."""
        return replace(self, faces=faces)


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Sums over all images, at each step.

    Attributes:
        kept: float64 (steps,).
        true: float64 (steps,).
        right: float64 (steps,).
        faces: Number of counted faces.
    """

    __repr__ = short_repr

    kept: FloatArray
    true: FloatArray
    right: FloatArray
    faces: float


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Weighted sums over the images, for many sets of weights at a time.

    Attributes:
        kept: float64 (steps, b), cumulated.
        true: float64 (steps, b), cumulated.
        added: float32 or float64 (steps, b), what each step adds to `true`.
        right: float64 (steps, b), cumulated; `true` itself for all but FDDB's continuous score.
        faces: float64 (b,).
        share: float64 (b,), the sum of the weights divided by the number of images.
    """

    __repr__ = short_repr

    kept: FloatArray
    true: FloatArray
    added: npt.NDArray[np.floating]
    right: FloatArray
    faces: FloatArray
    share: FloatArray


class Rule(Interface):
    """Turns sums into a figure, a fraction; NaN where it is not defined.

    A figure depends only on the steps at which `true` changes, for every rule.
    """

    def exact(self, totals: Sequence[Totals]) -> float:
        """Return the figure of one or several curves, to the bit as the evaluator computes it."""

    def many(self, sums: Sums) -> FloatArray:
        """Return the figure of one curve for many sets of weights, float64 (b,)."""


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Area under the interpolated curve: WIDER FACE, PASCAL Faces, AFW. Source: VOCap.m."""

    def exact(self, totals: Sequence[Totals]) -> float:
        """Return the figure; see `Rule`."""
        (sums,) = totals
        with np.errstate(divide="ignore", invalid="ignore"):
            return wider_ap(sums.true / np.float64(sums.faces), sums.true / sums.kept)

    def many(self, sums: Sums) -> FloatArray:
        """Return the figures; see `Rule`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.einsum("sb,sb->b", envelope(sums), sums.added) / sums.faces)


@dataclass(frozen=True, slots=True)
class RateAt:
    """Largest true positive rate with at most so many false positives in the dataset: FDDB.

    Attributes:
        false_positives: In as many images as the dataset has.
        least: The rate where no step has so few: 0 where images without detections give the curve a point at no false
            positive, else NaN.
    """

    false_positives: float
    least: float

    def exact(self, totals: Sequence[Totals]) -> float:
        """Return the figure; see `Rule`."""
        (sums,) = totals
        with np.errstate(invalid="ignore"):
            rates = (sums.true / np.float64(sums.faces))[sums.kept - sums.right <= self.false_positives]
        if math.isnan(self.least):
            return float(rates.max()) if len(rates) else math.nan
        return float(np.append(rates, self.least / sums.faces if sums.faces else math.nan).max())

    def many(self, sums: Sums) -> FloatArray:
        """Return the figures; see `Rule`. The point at no false positive counts as present."""
        within = sums.kept - sums.right <= self.false_positives * sums.share
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.max(sums.true, axis=0, where=within, initial=0.0) / sums.faces)


@dataclass(frozen=True, slots=True)
class MeanPrecision:
    """Mean precision at 101 recalls, over the IoU thresholds: COCO. Source: pycocotools, `accumulate`."""

    def exact(self, totals: Sequence[Totals]) -> float:
        """Return the figure; see `Rule`."""
        return float(np.mean([self._at_recalls(sums) for sums in totals])) if totals[0].faces else math.nan

    def many(self, sums: Sums) -> FloatArray:
        """Return the figures; see `Rule`."""
        return np.where(sums.faces > 0, precision_at(sums, _RECALLS).mean(axis=0), np.nan)

    @staticmethod
    def _at_recalls(sums: Totals) -> FloatArray:
        precision = sums.true / (sums.kept + _EPSILON)
        highest = np.maximum.accumulate(precision[::-1])[::-1]
        where = np.searchsorted(sums.true / sums.faces, _RECALLS, side="left")
        return np.append(highest, 0.0)[where]


@dataclass(frozen=True, slots=True)
class FinalRecall:
    """Mean over the IoU thresholds of the recall with every detection: COCO's AR."""

    def exact(self, totals: Sequence[Totals]) -> float:
        """Return the figure; see `Rule`."""
        ends = [float(sums.true[-1]) / sums.faces if len(sums.true) else 0.0 for sums in totals if sums.faces]
        return float(np.mean(ends)) if ends else math.nan

    def many(self, sums: Sums) -> FloatArray:
        """Return the figures; see `Rule`."""
        last = sums.true[-1] if len(sums.true) else np.zeros(len(sums.faces))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(last / sums.faces)


_RECALLS = np.linspace(0.0, 1.00, 101)


def envelope(sums: Sums) -> FloatArray:
    """Return the largest precision at each step or later: float64 (steps, b); 0 where no detection counts."""
    precision = np.divide(sums.true, sums.kept, out=np.zeros_like(sums.kept), where=sums.kept > 0)
    reversed_ = precision[::-1]
    np.maximum.accumulate(reversed_, axis=0, out=reversed_)
    return precision


def precision_at(sums: Sums, recalls: FloatArray) -> FloatArray:
    """Return the largest precision at each recall or beyond it: float64 (recalls, b); 0 where it is not reached.

    Args:
        sums: Of one curve.
        recalls: float64 (k,), fractions.
    """
    highest = np.vstack((envelope(sums), np.zeros((1, len(sums.faces)))))
    with np.errstate(divide="ignore", invalid="ignore"):
        reached = sums.true / sums.faces
    found = np.empty((len(recalls), len(sums.faces)))
    for b in range(found.shape[1]):
        found[:, b] = highest[np.searchsorted(reached[:, b], recalls, side="left"), b]
    return found


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric comes from ledgers.

    Attributes:
        rule: Turns sums into the figure.
        ledgers: Names of the ledgers; the figure is the mean over them.
    """

    rule: Rule
    ledgers: tuple[str, ...]


class LazyLedgers(Mapping[str, Ledger]):
    """Ledgers by name, each made when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Ledger]]) -> None:
        self._makers, self._made = dict(makers), dict[str, Ledger]()

    def __getitem__(self, name: str) -> Ledger:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"LazyLedgers({', '.join(self._makers)})"


def ledger_of_detections(
    image: IntArray, step: IntArray, kept: BoolArray, right: BoolArray, faces: IntArray, scores: FloatArray
) -> Ledger:
    """Return the ledger of a matching in which every detection joins at one step and keeps its role.

    Args:
        image: int64 (d,), position of each detection's image.
        step: int64 (d,), the first step that keeps it; the number of steps where none does.
        kept: bool (d,), whether it counts.
        right: bool (d,), whether it is right.
        faces: int64 (n,), counted faces of each image.
        scores: float64 (steps,), the score of each step.
    """
    rows = np.flatnonzero(kept & (step < len(scores)))
    rows = rows[np.argsort(step[rows], kind="stable")]
    true = right[rows].astype(np.float64)
    return Ledger(
        image=image[rows],
        step=step[rows],
        kept=np.ones(len(rows)),
        true=true,
        right=true,
        faces=faces,
        scores=scores,
        detection_step=step,
    )
