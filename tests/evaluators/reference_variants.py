"""WIDER FACE as other tools compute it, once more, in the way such tools are written: loops over images and numbers.

No function of the package takes part. Every switch is a plain `if` at the place where such a tool differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Iou = Callable[[list[float], list[float]], float]


@dataclass
class Photo:
    """One image: corners and scores in the file's order, corners of faces, and by subset the faces that count."""

    rows: list[tuple[list[float], float]]
    faces: list[list[float]]
    counts: dict[str, list[bool]]


def iou_without_one(face: list[float], found: list[float]) -> float:
    width = min(face[2], found[2]) - max(face[0], found[0])
    height = min(face[3], found[3]) - max(face[1], found[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    area = (face[2] - face[0]) * (face[3] - face[1]) + (found[2] - found[0]) * (found[3] - found[1])
    return inter / (area - inter)


def spread(groups: Sequence[Sequence[float]], switches: Sequence[str]) -> list[list[float]]:
    """Scores of several images, normalised together."""
    kind = np.float64 if "float64" in switches else np.float32
    highest, lowest = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    if "range-0-1" in switches:
        highest, lowest = 0.0, 1.0
    for score in (float(kind(score)) for group in groups for score in group):
        if not math.isnan(score):
            highest, lowest = max(highest, score), min(lowest, score)
    with np.errstate(all="ignore"):
        width = kind(kind(highest) - kind(lowest))
        return [[float((kind(score) - kind(lowest)) / width) for score in group] for group in groups]


def hits(photo: Photo, iou: Iou) -> list[int]:
    """The face that each row hits; -1 for none."""
    found = []
    for box, _ in photo.rows:
        best, overlap = -1, 0.5
        for number, face in enumerate(photo.faces):
            value = iou(face, box)
            if value > overlap or (best < 0 and value == overlap):
                best, overlap = number, value
        found.append(best)
    return found


def last_rows(normal: list[float]) -> list[int]:
    """The last row that reaches each threshold, whatever stands before it; -1 for none."""
    rows = list(reversed(list(enumerate(normal))))
    return [next((row for row, score in rows if score >= 1 - t / 1000), -1) for t in range(1, 1001)]


def follow(hit: list[int], counts: list[bool]) -> tuple[list[int], list[int]]:
    """By row: how many rows up to it stay in precision's denominator, and how many faces were recalled up to it."""
    state = [0] * len(counts)
    stay, stays, recalled = 0, [], []
    for face in hit:
        stay += face < 0 or counts[face]
        if face >= 0 and counts[face]:
            state[face] = 1
        stays.append(stay)
        recalled.append(sum(state))
    return stays, recalled


def area(recall: list[float], precision: list[float]) -> float:
    recall, precision = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in reversed(range(len(precision) - 1)):
        if not precision[i] >= precision[i + 1]:
            precision[i] = precision[i + 1] if not math.isnan(precision[i + 1]) else precision[i]
    total = 0.0
    for i in range(1, len(recall)):
        if recall[i] != recall[i - 1]:
            total += (recall[i] - recall[i - 1]) * precision[i]
    return total


def evaluate(photos: list[Photo], iou: Iou, switches: Sequence[str], *, skip_without_boxes: bool) -> dict[str, float]:
    """AP by subset.

    Args:
        photos: All images.
        iou: From a face and a detection to their overlap.
        switches: `unsorted`, `range-0-1`, `float64`, `per-image`, `score-cut`, `skip-images`.
        skip_without_boxes: Whether images without any face are left out.
    """
    if "score-cut" in switches:
        photos = [Photo([row for row in one.rows if row[1] >= 0.5], one.faces, one.counts) for one in photos]
    if "unsorted" not in switches:
        photos = [Photo(by_score(one.rows), one.faces, one.counts) for one in photos]
    raw = [[score for _, score in one.rows] for one in photos]
    scores = [spread([one], switches)[0] for one in raw] if "per-image" in switches else spread(raw, switches)
    hit = [hits(photo, iou) for photo in photos]
    last = [last_rows(normal) for normal in scores]
    found = {}
    for subset in photos[0].counts:
        kept, right, wanted = [0] * 1000, [0] * 1000, 0
        for number, photo in enumerate(photos):
            counts = photo.counts[subset]
            wanted += sum(counts)
            if (skip_without_boxes and not photo.faces) or ("skip-images" in switches and not any(counts)):
                continue
            stays, recalled = follow(hit[number], counts)
            for t, row in enumerate(last[number]):
                if row >= 0:
                    kept[t] += stays[row]
                    right[t] += recalled[row]
        precision = [r / k if k else math.nan for r, k in zip(right, kept, strict=True)]
        found[subset] = area([r / wanted for r in right], precision)
    return found


def by_score(rows: list[tuple[list[float], float]]) -> list[tuple[list[float], float]]:
    return sorted(rows, key=lambda row: (not math.isnan(row[1]), -row[1] if not math.isnan(row[1]) else 0.0))
