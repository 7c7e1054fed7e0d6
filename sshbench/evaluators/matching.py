"""For each detection of a dataset the best ground truth box of its image, without looking at every pair.

Two boxes with IoU >= t overlap by at least t of either's width, which bounds where the left edge of a partner may lie.
With the ground truth sorted by left edge, each detection's candidates are one short slice; only those are computed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sshbench.boxes import aligned_iou
from sshbench.flat import RowArray, row_type
from sshbench.records import DetectionSet, FaceSet, FloatArray, IntArray, offsets_of, ranges

_CHUNK_PAIRS = 1 << 17  # the working arrays of a chunk stay in the processor's cache, whatever the dataset's size
_LEAST_PAIRS = 8  # that a detection stands for, however few faces there are: its own working arrays take room, too
_LANE = float(1 << 24)  # each image gets a lane of x positions of its own, so that one search serves all images
_EDGE = float(1 << 22)
_INT32_MAX = float(2**31 - 1)
_INT32_MIN = float(-(2**31))


def best_boxes(
    detections: DetectionSet, faces: FaceSet, *, threshold: float, inclusive: bool = True, int32: bool = False
) -> RowArray:
    """Return the row of the ground truth box with the largest IoU, where that reaches the threshold.

    Args:
        detections: One entry per image of `faces`, in the same order.
        faces: The ground truth.
        threshold: Smallest IoU of a hit.
        inclusive: Whether sides are `+ 1`.
        int32: Compute as MATLAB does when the ground truth has an integer class (see `int32_iou`).

    Returns:
        int32 (n,), int64 for more than 2^31 faces: row in `faces`, the first one on ties; -1 where no box reaches the
        threshold.
    """
    # Boxes that are not finite or far out are legal and never hit; numpy need not warn of them.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return _best_boxes(detections, faces, threshold, inclusive, int32)


def _best_boxes(detections: DetectionSet, faces: FaceSet, threshold: float, inclusive: bool, int32: bool) -> RowArray:
    best = np.full(detections.total, -1, dtype=row_type(faces.total))
    slack = 2.0 if int32 else 1e-3
    for first, last, pair_detection, pair_face in _candidates(detections, faces, threshold, inclusive, slack, int32):
        a, b = faces.boxes[pair_face], detections.boxes[pair_detection]
        iou = int32_iou(a, b) if int32 else aligned_iou(a, b, inclusive=inclusive)
        hits = np.flatnonzero(iou >= threshold)
        if not len(hits):
            continue
        owner, face, value = pair_detection[hits], pair_face[hits], iou[hits]
        # Written from the worst to the best, so that the best stays: lowest IoU first, on ties the later box first.
        rank = np.lexsort((-face, value))
        best[first:last][owner[rank] - first] = face[rank]
    return best


def int32_iou(faces: FloatArray, detections: FloatArray) -> FloatArray:
    """Compute IoU as MATLAB does when the ground truth is int32 and the detection double.

    Every operation with an integer-class operand is rounded half away from zero and saturated, NaN becomes 0. The
    detection's own area stays double. The result is a whole number.

    Args:
        faces: float64 (n, 4), whole numbers.
        detections: float64 (n, 4).

    Returns:
        float64 (n,).

    Source: boxoverlap.m in copies of the tool from 2017 and 2018, where face_bbx_list was passed on as stored.
    """
    with np.errstate(all="ignore"):
        left = _int32(np.fmax(faces[:, 0], detections[:, 0]))
        top = _int32(np.fmax(faces[:, 1], detections[:, 1]))
        right = _int32(np.fmin(faces[:, 2], detections[:, 2]))
        bottom = _int32(np.fmin(faces[:, 3], detections[:, 3]))
        width = _int32(_int32(right - left) + 1)
        height = _int32(_int32(bottom - top) + 1)
        inter = _int32(width * height)
        face_area = _int32(
            _int32(_int32(faces[:, 2] - faces[:, 0]) + 1) * _int32(_int32(faces[:, 3] - faces[:, 1]) + 1)
        )
        area = (detections[:, 2] - detections[:, 0] + 1) * (detections[:, 3] - detections[:, 1] + 1)
        union = _int32(_int32(face_area + area) - inter)
        iou = _int32(inter / union)
    iou[(width <= 0) | (height <= 0)] = 0.0
    return iou


def _int32(values: FloatArray) -> FloatArray:
    rounded = np.trunc(values + np.copysign(0.5, values))
    return np.asarray(np.nan_to_num(np.clip(rounded, _INT32_MIN, _INT32_MAX), nan=0.0), dtype=np.float64)


def _candidates(
    detections: DetectionSet, faces: FaceSet, threshold: float, inclusive: bool, slack: float, loose: bool
) -> Iterator[tuple[int, int, IntArray, IntArray]]:
    """Yield chunks of (first detection, last, detection row of each pair, face row of each pair)."""
    face_image = np.repeat(np.arange(len(faces), dtype=np.float64), np.diff(faces.offsets))
    position = face_image * _LANE + np.clip(faces.boxes[:, 0], -_EDGE, _EDGE)
    by_position = np.argsort(position, kind="stable")
    position = position[by_position]
    one = 1.0 if inclusive else 0.0
    widest = _widest(faces, one)
    # A loose search keeps every overlapping pair: rounding to whole numbers breaks the bound by the threshold.
    share = 0.0 if loose else threshold
    for first, last in _chunks(detections, faces):
        boxes = detections.boxes[first:last]
        image = np.searchsorted(detections.offsets, np.arange(first, last), side="right") - 1
        width = boxes[:, 2] - boxes[:, 0] + one
        # The overlap is at least t of both widths, so the face is at most 1/t as wide as the detection, begins at most
        # 1 - t of its own width before it, and at most 1 - t of the detection's width after the detection begins.
        reach = widest[image] if loose else np.minimum(width / threshold, widest[image])
        low = boxes[:, 0] - (1.0 - share) * reach - slack
        high = boxes[:, 0] + (1.0 - share) * width + slack
        lane = image * _LANE
        begin = np.searchsorted(position, lane + np.clip(low, -_EDGE, _EDGE), side="left")
        end = np.searchsorted(position, lane + np.clip(high, -_EDGE, _EDGE), side="right")
        usable = np.isfinite(boxes).all(axis=1)  # a box that is not finite never reaches an IoU above 0
        begin = np.maximum(begin, faces.offsets[image])
        count = np.where(usable, np.maximum(np.minimum(end, faces.offsets[image + 1]) - begin, 0), 0)
        pair_detection = np.repeat(np.arange(first, last), count)
        pair_face = by_position[ranges(begin, count)]
        a, b = faces.boxes[pair_face], detections.boxes[pair_detection]
        near = (
            (a[:, 1] <= b[:, 3] + slack + one) & (b[:, 1] <= a[:, 3] + slack + one) & (b[:, 0] <= a[:, 2] + slack + one)
        )
        yield first, last, pair_detection[near], pair_face[near]


def _widest(faces: FaceSet, one: float) -> FloatArray:
    """Return the width of the widest box of each image, at least 0."""
    widest = np.zeros(len(faces))
    np.maximum.at(widest, faces.image_rows, faces.boxes[:, 2] - faces.boxes[:, 0] + one)
    return widest


def _chunks(detections: DetectionSet, faces: FaceSet) -> Iterator[tuple[int, int]]:
    """Yield runs of detections that make at most about `_CHUNK_PAIRS` pairs, were every pair a candidate."""
    rows, each = np.diff(detections.offsets), np.diff(faces.offsets)
    if int((rows * each).sum()) == 0:
        return
    each = np.maximum(each, _LEAST_PAIRS)
    bounds = offsets_of(rows * each)  # by image
    first = 0
    while first < detections.total:
        image = int(np.searchsorted(detections.offsets, first, side="right")) - 1
        end = bounds[image] + (first - detections.offsets[image]) * each[image] + _CHUNK_PAIRS * 4
        image = int(np.searchsorted(bounds, end, side="right")) - 1
        last = detections.total
        if image < len(each):
            last = max(int(detections.offsets[image] + (end - bounds[image]) // each[image]), first + 1)
        yield first, last
        first = last
