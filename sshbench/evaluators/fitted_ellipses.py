"""Rectangles as ellipses, by a rule that was fitted on FDDB: `fddb_ellipse.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np

from sshbench.boxes import bounding_boxes
from sshbench.records import DetectionSet, FloatArray

_RULE = Path(__file__).parent / "fddb_ellipse.toml"


def ellipse_rule() -> dict[str, float]:
    """Return the numbers of `fit_ellipses`, in parts of the rectangle's sides."""
    return dict(tomllib.loads(_RULE.read_text(encoding="utf-8"))["parameters"])


def fit_ellipses(detections: DetectionSet) -> DetectionSet:
    """Turn rectangles into upright ellipses by the rule of `evaluators/fddb_ellipse.toml`."""
    rule = ellipse_rule()
    start, side = detections.boxes[:, :2], detections.boxes[:, 2:] - detections.boxes[:, :2]
    centre = start + side / 2 + side * np.array([rule["shift_x"], rule["shift_y"]])
    upright = np.full(len(side), np.pi / 2)
    # A rectangle that is inside out has no ellipse; it becomes a point.
    radii = np.maximum(side[:, ::-1] * np.array([rule["major"], rule["minor"]]), 0.0)
    ellipses: FloatArray = np.column_stack((radii, upright, centre))
    return replace(detections, ellipses=ellipses, boxes=bounding_boxes(ellipses))
