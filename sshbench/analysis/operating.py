"""Operating points: thresholds chosen by a rule, and what they give.

Counts and choices are exact. Where a run has more than 2 000 distinct scores, choices on resampled datasets (the
interval of the score, nothing else) are among about 2 000 of them, at even ranks of the right detections.

A threshold that is chosen on one dataset is good for other images only as far as these have its share of faces, and
its number of false detections per image only as far as they are as crowded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sshbench.analysis.intervals import defined, enough, spread
from sshbench.analysis.point_rules import PointRule as PointRule
from sshbench.analysis.point_rules import threshold_text
from sshbench.analysis.record import HeldOut, Lrp, OperatingPoint, Spread
from sshbench.analysis.resample import CompiledLedger
from sshbench.analysis.scored import Counts, knows_overlaps, score_ledger, with_others
from sshbench.analysis.subject import Subject
from sshbench.evaluators.ledger import Ledger
from sshbench.evaluators.wider import WiderResult
from sshbench.protocols import FddbEvaluation
from sshbench.records import Finding, FloatArray, IntArray

_FOLDS = 5
_GRID = 2000
_FIGURES = ("precision", "recall", "fppi")


def default_rules(subject: Subject) -> list[PointRule]:
    """Return the rules of the table: best F1, rising precision, recall and false detections per image, least LRP."""
    rates = [0.01, 0.1, 1.0]
    if isinstance(subject.protocol.evaluation, FddbEvaluation):
        # The counts of false detections that its metrics are of, per image.
        rates = [n / max(len(subject.faces), 1) for n in subject.protocol.evaluation.false_positives]
    return [
        PointRule("best-f1"),
        *(PointRule("precision", target) for target in (0.9, 0.95, 0.99)),
        *(PointRule("recall", target) for target in (0.8, 0.9, 0.95)),
        *(PointRule("fppi", target) for target in rates),
        *([PointRule("lrp")] if knows_overlaps(subject) else []),
    ]


def operating_points(
    subject: Subject, rules: Sequence[PointRule] | None = None
) -> tuple[list[OperatingPoint], list[Finding]]:
    """Choose thresholds and measure what they give.

    Args:
        subject: The evaluation and its curve.
        rules: How thresholds are chosen; default: `default_rules`.

    Returns:
        One point per rule, in their order; and findings `target-unreached`, `crosses-again` and `held-out-misses`,
        which name the rules.
    """
    table = _Table(subject, default_rules(subject) if rules is None else rules)
    points = [table.point(rule) for rule in table.rules]
    return points, _findings(table.rules, points)


class _Table:
    """Counts at every score, on all images and without each fold, and the step that each rule chooses.

    Attributes:
        rules: Without repetitions.
    """

    def __init__(self, subject: Subject, rules: Sequence[PointRule]) -> None:
        self._subject = subject
        self.rules = list(dict.fromkeys(rules))
        self._ledger = score_ledger(subject)
        self._scores = self._ledger.scores
        self._images = len(subject.faces)
        self._fold = folds_of(subject.detections.keys)
        without = self._fold[:, None] != np.arange(_FOLDS)
        weights = np.column_stack((np.ones(len(self._fold)), without.astype(np.float64)))
        self._counts = Counts.of(self._ledger, weights, self._images)
        self._steps = {rule: self._chosen(rule) for rule in self.rules}
        self._sure = enough(self._ledger.faces)
        self._figures = self._figures_resampled() if self._sure else {}
        self._anew = self._scores_resampled() if self._sure else {}

    def _chosen(self, rule: PointRule) -> IntArray:
        """Return the step on all images, then without each fold: int64 (6,)."""
        steps = rule.choose(self._counts, self._scores)
        if rule.name == "best-f1" and len(self._scores):
            # Of thresholds with equal F1, the one that the evaluator names, which may round rates (FDDB).
            (same,) = np.nonzero(self._scores == self._subject.outcome.best_f1_score(self._subject.curve))
            steps[:1] = same if len(same) else steps[:1]
        return steps

    def _figures_resampled(self) -> dict[PointRule, dict[str, FloatArray]]:
        """Return precision, recall and FPPI of each resampled dataset at the chosen scores, by rule."""
        reached = [rule for rule in self.rules if self._steps[rule][0] >= 0]
        ledger, images = self._ledger, self._ledger.images
        ends = [int(np.searchsorted(ledger.step, self._steps[rule][0], side="right")) for rule in reached]
        columns = [
            np.bincount(ledger.image[:end], column[:end], minlength=images)
            for column in (ledger.kept, ledger.right)
            for end in ends
        ]
        by_image = np.column_stack([*columns, ledger.faces, np.arange(images) < self._images]).astype(np.float64)
        parts = [
            with_others(weights, images).T.astype(np.float64) @ by_image
            for _, weights in self._subject.resampling.batches()
        ]
        sums = np.vstack(parts).T
        found = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            for rule, kept, right in zip(reached, sums, sums[len(reached) :], strict=False):
                figures = (right / kept, right / sums[-2], (kept - right) / sums[-1])
                found[rule] = dict(zip(_FIGURES, figures, strict=True))
        return found

    def _scores_resampled(self) -> dict[PointRule, FloatArray]:
        """Return the score that each rule chooses on each resampled dataset; infinite where the target is not reached.

        To reach a recall a lower threshold than any would be needed, to reach another target a higher one.
        """
        chosen = [int(steps[0]) for steps in self._steps.values() if steps[0] >= 0]
        grid = _grid(self._ledger, chosen)
        compiled, scores = CompiledLedger(self._ledger, grid), self._scores[grid]
        found = {rule: np.empty(self._subject.resampling.replicates) for rule in self.rules if rule.name != "score"}
        for part, weights in self._subject.resampling.batches():
            sums = compiled.sums(with_others(weights, self._ledger.images))
            images = weights.sum(axis=0, dtype=np.float64)
            counts = Counts(kept=sums.kept, right=sums.right, overlap=sums.true, faces=sums.faces, images=images)
            for rule, values in found.items():
                beyond = -np.inf if rule.name == "recall" else np.inf
                # The score of step -1, past the last one, is the one that is taken for "not reached".
                values[part] = np.append(scores, beyond)[rule.choose(counts, scores)]
                values[part][counts.faces == 0] = np.nan
        return found

    def point(self, rule: PointRule) -> OperatingPoint:
        """Return what a rule chooses, and what it gives."""
        step = int(self._steps[rule][0])
        crossings = self._crossings(rule)
        if step < 0:
            return OperatingPoint(
                rule=rule.name, target=rule.target, reached=self._reached(rule), score=None, crossings=crossings
            )
        kept, right = self._counts.kept[step, 0], self._counts.right[step, 0]
        faces, score = self._counts.faces[0], float(self._scores[step])
        lower = float(self._scores[step + 1]) if step + 1 < len(self._scores) else None
        anew = spread(score, self._anew.get(rule), self._subject.resampling)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision, recall, fppi = right / kept, right / faces, (kept - right) / self._images
        return OperatingPoint(
            rule=rule.name,
            target=rule.target,
            score=score,
            threshold=threshold_text(score, lower),
            normalised=self._normalised(score),
            score_low=anew.low,
            score_high=anew.high,
            found=round(right),
            false=round(kept - right),
            precision=self._spread(rule, "precision", precision),
            recall=self._spread(rule, "recall", recall),
            fppi=self._spread(rule, "fppi", fppi),
            f1=float(2 * right / max(kept + faces, 1)),
            held_out=self._held_out(rule),
            lrp=self._lrp(step),
            crossings=crossings,
        )

    def _spread(self, rule: PointRule, name: str, value: float) -> Spread:
        replicates = self._figures[rule][name] if rule in self._figures else None
        return spread(float(value), replicates, self._subject.resampling)

    def _reached(self, rule: PointRule) -> float | None:
        if not len(self._scores):
            return None
        if rule.name == "score":
            return float(self._scores[0])
        if rule.name not in _FIGURES:
            return None
        figures = rule.figures(self._counts)[:, 0]
        return defined(np.min(figures) if rule.name == "fppi" else np.max(figures))

    def _crossings(self, rule: PointRule) -> int | None:
        if rule.name != "precision":
            return None
        holds = rule.holds(self._counts)[:, 0]
        return int(np.count_nonzero(holds[1:] != holds[:-1]))

    def _normalised(self, score: float) -> float | None:
        result = self._subject.outcome.result
        return defined(result.score_range.normalise(np.array([score]))[0]) if isinstance(result, WiderResult) else None

    def _held_out(self, rule: PointRule) -> HeldOut | None:
        """Choose on four folds, measure on the fifth, and add up; None where a choice is not possible."""
        steps = self._steps[rule][1:]
        used = np.isin(np.arange(_FOLDS), self._fold)
        if rule.name == "score" or (steps[used] < 0).any():
            return None
        columns = np.flatnonzero(used) + 1
        kept, right = (
            float((sums[steps[used], 0] - sums[steps[used], columns]).sum())
            for sums in (self._counts.kept, self._counts.right)
        )
        faces = float(self._counts.faces[0])
        return HeldOut(
            precision=right / kept if kept else None,
            recall=right / faces if faces else None,
            fppi=(kept - right) / self._images if self._images else None,
        )

    def _lrp(self, step: int) -> Lrp | None:
        if not knows_overlaps(self._subject):
            return None
        counts = self._counts.at(step)
        kept, right, overlap, faces = (
            sums.item() for sums in (counts.kept, counts.right, counts.overlap, counts.faces)
        )
        return Lrp(
            total=defined(counts.lrp.item()),
            localisation=(right - overlap) / 0.5 / right if right else None,
            false=(kept - right) / kept if kept else None,
            missed=(faces - right) / faces if faces else None,
        )


def folds_of(keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the fold of each image, its key's sha256 modulo 5: the same on every machine, whatever other images are.

    >>> folds_of(["a", "b", "c"]).tolist()
    [4, 0, 3]
    """
    digests = (hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest() for key in keys)
    return np.array([int.from_bytes(digest, "big") % _FOLDS for digest in digests], dtype=np.int64)


