"""Decoding of a heat map of centres: CenterFace's and CenterNet's."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sshbench.detectors.graphs.arrays import Found, around
from sshbench.records import BoolArray, FloatArray


def decode_heat_map(
    heat: FloatArray,
    sides: FloatArray,
    offsets: FloatArray,
    threshold: float,
    *,
    stride: int = 4,
    order: Literal["yx", "xy"] = "yx",
    log_sides: bool = True,
    centre: float = 0.5,
    peaks: bool = False,
) -> Found:
    """Make a box around every cell of a heat map that passes the threshold, cut to the network's input.

    Args:
        heat: float64 (height, width), the score of each cell.
        sides: float64 (2, height, width), in cells, or their logarithms.
        offsets: float64 (2, height, width), of the centre from the cell's own point, in cells.
        threshold: Cells with lower scores are left out.
        stride: Pixels per cell.
        order: `yx`: the first channel of `sides` and `offsets` is the vertical one.
        log_sides: Whether `sides` are logarithms.
        centre: The cell's own point: 0 its corner, 0.5 its centre.
        peaks: Keep only cells that no neighbour exceeds, which stands for NMS.

    >>> heat = np.array([[0.1, 0.9]])
    >>> decode_heat_map(heat, np.zeros((2, 1, 2)), np.zeros((2, 1, 2)), 0.5)[0].tolist()
    [[4.0, 0.0, 8.0, 4.0]]
    """
    chosen = heat >= threshold
    rows, columns = np.nonzero(chosen & _peaks(heat) if peaks else chosen)
    x_first = slice(None, None, -1) if order == "yx" else slice(None)
    at = np.column_stack((columns, rows)) + offsets[x_first, rows, columns].T + centre
    lengths = sides[x_first, rows, columns].T
    boxes = around(at, np.exp(lengths) if log_sides else lengths) * stride
    height, width = heat.shape
    return np.clip(boxes, 0, [width * stride, height * stride] * 2), heat[rows, columns]


def _peaks(heat: FloatArray) -> BoolArray:
    """Return which cells none of their eight neighbours exceeds."""
    from scipy.ndimage import maximum_filter

    highest: BoolArray = heat == maximum_filter(heat, size=3, mode="constant", cval=-np.inf)
    return highest
