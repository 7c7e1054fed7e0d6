"""Signs that predictions are in another form than their reader takes them for; nothing is changed, only reported.

Boxes are compared with the ground truth: where few of them meet a face as they are read, but many do when they are
read in another way, that way is reported with the numbers and the option that reads them so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sshbench.boxes import pairwise_iou
from sshbench.flat import counted
from sshbench.records import DetectionSet, FaceSet, Finding, FloatArray, IntArray

_FIRST, _RELATIVE = 1000, 2.0  # boxes, and the largest coordinate that is taken for a relative one
_IMAGES, _BOXES = 40, 40  # compared: images, and detections per image, by falling score
_FEW, _MORE, _TIMES = 0.4, 0.3, 2.0  # met now at most; met in another reading at least, and this many times as many
_LEAST = 5  # faces, below which nothing is concluded
_HIGH_CUT, _MANY = 0.3, 100


@dataclass(frozen=True, slots=True)
class _Reading:
    """Another way to read the numbers of a prediction set."""

    code: str
    what: str
    remedy: str
    boxes: Callable[[FloatArray, FloatArray], FloatArray]


def _xywh(boxes: FloatArray) -> FloatArray:
    return np.hstack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]))


def _score_first(boxes: FloatArray, scores: FloatArray) -> FloatArray:
    return np.column_stack((scores, boxes[:, :3]))


_READINGS = (
    _Reading("xyxy-boxes", "x1 y1 x2 y2, not x y w h", "Use --box-format xyxy", lambda b, s: _xywh(b)),
    _Reading(
        "xywh-boxes",
        "x y w h, not x1 y1 x2 y2",
        "Use --box-format xywh",
        lambda b, s: np.hstack((b[:, :2], b[:, :2] + b[:, 2:])),
    ),
    _Reading(
        "centre-boxes",
        "centre, width and height, not x y w h",
        "Use --box-format cxcywh",
        lambda b, s: np.hstack((b[:, :2] - _xywh(b)[:, 2:] / 2, b[:, :2] + _xywh(b)[:, 2:] / 2)),
    ),
    _Reading("score-last", "x1 y1 x2 y2 score: the score comes first", "Write the score before the box", _score_first),
    _Reading(
        "scaled-boxes",
        "in pixels of images of half the size",
        "Scale the boxes to the original images",
        lambda b, s: b * 2,
    ),
    _Reading(
        "scaled-boxes",
        "in pixels of images of twice the size",
        "Scale the boxes to the original images",
        lambda b, s: b / 2,
    ),
    _Reading("swapped-axes", "y x h w, not x y w h", "Write x before y", lambda b, s: b[:, [1, 0, 3, 2]]),
    _Reading(
        "shifted-boxes",
        "y1 x1 y2 x2, not x y w h",
        "Write x before y, and width and height",
        lambda b, s: _xywh(b)[:, [1, 0, 3, 2]],
    ),
)


def suspicions(detections: DetectionSet, faces: FaceSet, known: set[str]) -> list[Finding]:
    """Return what is suspicious about predictions.

    Args:
        detections: As they were read, in pixels, x2 = x1 + w.
        faces: The ground truth.
        known: Codes of the findings that the reader reports already.
    """
    if not detections.total:
        return []
    found = [_relative(detections), *_scores(detections), _no_size(detections), _degrees(detections)]
    found.append(_outside(detections, faces))
    if found[0] is None and detections.ellipses is None:
        found.append(_other_reading(detections, faces))
    return [finding for finding in found if finding is not None and finding.code not in known]


def _relative(detections: DetectionSet) -> Finding | None:
    if (detections.boxes[:_FIRST] > _RELATIVE).any():  # as in nearly every set, which is then not looked through
        return None
    finite = detections.boxes[np.isfinite(detections.boxes).all(axis=1)]
    if len(finite) < _LEAST or np.abs(finite).max() > _RELATIVE:
        return None
    return Finding(
        "relative-boxes",
        f"all coordinates lie between {finite.min():.3g} and {finite.max():.3g}: they look relative to the image's "
        "size, but pixels are wanted. `sshbench data convert --from yolo` makes them",
    )


def _scores(detections: DetectionSet) -> list[Finding | None]:
    scores = detections.scores
    if not math.isfinite(scores.sum()):
        scores = scores[np.isfinite(scores)]
    if not len(scores):
        return []
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        return [
            Finding(
                "equal-scores",
                f"all scores are {low:g}, so that no curve can be drawn; the official WIDER FACE normalisation turns "
                "them into nothing. Give scores that rank the detections",
            )
        ]
    if low >= _HIGH_CUT and high <= 1 and len(scores) >= _MANY:
        return [
            Finding(
                "high-threshold",
                f"the lowest of {len(scores)} scores is {low:.3g}: detections below it seem to be cut off, which cuts "
                "the curve and lowers AP. Run the detector with a threshold near 0",
            )
        ]
    return []


def _are_many(boxes: int, detections: DetectionSet) -> bool:
    """Return whether so many boxes are more than a few odd ones: over two, and over one per cent."""
    return boxes > max(2, detections.total // 100)


def _no_size(detections: DetectionSet) -> Finding | None:
    boxes = detections.boxes
    flat = int(np.count_nonzero((boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])))
    if not _are_many(flat, detections):
        return None
    return Finding(
        "empty-boxes",
        f"{flat} of {counted(detections.total, 'box', 'boxes')} have no area. Check the order of the columns, and "
        "--box-format",
    )


def _outside(detections: DetectionSet, faces: FaceSet) -> Finding | None:
    """Report boxes that lie wholly outside of their images, where the annotation has the sizes."""
    if faces.sizes is None or detections.keys[: len(faces.keys)] != faces.keys:
        return None
    sizes = np.repeat(faces.sizes, np.diff(detections.offsets[: len(faces.keys) + 1]), axis=0)
    boxes = detections.boxes[: len(sizes)]
    outside = int(np.count_nonzero(((boxes[:, :2] >= sizes) | (boxes[:, 2:] <= 0)).any(axis=1)))
    if not _are_many(outside, detections):
        return None
    return Finding(
        "outside-boxes",
        f"{outside} of {counted(detections.total, 'box', 'boxes')} lie outside of their images. Check the order of the "
        "columns, and whether the images were resized",
    )


def _degrees(detections: DetectionSet) -> Finding | None:
    if detections.ellipses is None or not len(detections.ellipses):
        return None
    largest = float(np.abs(detections.ellipses[:, 2]).max())
    if largest <= 2 * math.pi:
        return None
    text = f"angles of ellipses reach {largest:.4g}: they look like degrees, but radians are wanted. Convert them"
    return Finding("degrees", text)


def _other_reading(detections: DetectionSet, faces: FaceSet) -> Finding | None:
    pairs = _pairs(detections, faces)
    total = sum(len(truth) for _, truth in pairs)
    if total < _LEAST:
        return None

    def met(reading: Callable[[FloatArray, FloatArray], FloatArray]) -> float:
        count = 0
        for rows, truth in pairs:
            boxes = reading(detections.boxes[rows], detections.scores[rows])
            with np.errstate(all="ignore"):
                count += int(np.count_nonzero((pairwise_iou(boxes, truth) >= 0.5).any(axis=0)))
        return count / total

    now = met(lambda boxes, scores: boxes)
    if now > _FEW:
        return None
    best, reading = max(((met(one.boxes), one) for one in _READINGS), key=lambda pair: pair[0])
    if best < _MORE or best < _TIMES * now:
        return None
    return Finding(
        reading.code,
        f"the boxes look like {reading.what}: so {best:.0%} of {counted(total, 'face')} are met, as they are read "
        f"{now:.0%}. {reading.remedy}",
    )


def _pairs(detections: DetectionSet, faces: FaceSet) -> list[tuple[IntArray, FloatArray]]:
    """Return the best detections (rows) and the faces of some images that have both, spread over the set."""
    where = {key: i for i, key in enumerate(faces.keys)}
    found, there = np.diff(detections.offsets).tolist(), np.diff(faces.offsets).tolist()
    places = ((i, where.get(key, -1)) for i, key in enumerate(detections.keys) if found[i])
    both = [(i, j) for i, j in places if j >= 0 and there[j]]
    pairs = []
    for i, j in both[:: max(1, len(both) // _IMAGES)]:
        rows = np.arange(detections.offsets[i], detections.offsets[i + 1])
        best = rows[np.argsort(-detections.scores[rows], kind="stable")[:_BOXES]]
        pairs.append((best, faces.boxes[faces.offsets[j] : faces.offsets[j + 1]]))
    return pairs
