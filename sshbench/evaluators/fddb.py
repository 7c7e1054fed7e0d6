"""FDDB evaluation: discrete and continuous ROC, byte for byte as the official C++ tool prints them.

For each image and each of its own distinct scores, the detections down to that score are matched one to one with the
faces so that the summed overlap is largest. The data set's curve adds up, at each threshold, every image's result at
its smallest own score that is not below the threshold.

Source: description of the official FDDB evaluation code (Jain and Learned-Miller, UMass, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sshbench.curves import ROCCurve
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, RIGHT, UNUSED, Fates, Outcome, Progress, fates_of
from sshbench.evaluators.fddb_matching import ImageSteps, Matching, image_steps, match
from sshbench.evaluators.fitted_ellipses import ellipse_rule, fit_ellipses
from sshbench.evaluators.ledger import LazyLedgers, Ledger, Measure, RateAt
from sshbench.evaluators.regions import ellipse_region, face_regions, rectangle_overlaps, region_overlaps
from sshbench.protocols import FddbEvaluation, Protocol, content_hash
from sshbench.records import DetectionSet, FaceSet, Finding, FloatArray, IntArray, Region

OVERLAP_LEDGER = "discrete-overlap"
"""Name of the ledger that adds up the IoU of the matches that the discrete score counts."""
_NO_THRESHOLD = 1.7976931348623157e308  # what the tool prints for an image without detections


@dataclass(frozen=True, slots=True, eq=False)
class FddbResult:
    """Outcome of an FDDB evaluation.

    Attributes:
        discrete: ROC that counts a match with IoU over 0.5 as one face.
        continuous: ROC that counts a match by its IoU; its false positives are the discrete ones.
        faces: Number of annotated faces.
        images_without_detections: How many images have none.
        folds: The same of parts of the images, where they were asked for.
        steps: By image, its results at each of its scores; None for one without detections.
    """

    __repr__ = short_repr

    discrete: ROCCurve
    continuous: ROCCurve
    faces: int
    images_without_detections: int
    folds: tuple[FddbResult, ...] = ()
    steps: tuple[ImageSteps | None, ...] = ()


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Evaluate detections by the FDDB protocol; the arguments are those of every `EvaluatorFunction`.

    Raises:
        SshbenchError: The ground truth has no ellipses, or no image sizes.
    """
    rules = protocol.rules(FddbEvaluation)
    detections = detections.aligned(faces.keys)
    findings: tuple[Finding, ...] = ()
    if rules.fit_ellipse and detections.ellipses is None:
        detections = fit_ellipses(detections)
        text = (
            f"rectangles became ellipses by the rule fddb_ellipse {content_hash(ellipse_rule())}, fitted on FDDB itself"
        )
        findings = (Finding("fitted-ellipses", text),)
    result = evaluate_fddb(detections, faces, matching=rules.matching, discrete_iou=rules.discrete_iou)
    curves = {"discrete": result.discrete, "continuous": result.continuous}
    metrics = {f"TPR@{n}/{name}": curve.rate_at(n) for name, curve in curves.items() for n in rules.false_positives}
    for number, part in enumerate(result.folds, start=1):
        # A fold is a tenth of the images: the same rate of false positives per image is a tenth of their number.
        for name, curve in (("discrete", part.discrete), ("continuous", part.continuous)):
            metrics[f"fold{number}/TPR@100/{name}"] = curve.rate_at(100)
    fates = partial(fddb_fates, detections, faces, matching=rules.matching, discrete_iou=rules.discrete_iou)
    return Outcome(
        metrics=metrics,
        curves=curves,
        counted={"all": result.faces},
        result=result,
        findings=findings,
        texts={
            "DiscROC.txt": roc_text(result.discrete, with_thresholds=True),
            "ContROC.txt": roc_text(result.continuous, with_thresholds=False),
        },
        pictured="discrete",
        scores=detections.scores,
        used=detections.total,
        fates_at={"discrete": fates},
        measures={
            f"TPR@{n}/{name}": Measure(RateAt(n, 0.0 if result.images_without_detections else math.nan), (name,))
            for name in curves
            for n in rules.false_positives
        },
        ledgers=LazyLedgers(
            {name: partial(_ledger, result, detections, faces, name) for name in (*curves, OVERLAP_LEDGER)}
        ),
    )


