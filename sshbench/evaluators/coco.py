"""COCO evaluation with a limit of detections per image that fits the data; by hotcoco, or by pycocotools.

COCO allows 100 detections per image. Crowds have more faces than that (59 images of WIDER FACE val alone), so the limit
is raised to what the data need, and stated. The libraries' own summaries cannot be used then: their AP looks for the
limit 100. The figures are therefore taken from the arrays of precision and recall, by the same means.

Source: pycocotools, `cocoeval.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np

from sshbench.curves import PRCurve
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, NEUTRAL, RIGHT, UNUSED, Fates, FatesAt, Outcome, Progress, fixed_roles
from sshbench.evaluators.coco_backends import (
    BACKENDS,
    IOU_50,
    IOU_THRESHOLDS,
    CocoArrays,
    CocoMatches,
    backend_for,
    counted_in,
)
from sshbench.evaluators.ledger import (
    FinalRecall,
    LazyLedgers,
    Ledger,
    MeanPrecision,
    Measure,
    Rule,
    ledger_of_detections,
)
from sshbench.protocols import CocoEvaluation, Protocol
from sshbench.records import BoolArray, DetectionSet, FaceSet, Finding, FloatArray

MIN_LIMIT = 100
AREAS = ("small", "medium", "large")
_IOU_75 = 5  # position among the ten IoU thresholds


@dataclass(frozen=True, slots=True, eq=False)
class CocoResult:
    """Outcome of a COCO evaluation.

    Attributes:
        metrics: By name, fractions; NaN where no face counts. `AP` and `AR` are means over the ten IoU thresholds;
            `AP50`, `AP75` at one; `AP/small` and so on by the faces' area (32 and 96 pixels squared).
        curves: By subset, precision at 101 recalls at IoU 0.5.
        counted: By subset, the faces that count.
        max_detections: The limit of detections per image.
        fates: By subset, what became of detections and faces at IoU 0.5; computed when it is first asked for.
        backend: The library that computed it.
        matches: By subset and area, what was matched with what; computed when asked for.
    """

    __repr__ = short_repr

    metrics: Mapping[str, float]
    curves: Mapping[str, PRCurve]
    counted: Mapping[str, int]
    max_detections: int
    fates: Mapping[str, FatesAt]
    backend: str
    matches: Mapping[str, CocoSums]


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Evaluate detections as pycocotools does; the arguments are those of every `EvaluatorFunction`."""
    detections = detections.aligned(faces.keys)
    subsets = tuple(subset.name for subset in protocol.subsets)
    rules = protocol.rules(CocoEvaluation)
    result = evaluate_coco(
        detections,
        faces,
        subsets=subsets,
        max_detections=rules.max_detections,
        backend=rules.backend,
        progress=progress,
    )
    return Outcome(
        metrics=result.metrics,
        curves=dict(result.curves),
        counted=result.counted,
        result=result,
        findings=_findings(result, rules),
        pictured=subsets[-1] if subsets else "all",
        scores=detections.scores,
        used=detections.total,
        fates_at=result.fates,
        measures={name: _measure(name) for name in result.metrics},
        ledgers=LazyLedgers(
            {
                f"{name}@{iou}": partial(_ledger, sums, detections, faces, position)
                for name, sums in result.matches.items()
                for position, iou in enumerate(IOU_THRESHOLDS)
            }
        ),
    )


def _measure(metric: str) -> Measure:
    kind, _, subset = metric.partition("/")
    rule: Rule = FinalRecall() if kind == "AR" else MeanPrecision()
    thresholds = {"AP50": [IOU_50], "AP75": [_IOU_75]}.get(kind, range(len(IOU_THRESHOLDS)))
    return Measure(rule, tuple(f"{subset or 'all'}@{IOU_THRESHOLDS[i]}" for i in thresholds))


def _ledger(sums: CocoSums, detections: DetectionSet, faces: FaceSet, iou: int) -> Ledger:
    matches = sums.matches
    order = np.argsort(-detections.scores, kind="stable")
    order = order[matches.used[order]]
    step = np.full(detections.total, len(order), dtype=np.int64)
    step[order] = np.arange(len(order))
    kept = matches.used & ~matches.ignored[iou]
    return ledger_of_detections(
        image=detections.image_rows,
        step=step,
        kept=kept,
        right=kept & (matches.faces[iou] >= 0),
        faces=faces.per_image(sums.counted),
        scores=detections.scores[order],
    )


def _findings(result: CocoResult, rules: CocoEvaluation) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if result.max_detections != MIN_LIMIT:
        text = f"up to {result.max_detections} detections per image take part; COCO's own limit is {MIN_LIMIT}"
        found.append(Finding("detections-per-image", text))
    if result.backend != rules.backend:
        text = f"a box or score is not a number: {result.backend} evaluated, because {rules.backend} takes none"
        found.append(Finding("other-backend", text))
    return tuple(found)


