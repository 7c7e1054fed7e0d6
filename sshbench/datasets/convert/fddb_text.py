"""FDDB: ellipse lists, and files of detections as rectangles or ellipses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sshbench.boxes import sides_of, xywh_of
from sshbench.datasets.convert.content import (
    Content,
    Format,
    Known,
    Losses,
    attribute_losses,
    size_losses,
)
from sshbench.predictions.fddb import read_annotation, read_fddb_file
from sshbench.predictions.wider import shortest
from sshbench.records import FloatArray, IntArray
from sshbench.runs import write_atomic


def read_truth(path: Path, known: Known) -> Content:
    """One file: the merged annotation, or one fold."""
    faces = read_annotation([path])
    return known.complete(Content(faces.keys, faces=faces))


def read_detections(path: Path, known: Known) -> Content:
    """Rectangles keep x y w h; ellipses also have their bounding boxes."""
    detections = read_fddb_file(path)
    if known.keys is not None:
        detections = detections.aligned(known.keys)
    return known.complete(Content(detections.keys, detections=detections))


def write_truth(content: Content, path: Path) -> Losses:
    """FDDB's faces are ellipses: boxes become the ones inscribed in them."""
    faces = content.faces
    assert faces is not None
    losses: Losses = []
    ellipses = faces.ellipses
    if ellipses is None:
        ellipses = inscribed(faces.boxes)
        if len(ellipses):
            losses.append(f"{len(ellipses)} boxes became the upright ellipses inscribed in them")
    write_atomic(path, _blocks(content.keys, faces.offsets, np.column_stack((ellipses, np.ones(len(ellipses))))))
    ignored = int(faces.ignore["all"].sum()) if "all" in faces.ignore else 0
    if ignored:
        losses.append(f"{ignored} ignored faces became ordinary ones")
    return [*losses, *attribute_losses(content), *size_losses(content)]


def write_detections(content: Content, path: Path) -> Losses:
    """Ellipses where the detections have them, else rectangles."""
    detections = content.detections
    assert detections is not None
    regions = xywh_of(detections.boxes) if detections.ellipses is None else detections.ellipses
    write_atomic(path, _blocks(content.keys, detections.offsets, np.column_stack((regions, detections.scores))))
    return []


def inscribed(boxes: FloatArray) -> FloatArray:
    """Upright ellipses inscribed in boxes: float64 (n, 5), the major axis along the longer side."""
    sides = sides_of(boxes)
    upright = sides[:, 1] >= sides[:, 0]
    major, minor = sides.max(axis=1, initial=0) / 2, sides.min(axis=1, initial=np.inf) / 2
    return np.column_stack((major, minor, np.where(upright, np.pi / 2, 0.0), boxes[:, :2] + sides / 2))


def _blocks(keys: Sequence[str], offsets: IntArray, table: FloatArray) -> str:
    lines: list[str] = []
    for i, key in enumerate(keys):
        rows = table[offsets[i] : offsets[i + 1]].tolist()
        lines += [key, str(len(rows)), *(" ".join(map(shortest, row)) for row in rows)]
    return "\n".join(lines) + "\n"


FORMAT = Format("FDDB text", read_truth, read_detections, write_truth, write_detections)
