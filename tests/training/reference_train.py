"""Targets, sampling and loss of SSH as plain loops, written from the specification without numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = Sequence[float]
SCALES = ((1, 2), (4, 8), (16, 32))
STRIDES = (8, 16, 32)
BORDERS = (0, 0, 512)


def anchors(module: int, height: int, width: int) -> list[list[float]]:
    """Return anchors by row, column and scale: squares of 16 * scale pixels around 7.5 + stride * column, inclusive."""
    found = []
    for row in range(height):
        for column in range(width):
            for scale in SCALES[module]:
                side = 16 * scale
                x, y = 7.5 + STRIDES[module] * column, 7.5 + STRIDES[module] * row
                found.append([x - (side - 1) / 2, y - (side - 1) / 2, x + (side - 1) / 2, y + (side - 1) / 2])
    return found


def iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    area = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (area[0] + area[1] - width * height)


def covered(anchor: Box, region: Box) -> float:
    """Return the share of an anchor that lies in a region."""
    width = min(anchor[2], region[2]) - max(anchor[0], region[0]) + 1
    height = min(anchor[3], region[3]) - max(anchor[1], region[1]) + 1
    side = anchor[2] - anchor[0] + 1
    return max(width, 0) * max(height, 0) / side**2


def targets(
    module: int, feature: tuple[int, int], image: tuple[int, int], faces: Sequence[Box], ignored: Sequence[Box]
) -> tuple[list[int], list[list[float]]]:
    """Return labels 1, 0 or -1, and deltas."""
    boxes = anchors(module, *feature)
    border = BORDERS[module]
    takes_part = [
        a[0] >= -border and a[1] >= -border and a[2] < image[1] + border and a[3] < image[0] + border for a in boxes
    ]
    if not any(takes_part):
        takes_part = [True] * len(boxes)
    labels, deltas = [], []
    for anchor, there in zip(boxes, takes_part, strict=True):
        label, delta = -1, [0.0] * 4
        if there:
            overlaps = [iou(anchor, face) for face in faces]
            best = max(overlaps, default=0.0)
            if best >= 0.5:
                label = 1
                face = faces[overlaps.index(best)]
                side = anchor[2] - anchor[0] + 1
                w, h = face[2] - face[0] + 1, face[3] - face[1] + 1
                dx = (face[0] + 0.5 * w - (anchor[0] + 0.5 * side)) / side
                dy = (face[1] + 0.5 * h - (anchor[1] + 0.5 * side)) / side
                delta = [dx, dy, math.log(w / side), math.log(h / side)]
            elif best < 0.3 and not any(covered(anchor, region) > 0.5 for region in ignored):
                label = 0
        labels.append(label)
        deltas.append(delta)
    return labels, deltas


def sample(labels: Sequence[int], scores: Sequence[float], count: int = 256, positives: int = 64) -> list[int]:
    """Return the hardest positives, at most 64, then the hardest negatives, 256 in all."""
    hard = sorted((i for i, label in enumerate(labels) if label == 1), key=lambda i: (scores[i], i))[:positives]
    worst = sorted((i for i, label in enumerate(labels) if label == 0), key=lambda i: (-scores[i], i))
    return hard + worst[: count - len(hard)]


def module_loss(
    cls: Sequence[Sequence[float]], moves: Sequence[Sequence[float]], labels: Sequence[int], deltas: Sequence[Box]
) -> tuple[float, float]:
    """Return cross entropy and smooth L1 of a module on one image.

    Args:
        cls: Per anchor, the scores of background and face.
        moves: Per anchor, the four deltas of the network.
        labels: Labels from `targets`.
        deltas: Deltas from `targets`.
    """
    scores = [1 / (1 + math.exp(background - face)) for background, face in cls]
    chosen = sample(labels, scores)
    entropy = box = 0.0
    for i in chosen:
        background, face = cls[i]
        top = max(background, face)
        total = top + math.log(math.exp(background - top) + math.exp(face - top))
        entropy += total - (face if labels[i] == 1 else background)
        if labels[i] == 1:
            for move, delta in zip(moves[i], deltas[i], strict=True):
                x = abs(move - delta)
                box += 0.5 * 9 * x * x if x < 1 / 9 else x - 0.5 / 9
    count = max(len(chosen), 1)
    return entropy / count, box / count
