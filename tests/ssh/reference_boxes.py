"""Anchors to final boxes as the specification says, one number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

BASE_SIDES = ((16, 32), (64, 128), (256, 512))
STRIDES = (8, 16, 32)
f32 = np.float32


def anchor(module: int, row: int, column: int, which: int) -> list[np.float32]:
    half = (BASE_SIDES[module][which] - 1) / 2
    x, y = 7.5 + STRIDES[module] * column, 7.5 + STRIDES[module] * row
    return [f32(x - half), f32(y - half), f32(x + half), f32(y + half)]


def module_rows(module: int, cls: Any, bbox: Any, size: tuple[int, int]) -> list[tuple[list[np.float32], np.float32]]:
    """The thousand best boxes of a module, by row, column and anchor where scores are equal."""
    rows = []
    for row in range(cls.shape[1]):
        for column in range(cls.shape[2]):
            for which in (0, 1):
                with np.errstate(over="ignore"):
                    odds = np.exp(cls[which, row, column] - cls[2 + which, row, column])
                score = f32(1) / (f32(1) + odds)
                dx, dy, dw, dh = bbox[4 * which : 4 * which + 4, row, column]
                x1, y1, x2, y2 = anchor(module, row, column, which)
                w, h = x2 - x1 + f32(1), y2 - y1 + f32(1)
                cx, cy = dx * w + (x1 + f32(0.5) * w), dy * h + (y1 + f32(0.5) * h)
                half_w, half_h = f32(0.5) * (np.exp(dw) * w), f32(0.5) * (np.exp(dh) * h)
                box = [cx - half_w, cy - half_h, cx + half_w, cy + half_h]
                limits = [size[1] - 1, size[0] - 1] * 2
                rows.append(([min(max(v, f32(0)), f32(limit)) for v, limit in zip(box, limits, strict=True)], score))
    return sorted(rows, key=lambda entry: -entry[1])[:1000]


def iou(a: list[float], b: list[float]) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if w <= 0 or h <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return w * h / (areas[0] + areas[1] - w * h)


def detections(levels: list[Any], threshold: float, nms_iou: float) -> list[tuple[list[float], float]]:
    """Pool, threshold, suppress. A level is (modules, size, scale); a module left out is None."""
    pooled = []
    for modules, size, scale in levels:
        for module, outputs in enumerate(modules):
            if outputs is not None:
                classes, deltas = outputs
                for row, found in module_rows(module, classes, deltas, size):
                    pooled.append(([float(v / f32(scale)) for v in row], float(found)))
    kept: list[tuple[list[float], float]] = []
    for box, score in sorted((row for row in pooled if row[1] > threshold), key=lambda row: -row[1]):
        if all(iou(better, box) <= nms_iou for better, _ in kept):
            kept.append((box, score))
    return kept