def _ledger(result: FddbResult, detections: DetectionSet, faces: FaceSet, curve: str) -> Ledger:
    steps = [(i, step) for i, step in enumerate(result.steps) if step is not None]
    image = np.repeat(np.array([i for i, _ in steps], dtype=np.int64), [len(step.scores) for _, step in steps])
    scores = np.concatenate([np.empty(0), *(step.scores for _, step in steps)])
    changes = np.vstack([np.empty((0, 4)), *(_changes(step) for _, step in steps)])
    order = np.argsort(-scores, kind="stable")
    falling = -np.unique(-scores)
    kept, discrete, continuous, overlap = changes[order].T
    return Ledger(
        image=image[order],
        step=np.searchsorted(-falling, -scores[order]),
        kept=kept,
        true={"discrete": discrete, "continuous": continuous, OVERLAP_LEDGER: overlap}[curve],
        right=discrete,
        faces=np.diff(faces.offsets),
        scores=falling,
        detection_step=np.searchsorted(-falling, -detections.scores),
    )


def evaluate_fddb(
    detections: DetectionSet,
    faces: FaceSet,
    *,
    matching: Matching = "official",
    discrete_iou: float = 0.5,
) -> FddbResult:
    """Evaluate detections by the FDDB protocol.

    Args:
        detections: One entry per image of `faces`, in the same order; rectangles, or ellipses where it has them.
            Keep the detections of each image in the order of their file: the result of the official solver depends
            on it, because it does not always find the best assignment.
        faces: Ground truth with ellipses and image sizes. The pixels of its faces are drawn where it does not hold them
            already; parts of the images that it holds as folds are also summed up apart, from the same matching.
        matching: `official` follows the tool's solver, `optimal` takes the best assignment.
        discrete_iou: A match counts as one face at IoU strictly over this.

    Raises:
        SshbenchError: The images differ, or the ground truth has no ellipses or sizes.
    """
    if detections.keys != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    if faces.ellipses is None or faces.sizes is None:
        raise SshbenchError("FDDB needs faces as ellipses, and the images' sizes")
    drawn = face_regions(faces) if faces.regions is None else faces.regions
    steps: list[ImageSteps | None] = []
    for i in range(len(faces)):
        first, last = detections.offsets[i], detections.offsets[i + 1]
        if first == last:
            steps.append(None)
            continue
        overlaps = _overlaps(detections, faces, drawn, i)
        steps.append(image_steps(overlaps, detections.scores[first:last], matching, discrete_iou))
    parts = tuple(
        _curves(steps[first:last], int(faces.offsets[last] - faces.offsets[first])) for first, last in faces.folds
    )
    return replace(_curves(steps, faces.total), folds=parts, steps=tuple(steps))


def _overlaps(detections: DetectionSet, faces: FaceSet, drawn: Sequence[Sequence[Region]], image: int) -> FloatArray:
    """Return the IoU of an image's detections, in file order, with its faces: float64 (d, f)."""
    assert faces.sizes is not None
    rows = slice(detections.offsets[image], detections.offsets[image + 1])
    width, height = faces.sizes[image].tolist()
    if detections.ellipses is None:
        return rectangle_overlaps(detections.boxes[rows], list(drawn[image]), width, height)
    found = [ellipse_region(ellipse, width, height) for ellipse in detections.ellipses[rows]]
    return region_overlaps(found, list(drawn[image]))


