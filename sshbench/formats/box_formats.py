"""What the four numbers of a box are: one reading for all formats."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sshbench.records import FloatArray

BoxFormat = Literal["xywh", "xyxy", "cxcywh"]
"""`xywh`: left, top, width, height; `xyxy`: left, top, right, bottom; `cxcywh`: centre, width, height. In pixels."""


def corners_of(numbers: FloatArray, box_format: BoxFormat) -> FloatArray:
    """Return boxes as corners x1, y1, x2, y2 with x2 = x1 + w.

    Args:
        numbers: float64 (n, 4), as the format says.
        box_format: What they are.

    Returns:
        float64 (n, 4), a copy.

    >>> import numpy as np
    >>> corners_of(np.array([[10.0, 20.0, 4.0, 6.0]]), "cxcywh").tolist()
    [[8.0, 17.0, 12.0, 23.0]]
    """
    boxes = np.array(numbers, dtype=np.float64).reshape(-1, 4)
    if box_format == "cxcywh":
        boxes[:, :2] -= boxes[:, 2:] / 2
    if box_format != "xyxy":
        boxes[:, 2:] += boxes[:, :2]
    return boxes
