"""Box arithmetic in both conventions, IoU and exact greedy NMS.

Boxes are float64 corners `x1, y1, x2, y2`. With `inclusive=True` a side is `x2 - x1 + 1` (boxes name the first and the
last pixel, as the WIDER tool and the SSH release count); with `inclusive=False` it is `x2 - x1`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray, IntArray


def areas(boxes: npt.ArrayLike, *, inclusive: bool = False) -> FloatArray:
    """Areas of boxes in square pixels.

    Args:
        boxes: (n, 4) corners.
        inclusive: Whether a side is `x2 - x1 + 1`.

    Returns:
        float64 (n,); negative sides are not mended, so an inside-out box may have a negative area.

    >>> areas([[0, 0, 9, 9]], inclusive=True)
    array([100.])
    """
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    one = 1.0 if inclusive else 0.0
    return (b[:, 2] - b[:, 0] + one) * (b[:, 3] - b[:, 1] + one)


def sides_of(boxes: FloatArray) -> FloatArray:
    """Return widths and heights such that `x1 + w` is `x2` to the last bit: most likely those of the file.

    Corners are sums of what files give as x, y, w, h, and `x2 - x1` differs from w in the last bits. Taken is the
    difference itself where it is exact in single precision (whole numbers, halves, a network's own output), else the
    shortest decimal that adds up to the corner.

    Args:
        boxes: float64 (n, 4) corners.

    Returns:
        float64 (n, 2); the plain difference where no number adds up (its corners are further apart than doubles tell).

    >>> sides_of(np.array([[0.1, 0.2, 0.1 + 0.7, 0.2 + 0.1]])).tolist()
    [[0.7, 0.1]]
    """
    start, end = boxes[:, :2], boxes[:, 2:]
    sides = end - start
    with np.errstate(over="ignore", invalid="ignore"):
        open_ = np.isfinite(sides) & ((sides.astype(np.float32) != sides) | (start + sides != end))
        for digits in range(1, 17):
            if not open_.any():
                return sides
            shorter = np.round(sides[open_], digits)
            fits = start[open_] + shorter == end[open_]
            rows = np.argwhere(open_)[fits]
            sides[rows[:, 0], rows[:, 1]] = shorter[fits]
            open_[rows[:, 0], rows[:, 1]] = False
        for towards in (np.inf, -np.inf):
            nudged = np.nextafter(sides, towards)
            sides = np.where((start + sides != end) & (start + nudged == end), nudged, sides)
    return sides


def xywh_of(boxes: FloatArray) -> FloatArray:
    """Corners as x, y, w, h: float64 (n, 4), with the sides of `sides_of`."""
    return np.column_stack((boxes[:, :2], sides_of(boxes)))


def aligned_iou(a: FloatArray, b: FloatArray, *, inclusive: bool = False) -> FloatArray:
    """Compute the IoU of `a[i]` with `b[i]`, in the order of operations of the official WIDER tool.

    The order `inter / ((area_a + area_b) - inter)` matters to the last bit (boxoverlap.m of the WIDER FACE tool).

    Args:
        a: (n, 4) corners, the ground truth where there is one.
        b: (n, 4) corners.
        inclusive: Whether a side is `x2 - x1 + 1`.

    Returns:
        float64 (n,); 0 where the boxes do not overlap (a side of the intersection is not positive).

    >>> aligned_iou(np.array([[0., 0., 10., 10.]]), np.array([[0., 0., 10., 5.]]))
    array([0.5])
    """
    one = 1.0 if inclusive else 0.0
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + one
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + one
    area_a = (a[..., 2] - a[..., 0] + one) * (a[..., 3] - a[..., 1] + one)
    area_b = (b[..., 2] - b[..., 0] + one) * (b[..., 3] - b[..., 1] + one)
    inter = width * height
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = inter / ((area_a + area_b) - inter)
    iou[(width <= 0) | (height <= 0)] = 0.0
    return np.asarray(iou, dtype=np.float64)


def pairwise_iou(a: npt.ArrayLike, b: npt.ArrayLike, *, inclusive: bool = False) -> FloatArray:
    """Compute the IoU of every box of `a` with every box of `b`.

    Args:
        a: (n, 4) corners.
        b: (m, 4) corners.
        inclusive: Whether a side is `x2 - x1 + 1`.

    Returns:
        float64 (n, m).
    """
    left = np.asarray(a, dtype=np.float64).reshape(-1, 1, 4)
    right = np.asarray(b, dtype=np.float64).reshape(1, -1, 4)
    return aligned_iou(left, right, inclusive=inclusive)


def nms(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    iou_threshold: float,
    *,
    inclusive: bool = False,
    most: int | None = None,
) -> IntArray:
    """Exact greedy non-maximum suppression.

    By falling score (stable: of equal scores the earlier row first), a box is kept unless its IoU with a box kept
    before is **over** the threshold.

    Args:
        boxes: (n, 4) corners.
        scores: (n,).
        iou_threshold: A box is suppressed when its IoU with a kept one is greater than this.
        inclusive: Whether a side is `x2 - x1 + 1`.
        most: Stop after so many boxes; None for all.

    Returns:
        int64 (k,): rows kept, by falling score.

    >>> nms([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], [0.8, 0.9, 0.7], 0.5)
    array([1, 2])
    """
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ranked = b[order]
    kept: list[int] = []
    left = np.arange(len(ranked))
    while left.size and (most is None or len(kept) < most):
        first, rest = left[0], left[1:]
        kept.append(int(order[first]))
        overlap = aligned_iou(ranked[first][None, :], ranked[rest], inclusive=inclusive)
        left = rest[~(overlap > iou_threshold)]
    return np.asarray(kept, dtype=np.int64)


def bounding_boxes(ellipses: FloatArray) -> FloatArray:
    """Compute the tight boxes of ellipses.

    Args:
        ellipses: float64 (n, 5), major radius, minor radius, angle in radians, centre x, centre y.

    Returns:
        float64 (n, 4), corners.
    """
    major, minor, angle, x, y = ellipses.T
    half_width = np.hypot(major * np.cos(angle), minor * np.sin(angle))
    half_height = np.hypot(major * np.sin(angle), minor * np.cos(angle))
    return np.column_stack((x - half_width, y - half_height, x + half_width, y + half_height))