def fddb_fates(
    detections: DetectionSet,
    faces: FaceSet,
    min_score: float,
    *,
    matching: Matching = "official",
    discrete_iou: float = 0.5,
) -> Fates:
    """Return what became of every detection and face in the discrete score, at one threshold.

    FDDB matches anew at every threshold, so that a detection's role may change with it. A detection is right where it
    is matched with a face at an IoU strictly over `discrete_iou`, and false otherwise; every face counts.

    Args:
        detections: As for `evaluate_fddb`.
        faces: As for `evaluate_fddb`.
        min_score: Detections with a lower score take no part.
        matching: As for `evaluate_fddb`.
        discrete_iou: As for `evaluate_fddb`.
    """
    roles = np.where(detections.scores >= min_score, FALSE, UNUSED).astype(np.int8)
    face = np.full(detections.total, -1, dtype=np.int64)
    for image in fddb_matches(detections, faces, min_score, matching=matching, discrete_iou=discrete_iou):
        for row, column in image.pairs:
            if image.overlaps[row, column] > discrete_iou:
                roles[image.rows[row]] = RIGHT
                face[image.rows[row]] = image.first_face + column
    return fates_of(roles, face, np.ones(faces.total, dtype=np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class ImageMatch:
    """The matching of one image at one threshold.

    Attributes:
        rows: int64 (d,), rows of the detections that are kept, in file order.
        first_face: Row of the image's first face.
        overlaps: float64 (d, f), their IoU with the image's faces.
        pairs: Matched positions in `overlaps`: (detection, face), with any IoU over 0.
    """

    __repr__ = short_repr

    rows: IntArray
    first_face: int
    overlaps: FloatArray
    pairs: list[tuple[int, int]]


def fddb_matches(
    detections: DetectionSet, faces: FaceSet, min_score: float, *, matching: Matching, discrete_iou: float
) -> Iterator[ImageMatch]:
    """Match every image at one threshold; images without a kept detection are left out.

    Args:
        detections: As for `evaluate_fddb`.
        faces: As for `evaluate_fddb`.
        min_score: Detections with a lower score take no part.
        matching: As for `evaluate_fddb`.
        discrete_iou: As for `evaluate_fddb`.
    """
    drawn = face_regions(faces) if faces.regions is None else faces.regions
    for i in range(len(faces)):
        first, last = int(detections.offsets[i]), int(detections.offsets[i + 1])
        kept = np.flatnonzero(detections.scores[first:last] >= min_score)
        if len(kept):
            overlaps = _overlaps(detections, faces, drawn, i)[kept]
            pairs = match(overlaps, matching, discrete_iou)
            yield ImageMatch(first + kept, int(faces.offsets[i]), overlaps, pairs)


def _curves(images: Sequence[ImageSteps | None], faces: int) -> FddbResult:
    """Add up the images (None for one without detections) at every distinct score, ascending."""
    steps = [step for step in images if step is not None]
    without = len(images) - len(steps)
    if steps:
        scores = np.concatenate([step.scores for step in steps])
        # What an image adds when the threshold falls to one of its scores is the difference to the score above.
        changes = np.vstack([_changes(step) for step in steps])
        order = np.argsort(-scores, kind="stable")
        running = np.cumsum(changes[order], axis=0)
        last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
        thresholds = scores[order][last][::-1]
        kept, discrete, continuous, _ = running[last][::-1].T
    else:
        thresholds = kept = discrete = continuous = np.empty(0)
    false = kept - discrete
    if without:
        thresholds, false = np.append(thresholds, _NO_THRESHOLD), np.append(false, 0.0)
        discrete, continuous = np.append(discrete, 0.0), np.append(continuous, 0.0)
    total = np.float64(faces)
    with np.errstate(invalid="ignore"):
        return FddbResult(
            discrete=ROCCurve(false, discrete / total, thresholds),
            continuous=ROCCurve(false, continuous / total, thresholds),
            faces=faces,
            images_without_detections=without,
        )


def _changes(step: ImageSteps) -> FloatArray:
    table = np.column_stack((step.kept, step.discrete, step.continuous, step.overlap)).astype(np.float64)
    return np.diff(table, axis=0, prepend=np.zeros((1, 4)))


def roc_text(curve: ROCCurve, *, with_thresholds: bool) -> str:
    """Return a curve as the official tool writes it: `TPR FP threshold` (DiscROC) or `TPR FP` (ContROC), ascending."""
    columns = [curve.true_positive_rate.tolist(), curve.false_positives.tolist()]
    if with_thresholds:
        columns.append(curve.thresholds.tolist())
        return "".join(f"{a:g} {b:g} {c:g}\n" for a, b, c in zip(*columns, strict=True))
    return "".join(f"{a:g} {b:g}\n" for a, b in zip(*columns, strict=True))
