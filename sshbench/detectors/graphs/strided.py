"""Decoding of anchor-free boxes at several strides: YuNet and SCRFD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sshbench.detectors.graphs.arrays import Found, around, cells, places
from sshbench.records import FloatArray

Levels = Sequence[tuple[int, FloatArray, FloatArray]]
"""By level: the stride, the scores (n,) and the boxes as the network codes them (n, 4)."""


def joined_score(cls: FloatArray, objectness: FloatArray, score: Literal["product", "sqrt"]) -> FloatArray:
    """Return the score of two probabilities: their product, or its square root; both are cut to 0 and 1.

    >>> joined_score(np.array([0.5]), np.array([0.5]), "sqrt").tolist()
    [0.5]
    """
    product = np.clip(cls, 0, 1) * np.clip(objectness, 0, 1)
    return np.asarray(np.sqrt(product) if score == "sqrt" else product, dtype=np.float64)


def decode_offsets(levels: Levels, height: int, width: int, threshold: float) -> Found:
    """Decode offsets from the cell's corner and logarithms of the sides, in strides: YuNet's and YOLOX's.

    Args:
        levels: One row per cell.
        height: Of the network's input.
        width: Of the network's input.
        threshold: Rows with lower scores are left out.

    Raises:
        ValueError: A level has another number of cells.

    >>> level = (8, np.array([0.1, 0.9]), np.array([[0.0, 0, 0, 0], [0.5, 0.5, 0, 0]]))
    >>> decode_offsets([level], 8, 16, 0.5)[0].tolist()
    [[8.0, 0.0, 16.0, 8.0]]
    """
    boxes, scores = [], []
    for stride, score, values in levels:
        cell = places(*cells(height, width, stride))
        _check_count(len(score), len(cell), stride)
        rows = np.flatnonzero(score >= threshold)
        centre = (cell[rows] + values[rows, :2]) * stride
        boxes.append(around(centre, np.exp(values[rows, 2:]) * stride))
        scores.append(score[rows])
    return np.concatenate(boxes), np.concatenate(scores)


def decode_distances(
    levels: Levels, height: int, width: int, threshold: float, *, anchors: int = 2, offset: float = 0.0
) -> Found:
    """Decode distances, in strides, from a point of the cell to the four sides: SCRFD's.

    Args:
        levels: `anchors` rows per cell; distances to the left, upper, right and lower side.
        height: Of the network's input.
        width: Of the network's input.
        threshold: Rows with lower scores are left out.
        anchors: Rows per cell.
        offset: Where the point lies in the cell: 0 its corner, 0.5 its centre.

    Raises:
        ValueError: A level has another number of rows.

    >>> level = (8, np.array([0.9]), np.array([[1.0, 1, 2, 2]]))
    >>> decode_distances([level], 8, 8, 0.5, anchors=1)[0].tolist()
    [[-8.0, -8.0, 16.0, 16.0]]
    """
    boxes, scores = [], []
    for stride, score, values in levels:
        cell = places(*cells(height, width, stride))
        _check_count(len(score), len(cell) * anchors, stride)
        rows = np.flatnonzero(score >= threshold)
        point = (cell[rows // anchors] + offset) * stride
        reach = values[rows] * stride
        boxes.append(np.hstack((point - reach[:, :2], point + reach[:, 2:])))
        scores.append(score[rows])
    return np.concatenate(boxes), np.concatenate(scores)


def _check_count(found: int, expected: int, stride: int) -> None:
    if found != expected:
        raise ValueError(f"{found} rows, but stride {stride} has {expected} for this input")
