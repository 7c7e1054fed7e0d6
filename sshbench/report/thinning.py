"""Curves thinned to what a plot needs."""

from __future__ import annotations

import numpy as np

from sshbench.curves import Curve, ROCCurve
from sshbench.evaluation.figures import SHOWN_FALSE_POSITIVES
from sshbench.records import BoolArray, FloatArray, IntArray

PIXELS = 2000
"""Width and height of the plot whose pixels decide, where nobody says otherwise."""


def thinned(curve: Curve, pixels: int = PIXELS) -> IntArray:
    """Return the positions of the points that a plot needs: int64 (k,), ascending.

    A point is dropped where the line between the points that are kept passes it within a pixel, in a square plot with
    the axes of our figures (Ramer, Douglas and Peucker's rule). The first and the last point stay, and those where
    precision begins or ends to be defined. False positives beyond the axis (2 000) count as at its end.

    Args:
        curve: The curve.
        pixels: Width and height of the plot.

    >>> from sshbench.curves import PRCurve
    >>> recall = np.linspace(0, 1, 100_001)
    >>> thinned(PRCurve(np.where(recall < 0.5, 1, 1.5 - recall), recall, 1 - recall, 0.75)).tolist()
    [0, 50000, 100000]
    """
    if isinstance(curve, ROCCurve):
        x, y = np.minimum(curve.false_positives / SHOWN_FALSE_POSITIVES, 1.0), curve.true_positive_rate
    else:
        x, y = curve.recall, curve.precision
    points = pixels * np.column_stack((x, y))
    undefined = np.isnan(y)
    ends = np.flatnonzero(np.diff(undefined)) + 1
    needed = np.zeros(len(points), dtype=np.bool_)
    for start, end in zip([0, *ends.tolist()], [*ends.tolist(), len(points)], strict=True):
        if end > start:
            needed[[start, end - 1]] = True
            if not undefined[start]:
                _mark(points, start, end - 1, needed)
    return np.flatnonzero(needed)


def _mark(points: FloatArray, start: int, end: int, needed: BoolArray) -> None:
    """Mark the points between two that the line between them, or the lines so far, do not pass within a pixel."""
    waiting = [(start, end)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        inner, along = points[first + 1 : last] - points[first], points[last] - points[first]
        square = float(along @ along)
        share = np.clip(inner @ along / square, 0.0, 1.0) if square else np.zeros(len(inner))
        distances = np.hypot(*(inner - share[:, None] * along).T)
        farthest = int(distances.argmax())
        if distances[farthest] >= 1.0:
            middle = first + 1 + farthest
            needed[middle] = True
            waiting += [(first, middle), (middle, last)]
