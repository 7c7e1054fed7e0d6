"""The PASCAL Faces protocol in plain loops, from its description: to compare with, and to be measured against."""

from __future__ import annotations

import numpy as np

from sshbench.curves import voc_area_ap
from sshbench.protocols import PascalEvaluation
from sshbench.records import DetectionSet, FaceSet


def evaluate(detections: DetectionSet, faces: FaceSet, rules: PascalEvaluation) -> list[float]:
    """The protocol in loops: AP of each iteration."""
    found = []
    for i, key in enumerate(detections.keys):
        image = detections[i]
        for box, score in zip(image.boxes.tolist(), image.scores.tolist(), strict=True):
            if box[2] - box[0] > rules.least_detection or box[3] - box[1] > rules.least_detection:
                found.append((score, key, box))
    found.sort(key=lambda entry: -entry[0])
    truth = {}
    for i, key in enumerate(faces.keys):
        annotated = faces[i]
        truth[key] = [
            (box, bool(flag) or box[2] - box[0] < rules.least_face or box[3] - box[1] < rules.least_face)
            for box, flag in zip(annotated.boxes.tolist(), annotated.ignore["all"].tolist(), strict=True)
        ]
    total = sum(not flag for rows in truth.values() for _, flag in rows)
    boxes = [box for _, _, box in found]
    aps = []
    for _ in range(rules.iterations):
        seen, true, false, recall, precision, offsets = set(), 0, 0, [], [], []
        for (_, key, _), box in zip(found, boxes, strict=True):
            best, where = rules.iou_threshold, -1
            for f, (face, _) in enumerate(truth.get(key, [])):
                overlap = _iou(box, face)
                if overlap > rules.iou_threshold and overlap >= best:
                    best, where = overlap, f
            if where < 0:
                false += 1
            elif not truth[key][where][1]:
                if (key, where) in seen:
                    false += 1
                else:
                    true += 1
                    seen.add((key, where))
                    face = truth[key][where][0]
                    w, h = box[2] - box[0], box[3] - box[1]
                    offsets.append(
                        (
                            ((face[0] + face[2]) / 2 - (box[0] + box[2]) / 2) / w,
                            ((face[1] + face[3]) / 2 - (box[1] + box[3]) / 2) / h,
                            (face[2] - face[0]) / w,
                            (face[3] - face[1]) / h,
                        )
                    )
            recall.append(true / total if total else np.nan)
            precision.append(true / (true + false) if true + false else np.nan)
        aps.append(voc_area_ap(recall, precision))
        tx, ty, sx, sy = np.mean(offsets, axis=0).tolist() if offsets else (0.0, 0.0, 1.0, 1.0)
        boxes = [_aligned(box, tx, ty, sx, sy) for box in boxes]
    return aps


def _iou(a: list[float], b: list[float]) -> float:
    if min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1]):
        return 0.0
    inter = (min(a[2], b[2]) - max(a[0], b[0]) + 1) * (min(a[3], b[3]) - max(a[1], b[1]) + 1)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return inter / (sum(areas) - inter)


def _aligned(box: list[float], tx: float, ty: float, sx: float, sy: float) -> list[float]:
    w, h = box[2] - box[0], box[3] - box[1]
    x, y = (box[0] + box[2]) / 2 + tx * w, (box[1] + box[3]) / 2 + ty * h
    return [x - w / 2 * sx, y - h / 2 * sy, x + w / 2 * sx, y + h / 2 * sy]
