"""The WIDER FACE protocol once more, as plain loops over numbers, written from its description; slow and obvious."""

from __future__ import annotations

import math

import numpy as np


def iou_double(face: list[float], det: list[float]) -> float:
    width = min(face[2], det[2]) - max(face[0], det[0]) + 1
    height = min(face[3], det[3]) - max(face[1], det[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    face_area = (face[2] - face[0] + 1) * (face[3] - face[1] + 1)
    det_area = (det[2] - det[0] + 1) * (det[3] - det[1] + 1)
    union = (face_area + det_area) - inter
    return inter / union if union else math.copysign(math.inf, inter)


def int32(value: float) -> float:
    """MATLAB's int32(): rounded half away from zero, saturated, NaN is 0."""
    if math.isnan(value):
        return 0.0
    if math.isinf(value):
        return 2.0**31 - 1 if value > 0 else -(2.0**31)
    rounded = math.floor(abs(value) + 0.5)
    return min(max(math.copysign(rounded, value), -(2.0**31)), 2.0**31 - 1)


def iou_int32(face: list[float], det: list[float]) -> float:
    left, top = int32(max(face[0], det[0])), int32(max(face[1], det[1]))
    right, bottom = int32(min(face[2], det[2])), int32(min(face[3], det[3]))
    width, height = int32(int32(right - left) + 1), int32(int32(bottom - top) + 1)
    if width <= 0 or height <= 0:
        return 0.0
    inter = int32(width * height)
    face_area = int32((face[2] - face[0] + 1) * (face[3] - face[1] + 1))
    det_area = (det[2] - det[0] + 1) * (det[3] - det[1] + 1)
    union = int32(int32(face_area + det_area) - inter)
    if union == 0:
        return 2.0**31 - 1 if inter > 0 else 0.0
    return int32(inter / union)


def evaluate(
    images: list[tuple[list[list[float]], list[bool], list[list[float]], list[float]]], iou: str, without_faces: str
) -> tuple[list[int], list[int], int]:
    """Kept and recalled at each of 1 000 thresholds, and the number of faces that count.

    Args:
        images: For each: faces (corners), whether each is ignored, detections (corners), raw scores.
        iou: `double` or `int32`.
        without_faces: Whether images without faces `count` or are to `skip`.
    """
    overlap = iou_double if iou == "double" else iou_int32
    raw = [np.float32(s) for *_, scores in images for s in scores if not math.isnan(s)]
    highest = max([np.finfo(np.float32).tiny, *raw])
    lowest = min([np.finfo(np.float32).max, *raw])
    kept, recalled = [0] * 1000, [0] * 1000
    for faces, ignored, detections, scores in images:
        if not faces and without_faces == "skip":
            continue
        order = sorted(range(len(scores)), key=lambda i: (not math.isnan(scores[i]), -scores[i]))
        with np.errstate(all="ignore"):
            normal = [float((np.float32(scores[i]) - lowest) / (highest - lowest)) for i in order]
        dropped, recalls = [], []
        recalled_faces: set[int] = set()
        running = 0
        for i in order:
            overlaps = [overlap(face, detections[i]) for face in faces]
            best = max(range(len(faces)), key=lambda g: overlaps[g], default=-1)
            hit = best >= 0 and overlaps[best] >= 0.5
            dropped.append(hit and ignored[best])
            if hit and not ignored[best] and best not in recalled_faces:
                recalled_faces.add(best)
                running += 1
            recalls.append(running)
        for t in range(1, 1001):
            reached = [j for j, s in enumerate(normal) if s >= 1 - t / 1000]
            if reached:
                last = reached[-1]
                kept[t - 1] += sum(not d for d in dropped[: last + 1])
                recalled[t - 1] += recalls[last]
    return kept, recalled, sum(not flag for _, ignored, _, _ in images for flag in ignored)