def _grid(ledger: Ledger, chosen: Sequence[int]) -> IntArray:
    """Return the steps that choices on resampled datasets are among, ascending, with those that were chosen."""
    if ledger.steps <= _GRID:
        return np.arange(ledger.steps)
    changes = np.unique(ledger.step[ledger.right != 0])
    places = np.unique(np.linspace(0, max(len(changes) - 1, 0), _GRID).astype(np.int64))
    return np.unique(np.append(changes[places[: len(changes)]], np.array(chosen, dtype=np.int64)))


def _findings(rules: Sequence[PointRule], points: Sequence[OperatingPoint]) -> list[Finding]:
    unreached, again, missing = [], [], []
    for rule, point in zip(rules, points, strict=True):
        if point.score is None:
            unreached.append(str(rule))
        if (point.crossings or 0) > 1 and point.score is not None:
            again.append(str(rule))
        if _held_out_misses(point):
            missing.append(str(rule))
    texts = {
        "target-unreached": (unreached, "no score reaches the target; the best value there is stands beside it"),
        "crosses-again": (
            again,
            "precision crosses the target more than once as the threshold falls: at some higher thresholds it is lower",
        ),
        "held-out-misses": (
            missing,
            "on images that the threshold was not chosen on, the target is missed by more than the interval's width: "
            "expect the held-out figures on new images",
        ),
    }
    return [
        Finding(code, f"{', '.join(names)}: {text}", tuple(names)) for code, (names, text) in texts.items() if names
    ]


def _held_out_misses(point: OperatingPoint) -> bool:
    """Return whether the held-out figure misses the target by more than its interval reaches to that side."""
    if point.target is None or point.held_out is None or point.rule not in _FIGURES:
        return False
    held, at = getattr(point.held_out, point.rule), getattr(point, point.rule)
    if held is None or at is None or at.low is None or at.high is None:
        return False
    if point.rule == "fppi":
        return bool(held - point.target > at.high - at.value)
    return bool(point.target - held > at.value - at.low)
