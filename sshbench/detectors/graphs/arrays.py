"""Arithmetic that all families of outputs share. Boxes are float64 corners x1, y1, x2, y2."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sshbench.records import FloatArray
from sshbench.ssh.anchors import Float32Array

Found = tuple[FloatArray, FloatArray]
"""Boxes, float64 (n, 4), corners in pixels of the network's input, and scores, float64 (n,)."""

BoxForm = Literal["x1y1x2y2", "y1x1y2x2", "xywh", "cxcywh"]
"""How four numbers are a box: two corners, a corner with width and height, or the centre with width and height."""


def cells(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return rows and columns of the cells of a stride; cells at the edge may be cut.

    >>> cells(64, 100, 32)
    (2, 4)
    """
    return -(-height // stride), -(-width // stride)


def places(rows: int, columns: int) -> FloatArray:
    """Return column and row of all cells, row by row: float64 (rows * columns, 2).

    >>> places(1, 2).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack((column, row)).astype(np.float64)


def around(centres: FloatArray, sides: FloatArray) -> FloatArray:
    """Return the boxes around centres: float64 (n, 4).

    Args:
        centres: float64 (n, 2), x before y.
        sides: float64 (n, 2), width before height.

    >>> around(np.array([[5.0, 5.0]]), np.array([[4.0, 2.0]])).tolist()
    [[3.0, 4.0, 7.0, 6.0]]
    """
    half = sides / 2
    return np.hstack((centres - half, centres + half))


def corners(values: FloatArray, form: BoxForm) -> FloatArray:
    """Return boxes of any form as corners x1, y1, x2, y2: float64 (n, 4).

    >>> corners(np.array([[5.0, 5.0, 4.0, 2.0]]), "cxcywh").tolist()
    [[3.0, 4.0, 7.0, 6.0]]
    """
    if form == "cxcywh":
        return around(values[:, :2], values[:, 2:])
    if form == "xywh":
        return np.hstack((values[:, :2], values[:, :2] + values[:, 2:]))
    return values[:, [1, 0, 3, 2]] if form == "y1x1y2x2" else values


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-values)), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    return np.asarray((1 + np.tanh(values / 2)) / 2, dtype=np.float64)


def softmax(values: FloatArray) -> FloatArray:
    """Return the probabilities of rows of logits, float64 (n, classes).

    >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def rows_of(output: Float32Array, columns: int) -> FloatArray:
    """Return an output of one image as rows: float64 (n, columns).

    Args:
        output: (1, n, columns), (n, columns), (1, n) or (n,) for one column, or a map (1, anchors * columns, height,
            width), whose rows go by row and column of the cell, then by anchor.
        columns: Numbers per row.

    Raises:
        ValueError: It has another shape.

    >>> rows_of(np.arange(8, dtype=np.float32).reshape(1, 4, 1, 2), 2).tolist()
    [[0.0, 2.0], [4.0, 6.0], [1.0, 3.0], [5.0, 7.0]]
    """
    shape = output.shape
    if output.ndim == 4 and shape[0] == 1 and shape[1] % columns == 0:
        cell_first = output[0].transpose(1, 2, 0)
        return np.asarray(cell_first.reshape(-1, columns), dtype=np.float64)
    if output.ndim == 3 and shape[0] == 1 and shape[2] == columns:
        return np.asarray(output[0], dtype=np.float64)
    if output.ndim == 2 and shape[1] == columns:
        return np.asarray(output, dtype=np.float64)
    if columns == 1 and (output.ndim == 1 or (output.ndim == 2 and shape[0] == 1)):
        return np.asarray(output.reshape(-1, 1), dtype=np.float64)
    raise ValueError(f"shape {shape}, where (1, n, {columns}) is expected")
