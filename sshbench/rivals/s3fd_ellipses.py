"""S3FD's map from rectangles to ellipses; it was fitted on FDDB's labels, so that its results there are in domain."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from sshbench.boxes import bounding_boxes, xywh_of
from sshbench.records import DetectionSet, FloatArray

FITTED_ON = ("fddb",)
"""Benchmarks whose labels the map was fitted on."""
_TABLE = Path(__file__).with_name("s3fd_ellipses.toml")


def ellipses_of(rectangles: FloatArray) -> FloatArray:
    """Return ellipses for rectangles.

    Args:
        rectangles: float64 (n, 4): x, y, w, h, sides as the release writes them (`x2 - x1 + 1`).

    Returns:
        float64 (n, 5): major radius, minor radius, angle in radians, centre x, centre y, FDDB's order. The map is
        linear, so that radii of very small boxes come out negative; they are 0 then.

    >>> ellipses_of(np.array([[100.0, 50, 80, 110]])).round(1).tolist()
    [[66.9, 44.0, 1.6, 139.7, 96.8]]
    """
    mean, deviation, weights, mean_there, deviation_there = _map()
    made: FloatArray = ((rectangles - mean) / deviation) @ weights * deviation_there + mean_there
    made[:, :2] = np.maximum(made[:, :2], 0.0)
    made[:, 2] += np.where(made[:, 2] >= 0, -np.pi / 2, np.pi / 2)
    return made


def with_ellipses(detections: DetectionSet) -> DetectionSet:
    """Return detections whose rectangles, as a file of the release gives them, have become ellipses by the map."""
    ellipses = ellipses_of(xywh_of(detections.boxes))
    return replace(detections, ellipses=ellipses, boxes=bounding_boxes(ellipses))


@cache
def _map() -> tuple[FloatArray, ...]:
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    there, here = table["ellipse"], table["rectangle"]
    rows = [table["weights"][name] for name in ("x", "y", "w", "h")]
    numbers = (here["mean"], here["deviation"], rows, there["mean"], there["deviation"])
    return tuple(np.array(values, dtype=np.float64) for values in numbers)
