"""The straightforward way, as the popular Python ports go it: for each image and subset, 1 000 thresholds in a loop.

It is the peer that speeds are stated against. It gives the official figures too (rows sorted, single precision), so
that the two are compared on the same result.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from sshbench.boxes import pairwise_iou
from sshbench.curves import wider_ap
from sshbench.datasets.base import Dataset


def evaluate(predictions: Path, dataset: Dataset, thresholds: int = 1000) -> list[float]:
    """APs of easy, medium and hard for a zip of prediction files."""
    found = read(predictions, dataset.keys)
    scores = np.concatenate([rows[:, 4] for rows in found if len(rows)]).astype(np.float32)
    lowest, highest = scores.min(), scores.max()
    for rows in found:
        rows[:, 4] = (rows[:, 4].astype(np.float32) - lowest) / (highest - lowest)
    aps = []
    for subset in ("easy", "medium", "hard"):
        totals = np.zeros((thresholds, 2))
        for i, rows in enumerate(found):
            faces = dataset.faces[i]
            if len(rows) and len(faces):
                kept, recalled = match(faces.boxes, faces.ignore[subset], rows)
            else:
                kept, recalled = np.ones(len(rows)), np.zeros(len(rows))
            for t in range(thresholds):
                reached = np.where(rows[:, 4] >= 1 - (t + 1) / thresholds)[0]
                if len(reached):
                    last = reached[-1]
                    totals[t, 0] += kept[: last + 1].sum()
                    totals[t, 1] += recalled[last]
        with np.errstate(invalid="ignore"):
            precision = totals[:, 1] / totals[:, 0]
        aps.append(wider_ap(totals[:, 1] / dataset.faces.counted(subset), precision))
    return aps


def read(predictions: Path, keys: tuple[str, ...]) -> list[np.ndarray]:
    """Rows x y w h score of each image, by falling score."""
    found = []
    with zipfile.ZipFile(predictions) as archive:
        for key in keys:
            lines = archive.read(f"{key}.txt").decode().splitlines()[2:]
            rows = np.array([[float(v) for v in line.split()[:5]] for line in lines]).reshape(-1, 5)
            found.append(rows[np.argsort(-rows[:, 4], kind="stable")])
    return found


def match(faces: np.ndarray, ignore: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row stays in precision's denominator, and the faces recalled up to it."""
    boxes = rows[:, :4].copy()
    boxes[:, 2:] += boxes[:, :2]
    overlaps = pairwise_iou(faces, boxes, inclusive=True)
    kept, recalled = np.ones(len(rows)), np.zeros(len(rows))
    done = np.zeros(len(faces), dtype=bool)
    for i in range(len(rows)):
        best = overlaps[:, i].argmax()
        if overlaps[best, i] >= 0.5:
            if ignore[best]:
                kept[i] = 0
            else:
                done[best] = True
        recalled[i] = done.sum()
    return kept, recalled
