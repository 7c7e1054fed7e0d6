"""Rules by which a threshold is chosen, and thresholds as short texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Literal, cast, get_args

import numpy as np

from sshbench.analysis.scored import Counts
from sshbench.errors import UsageError
from sshbench.records import BoolArray, FloatArray, IntArray

RuleName = Literal["best-f1", "precision", "recall", "fppi", "score", "lrp"]
_WITHOUT_TARGET = ("best-f1", "lrp")


@dataclass(frozen=True, slots=True)
class PointRule:
    """How a threshold is chosen among the distinct raw scores.

    `best-f1` takes the largest F1; `precision` and `fppi` the largest recall with at least that precision, or at most
    so many false detections per image; `recall` the highest score with at least that recall; `score` a given score;
    `lrp` the least LRP error. On ties all take the highest score. Precision is the raw one and not the envelope, which
    belongs to another threshold.

    Attributes:
        name: Of the rule.
        target: The number asked for; None for `best-f1` and `lrp`.
    """

    name: RuleName
    target: float | None = None

    @classmethod
    def parse(cls, text: str) -> PointRule:
        """Read a rule as the command line has it.

        Raises:
            UsageError: It is none.

        >>> PointRule.parse("precision=0.9"), str(PointRule.parse("best-f1"))
        (PointRule(name='precision', target=0.9), 'best-f1')
        """
        name, given, number = text.strip().partition("=")
        try:
            target = float(number) if given else None
        except ValueError:
            target = math.nan
        if name not in get_args(RuleName) or not _allowed(name, target):
            raise UsageError(
                f"'{text}' is not an operating point",
                remedy="Use best-f1, lrp, precision=0.9, recall=0.8 (both over 0 and up to 1), fppi=0.1 or score=0.35",
            )
        return cls(cast(RuleName, name), target)

    def __str__(self) -> str:
        return self.name if self.target is None else f"{self.name}={self.target:g}"

    def choose(self, counts: Counts, scores: FloatArray) -> IntArray:
        """Return the chosen step for each set of weights: int64 (b,), -1 where the target cannot be reached.

        Args:
            counts: At the steps.
            scores: float64 (steps,), falling.
        """
        sets = counts.kept.shape[1]
        if self.name == "score":
            assert self.target is not None
            return np.full(sets, np.searchsorted(-scores, -self.target, side="right") - 1)
        if not len(scores):
            return np.full(sets, -1)
        # Before the first detection of a set of weights there is nothing to choose.
        worth = np.where(counts.kept > 0, self._worth(counts), -np.inf)
        best = np.argmax(worth, axis=0)
        return np.where(worth[best, np.arange(sets)] > -np.inf, best, -1)

    def _worth(self, counts: Counts) -> FloatArray:
        """Return what is made as large as possible, -inf where the target is missed: float64 (steps, b)."""
        if self.name == "best-f1":
            return np.asarray(2 * counts.right / np.maximum(counts.kept + counts.faces, 1))
        if self.name == "lrp":
            return -counts.lrp
        return np.where(self.holds(counts), 0.0 if self.name == "recall" else counts.right, -np.inf)

    def holds(self, counts: Counts) -> BoolArray:
        """Return where the target is met: bool (steps, b)."""
        assert self.target is not None
        figures = self.figures(counts)
        return np.asarray(figures <= self.target if self.name == "fppi" else figures >= self.target)

    def figures(self, counts: Counts) -> FloatArray:
        """Return what the target of `precision`, `recall` or `fppi` is of: float64 (steps, b); NaN where undefined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.name == "precision":
                return np.asarray(counts.right / counts.kept)
            return np.asarray(counts.right / counts.faces if self.name == "recall" else counts.false / counts.images)


def _allowed(name: str, target: float | None) -> bool:
    if target is None or name in _WITHOUT_TARGET:
        return target is None and name in _WITHOUT_TARGET
    if name in ("precision", "recall"):
        return 0 < target <= 1
    return math.isfinite(target) and (name == "score" or target >= 0)


def threshold_text(score: float, lower: float | None) -> str:
    """Return a score with the fewest digits that tell it from the next lower one, so that `>=` keeps the same.

    Args:
        score: The lowest score that is kept.
        lower: The highest score that is not; None where all are kept, then all digits are given.

    >>> threshold_text(0.35127, 0.3498), threshold_text(0.9, 0.1), threshold_text(123456.0, 120000.0)
    ('0.35', '0.9', '123000')
    """
    exact = Decimal(repr(score))
    if lower is not None and score != 0:
        for digits in range(-exact.adjusted(), 20 - exact.adjusted()):
            text = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR)
            if lower < float(text):
                return f"{text:f}" if -7 < exact.adjusted() < 16 else str(text)
    return repr(score)
