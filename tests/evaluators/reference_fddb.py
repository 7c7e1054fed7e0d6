"""The FDDB protocol in plain loops, written from its description: to compare with, and to be measured against.

Every region is drawn on a canvas of the image's size, every pair of regions is compared pixel by pixel, and the best
assignment is looked for at every score of every image.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from sshbench.evaluators.kuhn import official_assignment
from sshbench.records import DetectionSet, FaceSet, FloatArray

Mask = npt.NDArray[np.uint8]


def drawn_ellipse(ellipse: FloatArray, size: tuple[int, int]) -> Mask:
    canvas = np.zeros((size[1], size[0]), dtype=np.uint8)
    major, minor, angle, x, y = ellipse.tolist()
    centre = (int(np.rint(np.float32(x))), int(np.rint(np.float32(y))))
    cv2.ellipse(canvas, centre, (int(major), int(minor)), 180 - (np.pi - angle) * 180 / np.pi, 0, 360, 1, -1)
    return canvas


def drawn_rectangle(box: FloatArray, size: tuple[int, int]) -> Mask:
    """Both corners belong to it; they may be the wrong way round."""
    canvas = np.zeros((size[1], size[0]), dtype=np.uint8)
    x1, y1, x2, y2 = (int(np.rint(np.float32(value))) for value in box)
    canvas[max(min(y1, y2), 0) : max(max(y1, y2) + 1, 0), max(min(x1, x2), 0) : max(max(x1, x2) + 1, 0)] = 1
    return canvas


def iou(a: Mask, b: Mask) -> float:
    shared, union = int((a & b).sum()), int((a | b).sum())
    return shared / union if shared else 0.0


def official(table: FloatArray) -> FloatArray:
    """Return the overlaps of the official solver's assignment; rows are detections in file order."""
    used = table[np.ix_(table.any(axis=1), table.any(axis=0))]
    if used.size == 0:
        return np.empty(0)
    if used.shape[0] > used.shape[1]:
        used = used.T
    return np.array([used[i, j] for i, j in official_assignment(used)])


def evaluate(detections: DetectionSet, faces: FaceSet) -> FloatArray:
    """Return rows of threshold, false positives, discrete and continuous true positives, by rising threshold."""
    assert faces.ellipses is not None
    assert faces.sizes is not None
    images: list[dict[float, tuple[float, float, float]]] = []
    for i, size in enumerate(map(tuple, faces.sizes.tolist())):
        found = detections[i]
        truth = [drawn_ellipse(row, size) for row in faces.ellipses[faces.offsets[i] : faces.offsets[i + 1]]]
        regions = [drawn_rectangle(box, size) for box in found.boxes]
        table = np.array([[iou(a, b) for b in truth] for a in regions]).reshape(len(regions), len(truth))
        results = {}
        for threshold in np.unique(found.scores).tolist():
            kept = table[found.scores >= threshold]
            pairs = kept[linear_sum_assignment(kept, maximize=True)]
            hits = int((pairs > 0.5).sum())
            results[threshold] = (float(len(kept) - hits), float(hits), float(pairs.sum()))
        images.append(results)
    rows = []
    for threshold in np.unique(detections.scores).tolist():
        totals = np.zeros(3)
        for results in images:
            above = [own for own in results if own >= threshold]
            if above:
                totals += results[min(above)]
        rows.append([threshold, *totals.tolist()])
    return np.array(rows).reshape(-1, 4)
