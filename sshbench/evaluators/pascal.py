"""PASCAL Faces and AFW: precision and recall after the alignment of box styles, as the authors' toolbox does it.

Detectors draw boxes in styles of their own (tighter, wider, shifted). After each of five iterations, all detections are
moved and scaled by the mean offset and scale of the true positives, so that style does not decide the figure.

Source: evaluation toolbox of Mathias et al., Face detection without bells and whistles, ECCV 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sshbench.boxes import aligned_iou
from sshbench.curves import PRCurve, voc_area_ap
from sshbench.display import short_repr
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, NEUTRAL, RIGHT, UNUSED, FatesAt, Outcome, Progress, Roles, fixed_roles
from sshbench.evaluators.ledger import AveragePrecision, LazyLedgers, Ledger, Measure, ledger_of_detections
from sshbench.protocols import PascalEvaluation, Protocol
from sshbench.records import BoolArray, DetectionSet, FaceSet, FloatArray, IntArray, ranges


@dataclass(frozen=True, slots=True, eq=False)
class PascalResult:
    """Outcome of an evaluation.

    Attributes:
        curves: The PR curve of each iteration; points are all detections by falling score, neutral ones included.
        alignment: float64 (4,): summed shift in x and y, product of scales in x and y, up to the last iteration.
        true_positives: Of the last iteration.
        false_positives: Of the last iteration.
        neutral: Detections on ignored faces, in the last iteration.
        faces: Faces that count.
        detections: Detections that were large enough.
        fates: What became of detections and faces in each iteration.
        order: int64 (detections,), the rows of the large enough detections by falling score.
        aligned: float64 (n, 4), all detections as the last iteration matched them.
        counted: bool (m,), the faces that count.
    """

    __repr__ = short_repr

    curves: tuple[PRCurve, ...]
    alignment: FloatArray
    true_positives: int
    false_positives: int
    neutral: int
    faces: int
    detections: int
    fates: tuple[FatesAt, ...]
    order: IntArray
    aligned: FloatArray
    counted: BoolArray


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Evaluate detections by the PASCAL Faces and AFW protocol; the arguments are those of every `EvaluatorFunction`.

    Detections of images that have no ground truth are false positives.
    """
    known = set(faces.keys)
    others = [key for key in detections.keys if key not in known]
    detections = detections.aligned((*faces.keys, *others))
    result = evaluate_pascal(detections, faces, protocol.rules(PascalEvaluation))
    named = {f"iteration{i}": curve for i, curve in enumerate(result.curves, start=1)}
    fates = dict(zip(named, result.fates, strict=True))
    last = list(named)[-1]
    return Outcome(
        metrics={"AP": result.curves[-1].ap, **{f"AP/{name}": curve.ap for name, curve in named.items()}},
        curves=dict(named),
        counted={"all": result.faces},
        result=result,
        pictured=last,
        scores=detections.scores,
        used=detections.total,
        fates_at=fates,
        measures={
            "AP": Measure(AveragePrecision(), (last,)),
            **{f"AP/{name}": Measure(AveragePrecision(), (name,)) for name in named},
        },
        ledgers=LazyLedgers({name: partial(_ledger, result, detections, faces, at) for name, at in fates.items()}),
    )


def _ledger(result: PascalResult, detections: DetectionSet, faces: FaceSet, fates_at: FatesAt) -> Ledger:
    fates = fates_at(-np.inf)
    step = np.full(detections.total, len(result.order), dtype=np.int64)
    step[result.order] = np.arange(len(result.order))
    return ledger_of_detections(
        # Images that have no ground truth come last, and share the place after the last one.
        image=np.minimum(detections.image_rows, len(faces)),
        step=step,
        kept=fates.right | fates.false,
        right=fates.right,
        faces=faces.per_image(result.counted),
        scores=detections.scores[result.order],
    )


def evaluate_pascal(detections: DetectionSet, faces: FaceSet, rules: PascalEvaluation) -> PascalResult:
    """Evaluate detections by the PASCAL Faces and AFW protocol.

    Args:
        detections: Entries for the images of `faces`, in the same order; entries for other images may follow, their
            detections are false positives.
        faces: Ground truth with ignore flags under the name `all`.
        rules: Numbers of the protocol: iterations, IoU threshold (a detection hits over it), smallest side of a
            detection that is used and of a face that counts, in pixels.

    Raises:
        SshbenchError: The images differ.
    """
    if detections.keys[: len(faces)] != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    ignore = faces.ignore["all"] | (sides < rules.least_face).any(axis=1)
    counted = int(np.count_nonzero(~ignore))

    image = detections.image_rows
    large = ((detections.boxes[:, 2:] - detections.boxes[:, :2]) > rules.least_detection).any(axis=1)
    order = np.flatnonzero(large)
    # Equal scores keep the order of the file, which may go to and fro between images.
    position = np.arange(detections.total) if detections.positions is None else detections.positions
    order = order[np.lexsort((position[order], -detections.scores[order]))]
    boxes, scores, image = detections.boxes[order], detections.scores[order], image[order]
    pairs = same_image_pairs(image, faces)

    curves: list[PRCurve] = []
    fates: list[FatesAt] = []
    shift, scale = np.zeros(2), np.ones(2)
    outcome = np.empty(0, dtype=np.int8)
    aligned = detections.boxes.copy()
    for _ in range(rules.iterations):
        aligned[order] = boxes
        best = best_faces(boxes, faces.boxes, pairs, rules.iou_threshold)
        outcome = _outcomes(best, ignore)
        curves.append(_curve(outcome, scores, counted))
        fates.append(_fates(detections.scores, order, outcome, best, ~ignore))
        moved, grown = _alignment(boxes, faces.boxes, best, outcome == RIGHT)
        boxes = _aligned(boxes, moved, grown)
        shift, scale = shift + moved, scale * grown
    return PascalResult(
        curves=tuple(curves),
        alignment=np.concatenate((shift, scale)),
        true_positives=int((outcome == RIGHT).sum()),
        false_positives=int((outcome == FALSE).sum()),
        neutral=int((outcome == NEUTRAL).sum()),
        faces=counted,
        detections=len(boxes),
        fates=tuple(fates),
        order=order,
        aligned=aligned,
        counted=~ignore,
    )


