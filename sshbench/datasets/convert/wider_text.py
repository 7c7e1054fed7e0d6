"""WIDER FACE: `bbx_gt.txt` lists, and zips of prediction files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sshbench.boxes import xywh_of
from sshbench.datasets.convert.content import (
    Content,
    Format,
    Known,
    Losses,
    attribute_losses,
    ellipse_losses,
    size_losses,
    strip_suffix,
    with_suffix,
)
from sshbench.datasets.wider_annotations import ATTRIBUTES, image_names, read_text
from sshbench.errors import UsageError
from sshbench.predictions.files import FileTree
from sshbench.predictions.wider import read_wider, shortest, write_wider
from sshbench.records import FaceSet
from sshbench.runs import write_atomic


def read_truth(path: Path, known: Known) -> Content:
    """Faces that are marked invalid are the ones to ignore."""
    faces = read_text(path)
    invalid = faces.attributes["invalid"] != 0
    faces = FaceSet(faces.keys, faces.offsets, faces.boxes, {"all": invalid}, faces.attributes)
    return known.complete(Content(image_names(path), faces=faces))


def read_detections(path: Path, known: Known) -> Content:
    """Without ground truth, keys are the files' paths below what folders they all share, two parts at least."""
    keys = known.keys
    if keys is None:
        files = sorted(name for name in FileTree(path).names if name.endswith(".txt"))
        parts = [strip_suffix(name.removesuffix(".txt")).split("/") for name in files]
        while parts and min(map(len, parts)) > 2 and len({first for first, *_ in parts}) == 1:
            parts = [rest for _, *rest in parts]
        keys = tuple(dict.fromkeys("/".join(rest) for rest in parts))
    detections, _ = read_wider(path, keys)
    return known.complete(Content(keys, detections=detections))


def write_truth(content: Content, path: Path) -> Losses:
    """Numbers after x y w h are the dataset's six attributes, 0 where there are none."""
    faces = content.faces
    assert faces is not None
    zeros = np.zeros(faces.total, dtype=np.int8)
    columns = {name: faces.attributes.get(name, zeros) for name in ATTRIBUTES}
    columns["invalid"] = columns["invalid"] | faces.ignore.get("all", zeros).astype(np.int8)
    table = np.column_stack((xywh_of(faces.boxes), *columns.values()))
    lines: list[str] = []
    for i, name in enumerate(content.names):
        rows = table[faces.offsets[i] : faces.offsets[i + 1]].tolist()
        lines += [with_suffix(name), str(len(rows))]
        # The official lists have a row of zeros where there is no face.
        lines += [" ".join(map(shortest, row)) for row in rows] or [" ".join(["0"] * 10)]
    write_atomic(path, "\n".join(lines) + "\n")
    return [*ellipse_losses(content), *attribute_losses(content, ATTRIBUTES), *size_losses(content)]


def write_detections(content: Content, path: Path) -> Losses:
    """A zip with one file an image, rows by falling score."""
    detections = content.detections
    assert detections is not None
    if path.suffix != ".zip":
        raise UsageError(f"WIDER FACE detections are written as a zip, not '{path.name}'", remedy="Name it *.zip")
    write_wider(path, zip(detections.keys, detections, strict=True))
    return ellipse_losses(content)


FORMAT = Format("WIDER FACE text", read_truth, read_detections, write_truth, write_detections)
