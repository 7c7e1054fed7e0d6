"""Prior boxes and their decoding, shared by detectors derived from SSD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sshbench.records import FloatArray

Levels = Sequence[tuple[int, Sequence[tuple[int, int]]]]
"""By level: the stride, and for each box size its density k: k x k boxes per cell (1: one in the centre)."""

RETINAFACE: Levels = ((8, ((16, 1), (32, 1))), (16, ((64, 1), (128, 1))), (32, ((256, 1), (512, 1))))
FACEBOXES: Levels = ((32, ((32, 4), (64, 2), (128, 1))), (64, ((256, 1),)), (128, ((512, 1),)))
ULTRAFACE: Levels = (
    (8, ((10, 1), (16, 1), (24, 1))),
    (16, ((32, 1), (48, 1))),
    (32, ((64, 1), (96, 1))),
    (64, ((128, 1), (192, 1), (256, 1))),
)
"""Priors of published networks."""
VARIANCES = (0.1, 0.2)
"""The usual divisors of centres and of sides."""


def priors(height: int, width: int, levels: Levels) -> FloatArray:
    """Return centres and sides of all priors in pixels: float64 (2, n, 2), x before y.

    They are in the networks' order: by level, row and column of the cell, size, and within a size by row and column.

    Args:
        height: Height of the network's input.
        width: Width of the network's input.
        levels: Strides and box sizes.

    >>> priors(8, 16, [(8, [(16, 1)])])[0]
    array([[ 4.,  4.],
           [12.,  4.]])
    """
    centres, sides = [], []
    for stride, sizes in levels:
        rows, columns = -(-height // stride), -(-width // stride)
        row, column = np.divmod(np.arange(rows * columns), columns)
        within = np.concatenate([_within(density) for _, density in sizes])
        cells = np.column_stack((column, row))[:, None, :] + within[None, :, :]
        centres.append(cells.reshape(-1, 2) * stride)
        side = np.concatenate([np.full(density**2, size) for size, density in sizes])
        sides.append(np.repeat(np.tile(side, rows * columns)[:, None], 2, axis=1))
    return np.stack((np.concatenate(centres), np.concatenate(sides))).astype(np.float64)


def decode(deltas: FloatArray, chosen: FloatArray, variances: tuple[float, float] = VARIANCES) -> FloatArray:
    """Return the corners of priors after their deltas are applied.

    Args:
        deltas: float64 (n, 4): centre x and y in sides of the prior, logarithms of width and height.
        chosen: float64 (2, n, 2): the priors.
        variances: Of centres and of sides.

    Returns:
        float64 (n, 4).
    """
    centre = chosen[0] + deltas[:, :2] * variances[0] * chosen[1]
    half = chosen[1] * np.exp(deltas[:, 2:] * variances[1]) / 2
    return np.hstack((centre - half, centre + half))


def _within(density: int) -> FloatArray:
    """Return positions inside a cell, in cells: its centre, or for a dense size the corners of a grid, x before y."""
    places = np.array([0.5]) if density == 1 else np.arange(density) / density
    return np.column_stack((np.tile(places, density), np.repeat(places, density)))