def _fates(scores: FloatArray, order: IntArray, roles: Roles, best: IntArray, counted: BoolArray) -> FatesAt:
    """Put roles and faces, which are by falling score, back into the detections' own order."""
    every = np.full(len(scores), UNUSED, dtype=np.int8)
    every[order] = roles
    face = np.full(len(scores), -1, dtype=np.int64)
    face[order] = best
    return fixed_roles(every, face, counted, scores)


def same_image_pairs(image: IntArray, faces: FaceSet | DetectionSet) -> tuple[IntArray, IntArray]:
    """Return detection and face of every pair in the same image, by detection; images after the last have no faces.

    Args:
        image: int64 (n,), position of each detection's image.
        faces: What the detections are paired with.

    Returns:
        int64 (p,) and int64 (p,): rows of detections and of faces.
    """
    starts = np.append(faces.offsets[:-1], 0)
    counts = np.append(np.diff(faces.offsets), 0)
    index = np.minimum(image, len(faces))
    return np.repeat(np.arange(len(image)), counts[index]), ranges(starts[index], counts[index])


def toolbox_iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Compute the IoU of `a[i]` with `b[i]`, corners (n, 4), as the toolbox does: float64 (n,)."""
    # Boxes must really meet (no + 1 here), although areas count both border pixels.
    meet = (np.minimum(a[:, 2:], b[:, 2:]) > np.maximum(a[:, :2], b[:, :2])).all(axis=1)
    return np.where(meet, aligned_iou(a, b, inclusive=True), 0.0)


def best_faces(boxes: FloatArray, faces: FloatArray, pairs: tuple[IntArray, IntArray], threshold: float) -> IntArray:
    """Return the face with the largest IoU, the last one on ties, where that is over the threshold.

    Args:
        boxes: float64 (n, 4), corners of the detections.
        faces: float64 (m, 4), corners of the faces.
        pairs: Rows of detections and faces, as from `same_image_pairs`.
        threshold: An IoU equal to it is not enough.

    Returns:
        int64 (n,), -1 where there is none.
    """
    detection, face = pairs
    iou = toolbox_iou(faces[face], boxes[detection])
    over = np.flatnonzero(iou > threshold)
    over = over[np.lexsort((face[over], iou[over]))]
    best = np.full(len(boxes), -1, dtype=np.int64)
    best[detection[over]] = face[over]  # written from the worst to the best, so that the best stays
    return best


def _outcomes(best: IntArray, ignore: BoolArray) -> Roles:
    """Return true positive, false positive or neutral for each detection, by falling score."""
    outcome = np.full(len(best), FALSE, dtype=np.int8)
    hits = np.flatnonzero(best >= 0)
    on_ignored = ignore[best[hits]]
    outcome[hits[on_ignored]] = NEUTRAL
    counted = hits[~on_ignored]
    outcome[counted[np.unique(best[counted], return_index=True)[1]]] = RIGHT
    return outcome


def _curve(outcome: Roles, scores: FloatArray, faces: int) -> PRCurve:
    true, false = np.cumsum(outcome == RIGHT), np.cumsum(outcome == FALSE)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = true / np.float64(faces), true / (true + false).astype(np.float64)
    return PRCurve(precision=precision, recall=recall, thresholds=scores, ap=voc_area_ap(recall, precision))


def _alignment(boxes: FloatArray, truth: FloatArray, best: IntArray, hits: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean shift in units of the detection's sides, and the mean scale, over the true positives."""
    if not hits.any():
        return np.zeros(2), np.ones(2)
    found, face = boxes[hits], truth[best[hits]]
    sides, face_sides = found[:, 2:] - found[:, :2], face[:, 2:] - face[:, :2]
    shift = ((face[:, 2:] + face[:, :2]) / 2 - (found[:, 2:] + found[:, :2]) / 2) / sides
    return shift.mean(axis=0), (face_sides / sides).mean(axis=0)


def _aligned(boxes: FloatArray, shift: FloatArray, scale: FloatArray) -> FloatArray:
    sides = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2 + shift * sides
    half = sides / 2 * scale
    return np.hstack((centre - half, centre + half))
