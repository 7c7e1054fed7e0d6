"""From a protocol to its evaluator, and to one form of outcome for all of them.

To add a kind of evaluation: its numbers in `protocols.py`, its evaluator in `evaluators/`, and a function here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.curves import PRCurve, ROCCurve
from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.evaluators.wider import evaluate_wider
from sshbench.protocols import CocoEvaluation, FddbEvaluation, PascalEvaluation, Protocol, content_hash
from sshbench.records import DetectionSet, Finding, FloatArray

Curve = PRCurve | ROCCurve
Progress = Callable[[float], None]
_ELLIPSE_RULE = Path(__file__).parent / "datasets" / "fddb_ellipse.toml"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What every evaluation comes down to.

    Attributes:
        metrics: By name, fractions; NaN where a metric is not defined.
        curves: By name.
        counted: By subset, the faces that count.
        result: The evaluator's own result.
        findings: What the evaluation itself has to say.
        texts: Files in the official tool's own format, by name.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    counted: Mapping[str, int]
    result: Any
    findings: tuple[Finding, ...] = ()
    texts: Mapping[str, str] | None = None


def evaluate_by(
    detections: DetectionSet, dataset: Dataset, protocol: Protocol, progress: Progress | None = None
) -> Outcome:
    """Evaluate by the protocol's kind of evaluation.

    Args:
        detections: Aligned with the dataset; entries of other images may follow them.
        dataset: Images and ground truth.
        protocol: The rules.
        progress: Called with the images done, in fractions too, by evaluations that take long (COCO's).

    Raises:
        SshbenchError: The dataset does not have what the evaluation needs.
    """
    if protocol.evaluation.kind == "coco":
        return _coco(detections, dataset, protocol, progress)
    return _EVALUATIONS[protocol.evaluation.kind](detections, dataset, protocol)


def _wider(detections: DetectionSet, dataset: Dataset, protocol: Protocol) -> Outcome:
    result = evaluate_wider(detections.aligned(dataset.keys), dataset.faces, protocol)
    return Outcome(result.metrics, dict(result.curves), result.faces, result, result.findings)


def _fddb(detections: DetectionSet, dataset: Dataset, protocol: Protocol) -> Outcome:
    from sshbench.datasets.fddb import cached_regions, fold_bounds
    from sshbench.evaluators.fddb import evaluate_fddb, roc_text

    rules = protocol.evaluation
    assert isinstance(rules, FddbEvaluation)
    if dataset.faces.ellipses is None:
        raise UsageError(f"dataset '{dataset.name}' has no ellipses: the FDDB evaluation needs them")
    detections = detections.aligned(dataset.keys)
    findings: tuple[Finding, ...] = ()
    if rules.fit_ellipse and detections.ellipses is None:
        detections = fit_ellipses(detections)
        text = (
            f"rectangles became ellipses by the rule fddb_ellipse {content_hash(ellipse_rule())}, fitted on FDDB itself"
        )
        findings = (Finding("fitted-ellipses", text),)
    result = evaluate_fddb(
        detections,
        dataset.faces,
        matching=rules.matching,
        discrete_iou=rules.discrete_iou,
        regions=cached_regions(dataset),
        folds=fold_bounds(dataset.root, dataset.faces),
    )
    curves = {"discrete": result.discrete, "continuous": result.continuous}
    metrics = {f"TPR@{n}/{name}": curve.rate_at(n) for name, curve in curves.items() for n in rules.false_positives}
    for number, part in enumerate(result.folds, start=1):
        # A fold is a tenth of the images: the same rate of false positives an image is a tenth of their number.
        for name, curve in (("discrete", part.discrete), ("continuous", part.continuous)):
            metrics[f"fold{number}/TPR@100/{name}"] = curve.rate_at(100)
    texts = {
        "DiscROC.txt": roc_text(result.discrete, with_thresholds=True),
        "ContROC.txt": roc_text(result.continuous, with_thresholds=False),
    }
    return Outcome(metrics, curves, {"all": result.faces}, result, findings, texts)


def ellipse_rule() -> dict[str, float]:
    """The numbers of `fit_ellipses`, in parts of the rectangle's sides."""
    return dict(tomllib.loads(_ELLIPSE_RULE.read_text(encoding="utf-8"))["parameters"])


def fit_ellipses(detections: DetectionSet) -> DetectionSet:
    """Turn rectangles into upright ellipses by the rule of `datasets/fddb_ellipse.toml`."""
    from sshbench.predictions.fddb import bounding_boxes

    rule = ellipse_rule()
    start, side = detections.boxes[:, :2], detections.boxes[:, 2:] - detections.boxes[:, :2]
    centre = start + side / 2 + side * np.array([rule["shift_x"], rule["shift_y"]])
    upright = np.full(len(side), np.pi / 2)
    # A rectangle that is inside out has no ellipse; it becomes a point.
    radii = np.maximum(side[:, ::-1] * np.array([rule["major"], rule["minor"]]), 0.0)
    ellipses: FloatArray = np.column_stack((radii, upright, centre))
    return replace(detections, ellipses=ellipses, boxes=bounding_boxes(ellipses))


def _pascal(detections: DetectionSet, dataset: Dataset, protocol: Protocol) -> Outcome:
    from sshbench.evaluators.pascal import PascalRules, evaluate_pascal

    rules = protocol.evaluation
    assert isinstance(rules, PascalEvaluation)
    numbers = PascalRules(rules.iterations, rules.iou_threshold, rules.least_detection, rules.least_face)
    known = set(dataset.keys)
    others = [key for key in detections.keys if key not in known]  # their detections are false positives
    result = evaluate_pascal(detections.aligned((*dataset.keys, *others)), dataset.faces, numbers)
    named = {f"iteration{i}": curve for i, curve in enumerate(result.curves, start=1)}
    metrics = {"AP": result.curves[-1].ap, **{f"AP/{name}": curve.ap for name, curve in named.items()}}
    return Outcome(metrics, dict(named), {"all": result.faces}, result)


def _coco(detections: DetectionSet, dataset: Dataset, protocol: Protocol, progress: Progress | None) -> Outcome:
    from sshbench.evaluators.coco import evaluate_coco

    rules = protocol.evaluation
    assert isinstance(rules, CocoEvaluation)
    result = evaluate_coco(
        detections.aligned(dataset.keys),
        dataset.faces,
        subsets=tuple(subset.name for subset in protocol.subsets),
        max_detections=rules.max_detections,
        progress=progress,
    )
    limit = Finding(
        "detections-per-image", f"up to {result.max_detections} detections an image take part; COCO's own limit is 100"
    )
    return Outcome(result.metrics, dict(result.curves), result.counted, result, (limit,))


_EVALUATIONS: dict[str, Callable[[DetectionSet, Dataset, Protocol], Outcome]] = {
    "wider": _wider,
    "fddb": _fddb,
    "pascal": _pascal,
}
