"""From a protocol to its evaluator, and to one form of outcome for all of them.

To add a kind of evaluation: its numbers in `protocols.py`, its evaluator in `evaluators/`, and a function here.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.curves import Curve, ROCCurve
from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.evaluators.base import Fates, FatesAt, best_f1_of_fates, best_f1_of_roc
from sshbench.evaluators.wider import WiderResult, evaluate_wider, wider_fates
from sshbench.protocols import CocoEvaluation, FddbEvaluation, PascalEvaluation, Protocol, content_hash
from sshbench.records import DetectionSet, FaceSet, Finding, FloatArray

Progress = Callable[[float], None]
_ELLIPSE_RULE = Path(__file__).parent / "evaluators" / "fddb_ellipse.toml"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The common result type of all evaluations.

    Attributes:
        metrics: By name, fractions; NaN where a metric is not defined.
        curves: By name.
        counted: By subset, the faces that count.
        result: The evaluator's own result.
        findings: What the evaluation itself has to say.
        texts: Files in the official tool's own format, by name.
        pictured: Name of the curve whose outcomes are drawn on images.
        scores: float64 (n,), raw scores in the order of the fates: detections of the dataset's images, then of others.
        fates_at: By curve, what became of detections and faces from a score on.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    counted: Mapping[str, int]
    result: Any
    findings: tuple[Finding, ...] = ()
    texts: Mapping[str, str] | None = None
    pictured: str
    scores: FloatArray
    fates_at: Mapping[str, FatesAt]

    @property
    def used(self) -> int:
        """Number of detections of images that take part."""
        if isinstance(self.result, WiderResult):
            return len(self.scores) - int(self.result.passed_over.sum())
        return len(self.scores)

    def fates(self, curve: str | None = None, min_score: float = -math.inf) -> Fates:
        """Return what became of every detection and face, by the evaluator's own matching.

        Args:
            curve: Name of the curve; default: `pictured`.
            min_score: Detections with a lower raw score take no part.

        Raises:
            UsageError: There is no such curve.
        """
        name = self.pictured if curve is None else curve
        if name not in self.fates_at:
            raise UsageError(f"no outcomes are known for curve '{name}'", remedy=f"Known: {', '.join(self.fates_at)}")
        return self.fates_at[name](min_score)

    def best_f1_score(self, curve: str | None = None) -> float:
        """Return the raw score with the largest F1, the highest one on ties; infinite where there is no detection."""
        name = self.pictured if curve is None else curve
        drawn = self.curves.get(name)
        if isinstance(drawn, ROCCurve):
            return best_f1_of_roc(drawn, self.counted["all"])
        return best_f1_of_fates(self.fates(name), self.scores)


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
    detections = detections.aligned(dataset.keys)
    result = evaluate_wider(detections, dataset.faces, protocol)
    return Outcome(
        metrics=result.metrics,
        curves=dict(result.curves),
        counted=result.faces,
        result=result,
        findings=result.findings,
        pictured=protocol.subsets[-1].name,
        scores=detections.scores,
        fates_at={name: partial(_wider_fates, result, detections, dataset.faces, name) for name in result.curves},
    )


def _wider_fates(result: WiderResult, detections: DetectionSet, faces: FaceSet, subset: str, min_score: float) -> Fates:
    return wider_fates(result, detections, faces, subset)(min_score)


def _fddb(detections: DetectionSet, dataset: Dataset, protocol: Protocol) -> Outcome:
    from sshbench.datasets.fddb import cached_regions, fold_bounds
    from sshbench.evaluators.fddb import evaluate_fddb, fddb_fates, roc_text

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
    regions = cached_regions(dataset)
    result = evaluate_fddb(
        detections,
        dataset.faces,
        matching=rules.matching,
        discrete_iou=rules.discrete_iou,
        regions=regions,
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
    fates = partial(
        fddb_fates,
        detections,
        dataset.faces,
        matching=rules.matching,
        discrete_iou=rules.discrete_iou,
        regions=regions,
    )
    return Outcome(
        metrics=metrics,
        curves=curves,
        counted={"all": result.faces},
        result=result,
        findings=findings,
        texts=texts,
        pictured="discrete",
        scores=detections.scores,
        fates_at={"discrete": fates},
    )


def ellipse_rule() -> dict[str, float]:
    """The numbers of `fit_ellipses`, in parts of the rectangle's sides."""
    return dict(tomllib.loads(_ELLIPSE_RULE.read_text(encoding="utf-8"))["parameters"])


def fit_ellipses(detections: DetectionSet) -> DetectionSet:
    """Turn rectangles into upright ellipses by the rule of `evaluators/fddb_ellipse.toml`."""
    from sshbench.formats.fddb import bounding_boxes

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
    detections = detections.aligned((*dataset.keys, *others))
    result = evaluate_pascal(detections, dataset.faces, numbers)
    named = {f"iteration{i}": curve for i, curve in enumerate(result.curves, start=1)}
    metrics = {"AP": result.curves[-1].ap, **{f"AP/{name}": curve.ap for name, curve in named.items()}}
    return Outcome(
        metrics=metrics,
        curves=dict(named),
        counted={"all": result.faces},
        result=result,
        pictured=list(named)[-1],
        scores=detections.scores,
        fates_at=dict(zip(named, result.fates, strict=True)),
    )


def _coco(detections: DetectionSet, dataset: Dataset, protocol: Protocol, progress: Progress | None) -> Outcome:
    from sshbench.evaluators.coco import evaluate_coco

    rules = protocol.evaluation
    assert isinstance(rules, CocoEvaluation)
    detections = detections.aligned(dataset.keys)
    result = evaluate_coco(
        detections,
        dataset.faces,
        subsets=tuple(subset.name for subset in protocol.subsets),
        max_detections=rules.max_detections,
        progress=progress,
    )
    limit = Finding(
        "detections-per-image", f"up to {result.max_detections} detections per image take part; COCO's own limit is 100"
    )
    return Outcome(
        metrics=result.metrics,
        curves=dict(result.curves),
        counted=result.counted,
        result=result,
        findings=(limit,),
        pictured=protocol.subsets[-1].name if protocol.subsets else "all",
        scores=detections.scores,
        fates_at=result.fates,
    )


_EVALUATIONS: dict[str, Callable[[DetectionSet, Dataset, Protocol], Outcome]] = {
    "wider": _wider,
    "fddb": _fddb,
    "pascal": _pascal,
}
