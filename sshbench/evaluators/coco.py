"""COCO evaluation with pycocotools, with a limit of detections per image that fits the data.

COCO allows 100 detections per image. Crowds have more faces than that (59 images of WIDER FACE val alone), so the limit
is raised to what the data need, and stated. `COCOeval.summarize` cannot be used then: its AP looks for the limit 100
and gives -1. The figures are therefore taken from the arrays of `COCOeval.accumulate`, by the same means.

Source: pycocotools, `cocoeval.py`.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sshbench.boxes import xywh_of
from sshbench.curves import PRCurve
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, NEUTRAL, RIGHT, UNUSED, FatesAt, Outcome, Progress, fixed_roles
from sshbench.protocols import CocoEvaluation, Protocol
from sshbench.records import BoolArray, DetectionSet, FaceSet, Finding, FloatArray, IntArray

MIN_LIMIT = 100
AREAS = ("small", "medium", "large")
_IOU_50, _IOU_75 = 0, 5  # positions among the ten IoU thresholds .50:.05:.95
_FACE = 1
_EVERY_AREA = [0**2, 1e5**2]
_Match = tuple[IntArray, IntArray, BoolArray]
"""Rows of an image's detections, the annotation that each was matched with (0: none), whether it was ignored."""


@dataclass(frozen=True, slots=True, eq=False)
class CocoResult:
    """Outcome of a COCO evaluation.

    Attributes:
        metrics: By name, fractions; NaN where no face counts. `AP` and `AR` are means over the ten IoU thresholds;
            `AP50`, `AP75` at one; `AP/small` and so on by the faces' area (32 and 96 pixels squared).
        curves: By subset, precision at 101 recalls at IoU 0.5.
        counted: By subset, the faces that count.
        max_detections: The limit of detections per image.
        fates: By subset, what became of detections and faces at IoU 0.5.
    """

    __repr__ = short_repr

    metrics: Mapping[str, float]
    curves: Mapping[str, PRCurve]
    counted: Mapping[str, int]
    max_detections: int
    fates: Mapping[str, FatesAt]


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Evaluate detections as pycocotools does; the arguments are those of every `EvaluatorFunction`."""
    detections = detections.aligned(faces.keys)
    subsets = tuple(subset.name for subset in protocol.subsets)
    result = evaluate_coco(
        detections,
        faces,
        subsets=subsets,
        max_detections=protocol.rules(CocoEvaluation).max_detections,
        progress=progress,
    )
    text = f"up to {result.max_detections} detections per image take part; COCO's own limit is {MIN_LIMIT}"
    return Outcome(
        metrics=result.metrics,
        curves=dict(result.curves),
        counted=result.counted,
        result=result,
        findings=(Finding("detections-per-image", text),) if result.max_detections != MIN_LIMIT else (),
        pictured=subsets[-1] if subsets else "all",
        scores=detections.scores,
        used=detections.total,
        fates_at=result.fates,
    )


def evaluate_coco(
    detections: DetectionSet,
    faces: FaceSet,
    *,
    subsets: tuple[str, ...] = (),
    max_detections: int | None = None,
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
        progress: Called with the fraction of an image's work that is done.

    Raises:
        SshbenchError: The images differ.
    """
    if detections.keys != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    counts = np.diff(detections.offsets)
    limit = max_detections or max(MIN_LIMIT, int(counts.max(initial=0)))
    crowd = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    truth = _coco(_truth(faces, crowd))
    with contextlib.redirect_stdout(io.StringIO()):
        # pycocotools raises on an empty list of results.
        found = truth.loadRes(_results(detections)) if detections.total else _coco({**truth.dataset, "annotations": []})

    names = {"": "all", **{f"/{area}": area for area in AREAS}}
    step = _no_progress if progress is None else partial(progress, 1 / (len(names) + len(subsets)))
    arrays = _run(truth, found, limit, crowd, list(names.values()), step)
    metrics: dict[str, float] = {}
    for position, suffix in enumerate(names):
        metrics |= _figures(arrays, position, suffix)
    curves = {"all": _curve(arrays)}
    counted = {"all": int(np.count_nonzero(~crowd))}
    fates = {"all": _fates(detections, arrays["matches"], ~crowd)}
    for name in subsets:
        ignored = crowd | faces.ignore[name]
        part = _run(truth, found, limit, ignored, ["all"], step)
        metrics |= _figures(part, 0, f"/{name}")
        curves[name] = _curve(part)
        counted[name] = int(np.count_nonzero(~ignored))
        fates[name] = _fates(detections, part["matches"], ~ignored)
    return CocoResult(_ordered(metrics), curves, counted, limit, fates)


def _fates(detections: DetectionSet, matches: list[_Match], counted: BoolArray) -> FatesAt:
    """Turn pycocotools' matches into fates; it matches by falling score, so that no role depends on the threshold."""
    roles = np.full(detections.total, UNUSED, dtype=np.int8)
    face = np.full(detections.total, -1, dtype=np.int64)
    for rows, matched, ignored in matches:
        roles[rows] = np.where(ignored, NEUTRAL, np.where(matched > 0, RIGHT, FALSE))
        face[rows] = matched - 1  # ids of annotations start at 1
    return fixed_roles(roles, face, counted, detections.scores)


def _no_progress() -> None:
    pass


def _run(
    truth: COCO, found: COCO, limit: int, ignored: BoolArray, areas: list[str], step: Callable[[], None]
) -> dict[str, Any]:
    evaluation: Any = COCOeval(truth, found, "bbox")  # not every version of pycocotools has types
    prepare, evaluate_image = evaluation._prepare, evaluation.evaluateImg

    def prepare_and_ignore() -> None:
        prepare()
        for faces in evaluation._gts.values():
            for face in faces:
                face["ignore"] = bool(ignored[face["id"] - 1])

    def evaluate_and_say(*arguments: Any) -> Any:
        step()
        return evaluate_image(*arguments)

    # pycocotools ignores crowds only; it looks at the flags after this step, and nowhere before.
    evaluation._prepare = prepare_and_ignore
    evaluation.evaluateImg = evaluate_and_say
    params = evaluation.params
    params.maxDets = [limit]
    kept = [params.areaRngLbl.index(area) for area in areas]
    params.areaRng, params.areaRngLbl = [params.areaRng[i] for i in kept], areas
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return {**evaluation.eval, "recalls": params.recThrs, "matches": _matches(evaluation.evalImgs)}


def _matches(images: list[dict[str, Any] | None]) -> list[_Match]:
    """Matches at IoU 0.5 over faces of every area, one entry per image with detections."""
    found: list[_Match] = []
    for image in images:
        if image is not None and image["aRng"] == _EVERY_AREA and len(image["dtIds"]):
            rows = np.asarray(image["dtIds"], dtype=np.int64) - 1  # pycocotools numbers results from 1
            matched = np.asarray(image["dtMatches"][_IOU_50], dtype=np.int64)
            found.append((rows, matched, np.asarray(image["dtIgnore"][_IOU_50], dtype=np.bool_)))
    return found


def _figures(arrays: dict[str, Any], area: int, suffix: str) -> dict[str, float]:
    precision, recall = arrays["precision"][:, :, 0, area, 0], arrays["recall"][:, 0, area, 0]
    return {
        f"AP{suffix}": _mean(precision),
        f"AP50{suffix}": _mean(precision[_IOU_50]),
        f"AP75{suffix}": _mean(precision[_IOU_75]),
        f"AR{suffix}": _mean(recall),
    }


def _ordered(metrics: dict[str, float]) -> dict[str, float]:
    """Overall figures first, then by subset; AP50 and AP75 by area are not among COCO's figures."""
    left_out = {f"{name}/{area}" for name in ("AP50", "AP75") for area in AREAS}
    return {name: value for name, value in metrics.items() if name not in left_out}


def _curve(arrays: dict[str, Any]) -> PRCurve:
    precision = np.asarray(arrays["precision"][_IOU_50, :, 0, 0, 0], dtype=np.float64)
    scores = np.asarray(arrays["scores"][_IOU_50, :, 0, 0, 0], dtype=np.float64)
    # -1 stands for "no face counts"; 0 for recalls that are not reached.
    drawn = np.where(precision < 0, np.nan, precision)
    return PRCurve(precision=drawn, recall=arrays["recalls"], thresholds=scores, ap=_mean(precision))


def _mean(values: FloatArray) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def _truth(faces: FaceSet, crowd: BoolArray) -> dict[str, Any]:
    image = np.repeat(np.arange(len(faces)), np.diff(faces.offsets))
    xywh = xywh_of(faces.boxes)
    areas = xywh[:, 2] * xywh[:, 3] if faces.areas is None else faces.areas
    rows = zip(image.tolist(), xywh.tolist(), areas.tolist(), crowd.tolist(), strict=True)
    return {
        "images": [{"id": i + 1} for i in range(len(faces))],
        "categories": [{"id": _FACE, "name": "face"}],
        # From 1: pycocotools takes a match with annotation 0 for no match.
        "annotations": [
            {"id": n, "image_id": i + 1, "category_id": _FACE, "bbox": box, "area": area, "iscrowd": int(is_crowd)}
            for n, (i, box, area, is_crowd) in enumerate(rows, start=1)
        ],
    }


def _results(detections: DetectionSet) -> list[dict[str, Any]]:
    image = np.repeat(np.arange(len(detections.keys)), np.diff(detections.offsets))
    xywh = xywh_of(detections.boxes)
    rows = zip(image.tolist(), xywh.tolist(), detections.scores.tolist(), strict=True)
    return [{"image_id": i + 1, "category_id": _FACE, "bbox": box, "score": score} for i, box, score in rows]


def _coco(content: Any) -> COCO:
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