def evaluate_coco(
    detections: DetectionSet,
    faces: FaceSet,
    *,
    subsets: tuple[str, ...] = (),
    max_detections: int | None = None,
    backend: Literal["hotcoco", "pycocotools"] = "hotcoco",
    progress: Progress | None = None,
) -> CocoResult:
    """Evaluate detections as pycocotools does.

    Args:
        detections: One entry per image of `faces`, in the same order.
        faces: Ground truth; faces that are ignored under `all` are COCO's crowds.
        subsets: Further ignore flags to evaluate by. A face that a subset ignores is treated as pycocotools treats one
            outside the range of areas: a detection on it counts neither way.
        max_detections: Detections per image that take part, those with the largest scores; None for as many as the
            image with the most has, at least 100.
        backend: The library that computes. Both give the same to the bit; `pycocotools` is the reference and slower.
            Where a box or score is NaN it is always `pycocotools`.
        progress: Called with the fraction of an image's work that is done.

    Raises:
        SshbenchError: The images differ.

    >>> from sshbench.records import Detections
    >>> truth = FaceSet(("a",), [0, 1], [[10, 20, 40, 60]], {"all": [False]})
    >>> found = DetectionSet.from_images([("a", Detections([[10, 20, 40, 60]], [0.9]))])
    >>> result = evaluate_coco(found, truth)
    >>> round(result.metrics["AP"], 9), result.max_detections, result.fates["all"](0.5).right
    (1.0, 100, array([ True]))
    """
    if detections.keys != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    counts = np.diff(detections.offsets)
    limit = max_detections or max(MIN_LIMIT, int(counts.max(initial=0)))
    crowd = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    library = backend_for(backend, detections, faces)
    evaluation = BACKENDS[library](detections, faces, crowd, limit)

    def say(images: float, areas: int) -> None:
        if progress is not None:
            progress(images * areas / (1 + len(AREAS) + len(subsets)))

    arrays = evaluation.run(crowd, ("all", *AREAS), lambda images: say(images, 1 + len(AREAS)))
    metrics = _figures(arrays, 0, "")
    for position, area in enumerate(AREAS, start=1):
        metrics |= _figures(arrays, position, f"/{area}")
    curves = {"all": _curve(arrays)}
    counting = {"all": ~crowd}
    sums = {area: CocoSums(arrays, area, counted_in(crowd, faces, area)) for area in ("all", *AREAS)}
    for name in subsets:
        ignored = crowd | faces.ignore[name]
        part = evaluation.run(ignored, ("all",), lambda images: say(images, 1))
        metrics |= _figures(part, 0, f"/{name}")
        curves[name] = _curve(part)
        counting[name] = ~ignored
        sums[name] = CocoSums(part, "all", counted_in(ignored, faces, "all"))
    counted = {name: int(np.count_nonzero(counts)) for name, counts in counting.items()}
    fates = {name: _LazyFates(sums[name], counts, detections.scores) for name, counts in counting.items()}
    return CocoResult(_ordered(metrics), curves, counted, limit, fates, library, sums)


class CocoSums:
    """What was matched with what for one choice of faces, computed once and only if it is asked for.

    Attributes:
        counted: bool (m,), the faces that count.
    """

    def __init__(self, arrays: CocoArrays, area: str, counted: BoolArray) -> None:
        self._arrays, self._area, self.counted = arrays, area, counted

    @cached_property
    def matches(self) -> CocoMatches:
        """The matches at all IoU thresholds."""
        return self._arrays.matches(self._area)


class _LazyFates:
    """What became of detections and faces at IoU 0.5, computed once and only if it is asked for."""

    def __init__(self, sums: CocoSums, counted: BoolArray, scores: FloatArray) -> None:
        self._sums, self._counted, self._scores = sums, counted, scores

    def __call__(self, min_score: float) -> Fates:
        """Return the fates down to a score."""
        return self._at(min_score)

    @cached_property
    def _at(self) -> FatesAt:
        """COCO matches by falling score, so that no role depends on the threshold."""
        matches = self._sums.matches
        faces, ignored = matches.faces[IOU_50].astype(np.int64), matches.ignored[IOU_50]
        roles = np.where(matches.used, np.where(ignored, NEUTRAL, np.where(faces >= 0, RIGHT, FALSE)), UNUSED)
        return fixed_roles(roles.astype(np.int8), faces, self._counted, self._scores)


def _figures(arrays: CocoArrays, area: int, suffix: str) -> dict[str, float]:
    precision, recall = arrays.precision[:, :, area], arrays.recall[:, area]
    return {
        f"AP{suffix}": _mean(precision),
        f"AP50{suffix}": _mean(precision[IOU_50]),
        f"AP75{suffix}": _mean(precision[_IOU_75]),
        f"AR{suffix}": _mean(recall),
    }


def _ordered(metrics: dict[str, float]) -> dict[str, float]:
    """Overall figures first, then by subset; AP50 and AP75 by area are not among COCO's figures."""
    left_out = {f"{name}/{area}" for name in ("AP50", "AP75") for area in AREAS}
    return {name: value for name, value in metrics.items() if name not in left_out}


def _curve(arrays: CocoArrays) -> PRCurve:
    precision, scores = arrays.precision[IOU_50, :, 0], arrays.scores[IOU_50, :, 0]
    # -1 stands for "no face counts"; 0 for recalls that are not reached.
    drawn = np.where(precision < 0, np.nan, precision)
    return PRCurve(precision=drawn, recall=arrays.recalls, thresholds=scores, ap=_mean(precision))


def _mean(values: FloatArray) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan
