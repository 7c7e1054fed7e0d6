"""The face near each detection, by the overlap that each protocol computes.

Where the protocol matched a detection with a face, that face is the near one. Elsewhere it is the face of the largest
IoU among all faces of the image, ignored ones too, if that IoU is at least 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.analysis.subject import Subject
from sshbench.boxes import aligned_iou
from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluators.fddb import fddb_matches
from sshbench.evaluators.fitted_ellipses import fit_ellipses
from sshbench.evaluators.matching import best_boxes
from sshbench.evaluators.pascal import PascalResult, best_faces, same_image_pairs, toolbox_iou
from sshbench.protocols import CocoEvaluation, FddbEvaluation, PascalEvaluation, WiderEvaluation
from sshbench.records import BoolArray, DetectionSet, FaceSet, FloatArray, IntArray, offsets_of

LEAST_OVERLAP = 0.1
"""Least IoU of a detection near a face."""
_COCO_IOU = 0.5  # the threshold of the fates of a COCO evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The face near each detection.

    Attributes:
        face: int64 (n,), row of the face, -1 where none is near.
        iou: float64 (n,), IoU with it, 0 where none is near; for a crowd of COCO, the share of the detection inside it.
        hits: bool (n,), whether the detection overlaps the face as much as a hit must.
    """

    __repr__ = short_repr

    face: IntArray
    iou: FloatArray
    hits: BoolArray


def hit_overlap(subject: Subject) -> float:
    """Return the IoU of a hit; PASCAL Faces, AFW and FDDB ask for more than it.

    Raises:
        UsageError: The protocol is of a kind whose overlaps are not known here.
    """
    rules = subject.protocol.evaluation
    if isinstance(rules, WiderEvaluation | PascalEvaluation):
        return rules.iou_threshold
    if isinstance(rules, FddbEvaluation):
        return rules.discrete_iou
    if isinstance(rules, CocoEvaluation):
        return _COCO_IOU
    raise UsageError(
        f"no types of errors are known for evaluations of kind '{rules.kind}'",
        remedy="They are known for wider, fddb, pascal and coco",
    )


def nearest(subject: Subject, min_score: float = -np.inf) -> Nearest:
    """Return the face near each detection.

    Args:
        subject: One evaluation and one of its curves.
        min_score: FDDB only, which matches anew at every threshold: detections with a lower score have no near face.

    Raises:
        UsageError: The protocol is of another kind than the four known ones, or the curve is of an iteration before
            the last one (PASCAL Faces, AFW), whose aligned boxes are not kept.
    """
    least = min(LEAST_OVERLAP, hit_overlap(subject))
    rules = subject.protocol.evaluation
    # Boxes that are not finite or far out are legal and near no face; numpy need not warn of them.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        if isinstance(rules, WiderEvaluation):
            return _wider(subject, rules, least)
        if isinstance(rules, PascalEvaluation):
            return _pascal(subject, least)
        if isinstance(rules, CocoEvaluation):
            return _coco(subject, least)
        return _fddb(subject, subject.protocol.rules(FddbEvaluation), least, min_score)


def overlapped(subject: Subject, faces: BoolArray, detections: BoolArray, near: IntArray) -> BoolArray:
    """Return which faces a detection overlaps as much as a hit must, although another face is the one near it.

    Args:
        subject: One evaluation and one of its curves.
        faces: bool (m,), the faces that are asked about.
        detections: bool (n,), the detections that are looked at.
        near: int64 (n,), the face near each detection.

    Returns:
        bool (m,), False for the faces that are not asked about.
    """
    rules, least = subject.protocol.evaluation, hit_overlap(subject)
    found = np.zeros(subject.faces.total, dtype=np.bool_)
    if isinstance(rules, FddbEvaluation):
        for image in fddb_matches(*_fddb_data(subject, rules), -np.inf, matching=rules.matching, discrete_iou=least):
            row, column = np.nonzero((image.overlaps > least) & detections[image.rows][:, None])
            column = column + image.first_face
            found[column[column != near[image.rows[row]]]] = True
        return found & faces
    # Roles are changed: for each face the detection that overlaps it most.
    rows, asked = np.flatnonzero(detections), np.flatnonzero(faces)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        best = _best_detections(subject, asked, rows, least)
    hit = best >= 0
    asked, best = asked[hit], rows[best[hit]]
    found[asked[near[best] != asked]] = True
    return found


def _best_detections(subject: Subject, asked: IntArray, rows: IntArray, least: float) -> IntArray:
    """Return for each face asked about the position in `rows` of the detection of largest IoU, -1 where none hits."""
    faces, images = subject.faces, len(subject.faces)
    image = np.minimum(subject.detections.image_rows[rows], images)
    rules = subject.protocol.evaluation
    keys, boxes = faces.keys, _boxes(subject)[rows]
    of_faces = offsets_of(np.bincount(faces.image_rows[asked], minlength=images))
    known = int(np.count_nonzero(image < images))  # detections of images without ground truth come last
    targets = FaceSet(keys, offsets_of(np.bincount(image[:known], minlength=images)), boxes[:known], {})
    if isinstance(rules, PascalEvaluation):
        pairs = same_image_pairs(faces.image_rows[asked], targets)
        return best_faces(faces.boxes[asked], targets.boxes, pairs, least)
    sought = DetectionSet(keys, of_faces, faces.boxes[asked], np.zeros(len(asked)))
    return best_boxes(sought, targets, threshold=least, inclusive=_inclusive(subject)).astype(np.int64)


def _inclusive(subject: Subject) -> bool:
    rules = subject.protocol.evaluation
    return isinstance(rules, WiderEvaluation) and rules.box_convention == "inclusive"


def _boxes(subject: Subject) -> FloatArray:
    """Return the detections' boxes as they were matched: float64 (n, 4)."""
    result = subject.outcome.result
    return result.aligned if isinstance(result, PascalResult) else subject.detections.boxes


def _wider(subject: Subject, rules: WiderEvaluation, least: float) -> Nearest:
    match, inclusive = subject.fates().faces, _inclusive(subject)
    # In double arithmetic whatever the protocol says: int32 knows no IoU but 0 and 1.
    near = best_boxes(subject.detections, subject.faces, threshold=least, inclusive=inclusive)
    face = np.where(match >= 0, match, near)
    rows = np.flatnonzero(face >= 0)
    a, b = subject.faces.boxes[face[rows]], subject.detections.boxes[rows]
    return Nearest(face, _spread(rows, aligned_iou(a, b, inclusive=inclusive), len(face)), match >= 0)


def _pascal(subject: Subject, least: float) -> Nearest:
    if subject.curve != subject.outcome.pictured:
        text = f"the boxes that '{subject.curve}' was matched with are not kept"
        raise UsageError(text, remedy=f"Analyse the errors of '{subject.outcome.pictured}'")
    match, boxes = subject.fates().faces, _boxes(subject)
    pairs = same_image_pairs(subject.detections.image_rows, subject.faces)
    # The toolbox asks for more than a threshold: the next smaller number makes `least` itself enough.
    near = best_faces(boxes, subject.faces.boxes, pairs, float(np.nextafter(least, 0)))
    face = np.where(match >= 0, match, near)
    rows = np.flatnonzero(face >= 0)
    return Nearest(
        face, _spread(rows, toolbox_iou(subject.faces.boxes[face[rows]], boxes[rows]), len(face)), match >= 0
    )


