"""WIDER FACE evaluation, bit for bit as the official MATLAB tool does it.

Four steps, each a function of its own: scores are normalised over the whole set, every detection is matched once with
the best box of its image, detections and recalls are counted at 1 000 thresholds per subset, and AP is the area under
the curve. Matching does not depend on the subset; counting does not depend on the boxes.

The official tool passes over images without any ground-truth box, so their detections count nowhere
(`images_without_faces = "skip"`); the range of the scores is still taken over all images.

Source: norm_score.m, evaluation.m, boxoverlap.m, VOCap.m of the WIDER FACE evaluation tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.curves import PRCurve, wider_ap
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, NEUTRAL, RIGHT, UNUSED, Fates, FatesAt, Outcome, Progress, fixed_roles
from sshbench.evaluators.ledger import AveragePrecision, LazyLedgers, Ledger, Measure, ledger_of_detections
from sshbench.evaluators.matching import best_boxes
from sshbench.flat import RowArray, blocks, row_type
from sshbench.protocols import Protocol, WiderEvaluation
from sshbench.records import BoolArray, DetectionSet, FaceSet, Finding, FloatArray, IntArray

# norm_score.m starts its search for the range from realmin('single') and realmax('single').
_START = (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max))
_BLOCK = 1 << 16  # detections that are counted at a time: what a block needs besides is then small

Steps = npt.NDArray[np.int32]
"""By detection, the position of a threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class WiderMatch:
    """Which ground truth box each detection hits.

    Attributes:
        box: int32 (n,), row of the hit box in the FaceSet, -1 where the detection hits none.
        order: int32 (n,), the detections by image and, within it, by falling raw score (stable, NaN first).

    Both are int64 where a set has more than 2^31 rows.
    """

    __repr__ = short_repr

    box: RowArray
    order: RowArray


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The range of a set's scores, by which they are normalised; see `normalise_scores`."""

    lowest: np.floating[Any]
    highest: np.floating[Any]

    @classmethod
    def of(cls, scores: FloatArray, *, single: bool, start: tuple[float, float] = _START) -> ScoreRange:
        """Take the range of raw scores; NaN is skipped; see `normalise_scores` for `start`."""
        dtype = np.float32 if single else np.float64
        with np.errstate(all="ignore"):
            s = np.asarray(scores, dtype=dtype)
            highest = np.fmax(dtype(start[0]), np.fmax.reduce(s, initial=dtype(start[0])))
            lowest = np.fmin(dtype(start[1]), np.fmin.reduce(s, initial=dtype(start[1])))
        return cls(lowest, highest)

    def normalise(self, scores: FloatArray) -> FloatArray:
        """Map raw scores to [0, 1], in the precision of the range: float64 (n,)."""
        with np.errstate(all="ignore"):
            s = scores.astype(self.lowest.dtype)
            return np.asarray((s - self.lowest) / (self.highest - self.lowest), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class WiderResult:
    """The outcome of a WIDER FACE evaluation.

    Attributes:
        curves: By subset, the PR curve of 1 000 points and its AP.
        counts: By subset, int64 (1000, 2): detections kept and faces recalled at each threshold.
        match: The matching, for reports.
        scores: float64 (n,), the raw scores.
        score_range: Their range, by which they are normalised.
        faces: By subset, how many faces count.
        passed_over: bool (n,), the detections that count nowhere because their image has no ground-truth box; all
            False where the protocol counts them.
        step: int32 (n,), the first threshold that keeps a detection; the number of thresholds for one that none keeps.
        findings: `images-without-faces` where detections were passed over.
    """

    __repr__ = short_repr

    curves: Mapping[str, PRCurve]
    counts: Mapping[str, IntArray]
    match: WiderMatch
    scores: FloatArray
    score_range: ScoreRange
    faces: Mapping[str, int]
    passed_over: BoolArray
    step: Steps
    findings: tuple[Finding, ...] = ()

    @property
    def normalised(self) -> FloatArray:
        """The scores after normalisation, float64 (n,); computed when they are asked for."""
        return self.score_range.normalise(self.scores)

    @property
    def metrics(self) -> dict[str, float]:
        """`AP/<subset>` as unrounded fractions; NaN where no face counts, as the official tool has it."""
        return {f"AP/{name}": curve.ap for name, curve in self.curves.items()}


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Evaluate detections by the WIDER FACE protocol; the arguments are those of every `EvaluatorFunction`."""
    detections = detections.aligned(faces.keys)
    result = evaluate_wider(detections, faces, protocol)
    return Outcome(
        metrics=result.metrics,
        curves=dict(result.curves),
        counted=result.faces,
        result=result,
        findings=result.findings,
        pictured=protocol.subsets[-1].name,
        scores=detections.scores,
        used=detections.total - int(result.passed_over.sum()),
        fates_at={name: partial(_fates_from, result, detections, faces, name) for name in result.curves},
        measures={f"AP/{name}": Measure(AveragePrecision(), (name,)) for name in result.curves},
        ledgers=LazyLedgers({name: partial(_ledger, result, detections, faces, name) for name in result.curves}),
    )


def _fates_from(result: WiderResult, detections: DetectionSet, faces: FaceSet, subset: str, min_score: float) -> Fates:
    return wider_fates(result, detections, faces, subset)(min_score)


def _ledger(result: WiderResult, detections: DetectionSet, faces: FaceSet, subset: str) -> Ledger:
    fates = wider_fates(result, detections, faces, subset)(-np.inf)
    thresholds = len(result.counts[subset])
    return ledger_of_detections(
        image=detections.image_rows,
        step=result.step.astype(np.int64),
        kept=fates.right | fates.false,
        right=fates.right,
        faces=faces.counted_by_image(subset),
        scores=1.0 - np.arange(1, thresholds + 1) / thresholds,
    )


def evaluate_wider(detections: DetectionSet, faces: FaceSet, protocol: Protocol) -> WiderResult:
    """Evaluate detections by the WIDER FACE protocol.

    Args:
        detections: One entry per image of `faces`, in the same order; rows in any order.
        faces: Ground truth with an ignore flag per subset of the protocol.
        protocol: Subsets and numbers; `evaluation.kind` is `wider`.

    Returns:
        Curves, counts and the matching.

    Raises:
        SshbenchError: The images of the two sets differ, or a subset has no ignore flags.
    """
    if detections.keys != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    rules = protocol.rules(WiderEvaluation)
    score_range = ScoreRange.of(detections.scores, single=rules.score_precision == "float32")
    match = match_wider(detections, faces, protocol)
    step = threshold_steps(detections, score_range, match.order, rules.thresholds)
    passed_over, findings = pass_over(detections, faces, rules)

    curves: dict[str, PRCurve] = {}
    counts: dict[str, IntArray] = {}
    counted: dict[str, int] = {}
    for subset in protocol.subsets:
        if subset.name not in faces.ignore:
            raise SshbenchError(f"the ground truth has no ignore flags for subset '{subset.name}'")
        ignore = faces.ignore[subset.name]
        counted[subset.name] = faces.counted(subset.name)
        counts[subset.name], curves[subset.name] = subset_curve(match, step, ignore, passed_over, rules.thresholds)
    return WiderResult(
        curves=curves,
        counts=counts,
        match=match,
        scores=detections.scores,
        score_range=score_range,
        faces=counted,
        passed_over=passed_over,
        step=step,
        findings=findings,
    )


def wider_fates(result: WiderResult, detections: DetectionSet, faces: FaceSet, subset: str) -> FatesAt:
    """Return what became of every detection and face of a subset, by the evaluation's own matching.

    The first detection, by falling score, that hits a counted face is right; later ones, and those without a hit, are
    false. Detections that no threshold keeps, or whose image is passed over, take no part.

    Args:
        result: The evaluation of `detections` and `faces`.
        detections: As evaluated.
        faces: As evaluated.
        subset: Name of the subset.
    """
    ignore, box = faces.ignore[subset], result.match.box
    thresholds = len(result.counts[subset])
    used = (result.step < thresholds) & ~result.passed_over
    hit = used & (box >= 0)
    neutral = np.zeros(len(box), dtype=np.bool_)
    neutral[hit] = ignore[box[hit]]
    ranked = result.match.order[(hit & ~neutral)[result.match.order]]
    roles = np.where(used, FALSE, UNUSED).astype(np.int8)
    roles[neutral] = NEUTRAL
    roles[ranked[np.unique(box[ranked], return_index=True)[1]]] = RIGHT
    return fixed_roles(roles, box.astype(np.int64), ~ignore, detections.scores)


def normalise_scores(scores: npt.ArrayLike, *, single: bool = True, start: tuple[float, float] = _START) -> FloatArray:
    """Map scores to [0, 1] over the whole set.

    Args:
        scores: (n,) raw scores of all images; NaN is skipped when the range is taken.
        single: Compute in single precision, as the official tool does; False shows how much that matters.
        start: Values that the search for the highest and the lowest score starts from; default: the official tool's.

    Returns:
        float64 (n,); all NaN where every score is the same, NaN for an infinite one.

    Source: norm_score.m.
    """
    raw = np.asarray(scores, dtype=np.float64)
    return ScoreRange.of(raw, single=single, start=start).normalise(raw)


def match_wider(detections: DetectionSet, faces: FaceSet, protocol: Protocol) -> WiderMatch:
    """Give each detection the best ground truth box of its image, if that reaches the IoU threshold.

    The best is taken over **all** boxes, counted or ignored, the first one on ties; it does not matter whether a
    better detection already hit it. Source: evaluation.m, image_evaluation.
    """
    rules = protocol.rules(WiderEvaluation)
    box = best_boxes(
        detections,
        faces,
        threshold=rules.iou_threshold,
        inclusive=rules.box_convention == "inclusive",
        int32=rules.iou_arithmetic == "int32",
    )
    return WiderMatch(box=box, order=score_order(detections))


def score_order(detections: DetectionSet) -> RowArray:
    """Return the rows by image and, within it, by falling raw score: stable, NaN first (MATLAB's descending sort)."""
    order: RowArray = np.arange(0, detections.total, dtype=row_type(detections.total))
    for first, last in blocks(detections.offsets, _BLOCK):
        offsets = detections.offsets[first : last + 1]
        rows = slice(int(offsets[0]), int(offsets[-1]))
        scores = detections.scores[rows]
        # NaN sorts first where it is taken for +inf, but it must also come before a real +inf.
        is_nan = np.isnan(scores)
        rising = scores[1:] > scores[:-1]
        bounds = offsets[1:-1] - offsets[0]
        rising[bounds[(bounds > 0) & (bounds < len(scores))] - 1] = False
        if rising.any() or is_nan.any():
            image = np.repeat(np.arange(last - first), np.diff(offsets))
            order[rows] = np.lexsort((-scores, ~is_nan, image)) + offsets[0]
    return order


def threshold_steps(
    detections: DetectionSet, score_range: ScoreRange, order: RowArray, thresholds: int = 1000
) -> Steps:
    """Return the first threshold (0-based) at which each detection is kept; `thresholds` for one that never is.

    An image keeps its rows, in order, up to the **last** one whose score reaches the threshold. A row thus counts from
    the highest score at or after it; that differs from its own score only for NaN rows, which are sorted first.

    Args:
        detections: Gives the images' bounds, and raw scores.
        score_range: Normalises the scores.
        order: As `WiderMatch.order`.
        thresholds: Threshold t = 1..T is `1 - t / T`, in double.

    Returns:
        int32 (n,), in the detections' own row order.
    """
    step = np.empty(detections.total, dtype=np.int32)
    for first, last in blocks(detections.offsets, _BLOCK):
        offsets = detections.offsets[first : last + 1] - detections.offsets[first]
        rows = order[detections.offsets[first] : detections.offsets[last]]
        score = score_range.normalise(detections.scores[rows])
        step[rows] = steps_of(score, offsets, thresholds)
    return step


def steps_of(scores: FloatArray, offsets: IntArray, thresholds: int) -> Steps:
    """Return the first threshold (0-based) at which each row of ranked images is kept; `thresholds` where none does.

    Args:
        scores: float64 (n,), normalised, in each image by falling raw score, NaN first.
        offsets: int64 (images + 1,), the images' bounds.
        thresholds: As for `threshold_steps`.

    >>> steps_of(np.array([1.0, 0.5, 0.0, np.nan]), np.array([0, 3, 4]), 1000).tolist()
    [0, 499, 999, 1000]
    """
    if np.isnan(scores).any():
        scores = highest_to_come(scores, offsets)
    rising = (1.0 - np.arange(1, thresholds + 1) / thresholds)[::-1]
    kept_from = thresholds - np.searchsorted(rising, scores, side="right")
    return np.asarray(np.where(np.isnan(scores), thresholds, kept_from), dtype=np.int32)


def highest_to_come(scores: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the highest score at or after each row of its image; NaN is skipped.

    Args:
        scores: float64 (n,).
        offsets: int64 (images + 1,), the images' bounds.

    Returns:
        float64 (n,).

    >>> highest_to_come(np.array([0.2, 0.5, 0.1, 0.3]), np.array([0, 2, 4])).tolist()
    [0.5, 0.5, 0.3, 0.3]
    """
    highest = np.empty(len(scores))
    for start, end in pairwise(offsets):
        highest[start:end] = np.fmax.accumulate(scores[start:end][::-1])[::-1]
    return highest


def pass_over(
    detections: DetectionSet, faces: FaceSet, rules: WiderEvaluation
) -> tuple[BoolArray, tuple[Finding, ...]]:
    """Return which detections count nowhere because of `images_without_faces`, and the finding that says so.

    Args:
        detections: One entry per image of `faces`, in the same order.
        faces: The ground truth.
        rules: The protocol's numbers.

    Returns:
        bool (n,), True for a detection that is passed over; and the finding `images-without-faces`, where there is one.
    """
    counts = np.diff(detections.offsets)
    without = (np.diff(faces.offsets) == 0) & (rules.images_without_faces == "skip")
    passed_over: BoolArray = np.repeat(without, counts)
    images = np.flatnonzero(without & (counts > 0))
    if not len(images):
        return passed_over, ()
    text = (
        f"{np.count_nonzero(passed_over)} detections in {len(images)} images without any ground-truth box were passed "
        'over, as by the official tool. Set images_without_faces = "count" in a protocol of your own to count them as '
        "false positives"
    )
    return passed_over, (Finding("images-without-faces", text, tuple(faces.keys[i] for i in images)),)


def subset_curve(
    match: WiderMatch, step: Steps, ignore: BoolArray, passed_over: BoolArray, thresholds: int
) -> tuple[IntArray, PRCurve]:
    """Count detections and recalled faces of one subset at every threshold, and draw the curve.

    Args:
        match: Which box each detection hits.
        step: int32 (n,), the first threshold that keeps a detection, as from `threshold_steps`.
        ignore: bool (m,), True for a face that does not count in the subset.
        passed_over: bool (n,), True for a detection that counts nowhere.
        thresholds: Number of thresholds T.

    Returns:
        int64 (T, 2), detections kept and faces recalled; and the curve of T points.

    Source: evaluation.m, img_pr_info and dataset_pr_info; VOCap.m.
    """
    counts = _count(match, step, ignore, passed_over, thresholds)
    return counts, _curve(counts, int(np.count_nonzero(~ignore)))


def _count(match: WiderMatch, step: Steps, ignore: BoolArray, passed_over: BoolArray, thresholds: int) -> IntArray:
    kept = np.zeros(thresholds + 1, dtype=np.int64)
    # The first hit of a face in order of score recalls it. Steps never fall in that order: it has the smallest step.
    recalled_from = np.full(len(ignore), thresholds, dtype=np.int32)
    for first in range(0, len(step), _BLOCK):
        rows = slice(first, first + _BLOCK)
        hit = match.box[rows] >= 0
        box, steps = match.box[rows][hit], step[rows]
        dropped = passed_over[rows].copy()
        dropped[hit] = ignore[box]
        kept += np.bincount(steps[~dropped], minlength=thresholds + 1)
        np.minimum.at(recalled_from, box, steps[hit])
    recalled = np.bincount(recalled_from[~ignore], minlength=thresholds + 1)
    return np.column_stack((np.cumsum(kept[:thresholds]), np.cumsum(recalled[:thresholds])))


def _curve(counts: IntArray, faces: int) -> PRCurve:
    kept, recalled = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = recalled / kept
        recall = recalled / np.float64(faces)
    thresholds = 1.0 - np.arange(1, len(counts) + 1) / len(counts)
    return PRCurve(precision=precision, recall=recall, thresholds=thresholds, ap=wider_ap(recall, precision))
