"""The box and image arithmetic of MTCNN's cascade, after the authors' MATLAB demo.

As in the demo and its ports, boxes count pixels from 1 and include their last pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.boxes import nms
from sshbench.records import FloatArray, Image, IntArray
from sshbench.ssh.anchors import Float32Array

_STRIDE, CELL = 2, 12  # of the first network


def pyramid(rgb: Image, min_face: float, scale_factor: float) -> list[tuple[float, Float32Array]]:
    """Return scaled copies of an image as network input, with the scale of each, down to one cell.

    Args:
        rgb: uint8 (height, width, 3).
        min_face: Side of the smallest faces, pixels.
        scale_factor: Scale of each level relative to the one before; below 1.
    """
    import cv2

    factor = CELL / min_face
    levels = []
    while min(rgb.shape[:2]) * factor >= CELL:
        size = (int(np.ceil(rgb.shape[1] * factor)), int(np.ceil(rgb.shape[0] * factor)))
        scaled = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
        levels.append((factor, normalised(scaled[None])))
        factor *= scale_factor
    return levels


def proposals(deltas: FloatArray, scores: FloatArray, factor: float, threshold: float) -> FloatArray:
    """Return the boxes of one pyramid level after NMS: float64 (n, 9), corners, score, deltas.

    Args:
        deltas: float64 (columns, rows, 4), output of the first network.
        scores: float64 (columns, rows).
        factor: Scale of the level.
        threshold: Minimum score.
    """
    column, row = np.nonzero(scores >= threshold)
    cell = np.column_stack((column, row)) * _STRIDE
    boxes = np.fix(np.hstack((cell + 1, cell + CELL)) / factor)
    found = np.column_stack((boxes, scores[column, row], deltas[column, row]))
    return found[nms(found[:, :4], found[:, 4], 0.5, inclusive=True)]


def normalised(batch: npt.NDArray[np.generic]) -> Float32Array:
    """Return RGB images (n, height, width, 3) as float32 (n, width, height, 3) in -1 to 1."""
    return ((batch.astype(np.float32) - np.float32(127.5)) / np.float32(128)).transpose(0, 2, 1, 3)


def moved(boxes: FloatArray, deltas: FloatArray, one: int) -> FloatArray:
    """Return corners moved by deltas in units of the sides; `one` is 1 if a side includes the last pixel."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2] + one, 2)
    return np.asarray(boxes + deltas * sides)


def squares(boxes: FloatArray) -> FloatArray:
    """Return the square with the longer side around each box's centre, in whole pixels."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    first = boxes[:, :2] + sides / 2 - longest / 2
    return np.asarray(np.fix(np.hstack((first, first + longest))))


def crop(rgb: Image, box: IntArray, side: int) -> Float32Array:
    """Cut a box out of the image, black where it exceeds the image, and resize it to a square."""
    import cv2

    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = (int(value) for value in box)
    patch = np.zeros((max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1), 3), dtype=np.float32)
    left, top, right, bottom = max(x1, 1), max(y1, 1), min(x2, width), min(y2, height)
    if right >= left and bottom >= top:
        patch[top - y1 : bottom - y1 + 1, left - x1 : right - x1 + 1] = rgb[top - 1 : bottom, left - 1 : right]
    return np.asarray(cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)


def nms_by_smaller(boxes: FloatArray, scores: FloatArray, threshold: float) -> list[int]:
    """Suppress greedily by the share of the smaller box that the intersection covers; return the rows kept.

    Unlike IoU, this also suppresses a small box inside a better one.
    """
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while left.size:
        first, rest = int(left[0]), left[1:]
        kept.append(first)
        ends = np.minimum(boxes[first, 2:], boxes[rest, 2:]) - np.maximum(boxes[first, :2], boxes[rest, :2]) + 1
        part = np.prod(np.maximum(ends, 0), axis=1) / np.minimum(area[first], area[rest])
        left = rest[part <= threshold]
    return kept
