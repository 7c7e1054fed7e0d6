"""PASCAL Faces and AFW: annotations as CSV (or the toolbox's `.mat`, reading only), detections a line each."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from sshbench.datasets.convert.content import (
    Content,
    Format,
    Known,
    Losses,
    attribute_losses,
    ellipse_losses,
    size_losses,
)
from sshbench.datasets.pascal import read_csv, read_mat
from sshbench.errors import UsageError
from sshbench.predictions.pascal import read_pascal_file
from sshbench.predictions.wider import shortest
from sshbench.records import IntArray
from sshbench.runs import write_atomic


def read_truth(path: Path, known: Known) -> Content:
    """The new annotations or the old ones."""
    faces = read_csv(path) if path.suffix == ".csv" else read_mat(path)
    return known.complete(Content(faces.keys, faces=faces))


def read_detections(path: Path, known: Known) -> Content:
    """Images without detections are not in the file; ground truth names them."""
    detections = read_pascal_file(path)
    if known.keys is not None:
        detections = detections.aligned(known.keys)
    return known.complete(Content(detections.keys, detections=detections))


def write_truth(content: Content, path: Path) -> Losses:
    """A row a face; column f4 is 0."""
    faces = content.faces
    assert faces is not None
    ignore = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    names = np.repeat(np.array(content.keys, dtype=object), np.diff(faces.offsets))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "x1", "y1", "x2", "y2", "f4", "ignore"])
    for name, box, flag in zip(names, faces.boxes.tolist(), ignore.tolist(), strict=True):
        writer.writerow([name, *map(shortest, box), 0, int(flag)])
    write_atomic(path, text.getvalue())
    losses = [*ellipse_losses(content), *attribute_losses(content, ("invalid",)), *size_losses(content)]
    return [*losses, *_empty_images(faces.offsets, "faces")]


def write_detections(content: Content, path: Path) -> Losses:
    """In the order of the file they were read from, where it is known."""
    detections = content.detections
    assert detections is not None
    if spaced := next((key for key in content.keys if len(key.split()) != 1), None):
        raise UsageError(f"the image name '{spaced}' holds spaces, which part the columns", remedy="Rename the image")
    names = np.repeat(np.array(content.keys, dtype=object), np.diff(detections.offsets))
    rows = list(zip(names, detections.scores.tolist(), detections.boxes.tolist(), strict=True))
    if detections.positions is not None:
        rows = [rows[i] for i in np.argsort(detections.positions, kind="stable")]
    lines = [f"{name} {shortest(score)} {' '.join(map(shortest, box))}\n" for name, score, box in rows]
    write_atomic(path, "".join(lines))
    return [*ellipse_losses(content), *_empty_images(detections.offsets, "detections")]


def _empty_images(offsets: IntArray, what: str) -> Losses:
    empty = int(np.count_nonzero(np.diff(offsets) == 0))
    return [f"{empty} images without {what} were left out"] if empty else []


FORMAT = Format("PASCAL Faces and AFW", read_truth, read_detections, write_truth, write_detections)