def _coco(subject: Subject, least: float) -> Nearest:
    match, detections, faces = subject.fates().faces, subject.detections, subject.faces
    crowd = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    single = np.flatnonzero(~crowd)
    singles = FaceSet(faces.keys, offsets_of(faces.per_image(~crowd)), faces.boxes[single], {})
    near = best_boxes(detections, singles, threshold=least, inclusive=False)
    face = np.full(detections.total, -1, dtype=np.int64)
    face[near >= 0] = single[near[near >= 0]]
    rows = np.flatnonzero(face >= 0)
    iou = _spread(rows, aligned_iou(faces.boxes[face[rows]], detections.boxes[rows]), len(face))
    in_crowd, inside = _crowds(detections, faces, crowd)
    nearer = (inside >= least) & (inside > iou)
    face, iou = np.where(nearer, in_crowd, face), np.where(nearer, inside, iou)
    rows = np.flatnonzero((match >= 0) & (match != face))
    face[rows] = match[rows]
    matched = faces.boxes[match[rows]]
    iou[rows] = np.where(
        crowd[match[rows]],
        _share_inside(detections.boxes[rows], matched),
        aligned_iou(matched, detections.boxes[rows]),
    )
    return Nearest(face, iou, iou >= _COCO_IOU)


def _crowds(detections: DetectionSet, faces: FaceSet, crowd: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the crowd that holds the largest share of each detection, -1 for none, and that share."""
    face, share = np.full(detections.total, -1, dtype=np.int64), np.zeros(detections.total)
    for image in np.flatnonzero(faces.per_image(crowd)).tolist():
        first = int(faces.offsets[image])
        rows = slice(int(detections.offsets[image]), int(detections.offsets[image + 1]))
        crowds = first + np.flatnonzero(crowd[first : faces.offsets[image + 1]])
        shares = _share_inside(detections.boxes[rows][:, None], faces.boxes[crowds][None])
        best = shares.argmax(axis=1)
        face[rows], share[rows] = crowds[best], shares.max(axis=1)
    return np.where(share > 0, face, -1), share


def _share_inside(boxes: FloatArray, regions: FloatArray) -> FloatArray:
    """Return the share of each box's area that lies inside its region; pycocotools' IoU with a crowd."""
    sides = np.minimum(boxes[..., 2:], regions[..., 2:]) - np.maximum(boxes[..., :2], regions[..., :2])
    inside = np.where((sides > 0).all(axis=-1), sides.prod(axis=-1), 0.0)
    return np.asarray(np.nan_to_num(inside / (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)))


def _fddb_data(subject: Subject, rules: FddbEvaluation) -> tuple[DetectionSet, FaceSet]:
    fitted = rules.fit_ellipse and subject.detections.ellipses is None
    return fit_ellipses(subject.detections) if fitted else subject.detections, subject.faces


def _fddb(subject: Subject, rules: FddbEvaluation, least: float, min_score: float) -> Nearest:
    """Return the matched face, else the best one; a match below `least` is none.

    An unmatched detection is a hit where another detection is matched with its best face. Where none is, which the
    official solver may leave so, no face is near it.
    """
    total, limit = subject.detections.total, rules.discrete_iou
    face, iou, hits = np.full(total, -1, dtype=np.int64), np.zeros(total), np.zeros(total, dtype=np.bool_)
    data = _fddb_data(subject, rules)
    for image in fddb_matches(*data, min_score, matching=rules.matching, discrete_iou=limit):
        if not image.overlaps.shape[1]:
            continue
        near = image.overlaps.argmax(axis=1)
        taken = np.zeros(image.overlaps.shape[1], dtype=np.bool_)
        for row, column in image.pairs:
            taken[column] = True
            if image.overlaps[row, column] >= least:
                near[row] = column
        value = image.overlaps[np.arange(len(near)), near]
        used = (value >= least) & ((value <= limit) | taken[near])
        face[image.rows] = np.where(used, image.first_face + near, -1)
        iou[image.rows] = np.where(used, value, 0.0)
        hits[image.rows] = used & (value > limit)
    return Nearest(face, iou, hits)


def _spread(rows: IntArray, values: FloatArray, total: int) -> FloatArray:
    """Put values at rows, 0 elsewhere."""
    spread = np.zeros(total)
    spread[rows] = values
    return spread
