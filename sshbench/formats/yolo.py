"""YOLO text: a folder with one file per image, rows `class cx cy w h [score]` relative to the image's size."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from sshbench.boxes import sides_of
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.formats.base import read_lines
from sshbench.formats.content import (
    Content,
    Format,
    Found,
    Known,
    Losses,
    Truth,
    attribute_losses,
    ellipse_losses,
    ignored_losses,
    needed_sizes,
)
from sshbench.records import DetectionSet, FaceSet, FloatArray, IntArray, offsets_of

_DECIMALS = 8
"""Pixels are rounded to this many decimals on reading, which undoes the rounding of the division by the size."""


def read_truth(path: Path, known: Known) -> Truth:
    """Read ground truth; every row is a face.

    Args:
        path: The folder of the label files `<image>.txt`, at any depth.
        known: The sizes of the images, which relative numbers need; and the images without a file, where ground truth
            or a list of sizes names them.

    Returns:
        Faces in pixels, rounded to 8 decimals.

    Raises:
        UsageError: The sizes are not known.
        MissingDataError: There is no such folder, or no file in it belongs to a known image.
        InputError: A row is invalid; the text names the line.
    """
    return _read(path, known, columns=5)[0]


def read_detections(path: Path, known: Known) -> Found:
    """Read detections as `read_truth` reads faces; rows have a sixth number, the score."""
    content, scores = _read(path, known, columns=6)
    detections = DetectionSet(content.keys, content.rows.offsets, content.rows.boxes, scores)
    return Content(content.names, detections, content.sizes, content.image_ids, content.category_id)


def write_truth(content: Truth, path: Path) -> Losses:
    """Write ground truth; an image without faces has an empty file.

    Raises:
        UsageError: The sizes are not known, or the folder holds something other than label files.
    """
    faces = content.rows
    rows = _relative(faces.boxes, _row_sizes(content))
    _write(path, content.keys, faces.offsets, rows)
    return [
        *ellipse_losses(content),
        *attribute_losses(content),
        *ignored_losses(content),
        *_edges(rows),
        *_sizes_needed(),
    ]


def write_detections(content: Found, path: Path) -> Losses:
    """Write detections; an image without any has an empty file.

    Raises:
        UsageError: As for `write_truth`.
    """
    detections = content.rows
    rows = _relative(detections.boxes, _row_sizes(content))
    _write(path, content.keys, detections.offsets, np.column_stack((rows, detections.scores)))
    return [*ellipse_losses(content), *_edges(rows), *_sizes_needed()]


def _read(path: Path, known: Known, columns: int) -> tuple[Truth, FloatArray]:
    """Return the rows of all files as faces, and the last column."""
    if not path.is_dir():
        raise MissingDataError(f"there is no folder {path}", remedy="Give the folder of the label files")
    files = {file.relative_to(path).with_suffix("").as_posix(): file for file in sorted(path.rglob("*.txt"))}
    files.pop("classes", None)  # labelling tools put their list of classes there
    keys = known.keys or (tuple(known.sizes) if set(files) <= set(known.sizes) else tuple(files))
    if not files or not set(files) & set(keys):
        raise MissingDataError(f"no label file in {path} is of a known image", remedy="Check the folder's layout")
    tables = [_rows(files[key], columns) if key in files else np.empty((0, columns - 1)) for key in keys]
    table = np.concatenate(tables)
    ignore = {"all": np.zeros(len(table), dtype=np.bool_)}
    faces = FaceSet(keys, offsets_of([len(rows) for rows in tables]), table[:, :4], ignore)
    content = known.complete(Content(keys, faces))
    scale = _row_sizes(content)
    start = np.round((table[:, :2] - table[:, 2:4] / 2) * scale, _DECIMALS)
    boxes = np.hstack((start, start + np.round(table[:, 2:4] * scale, _DECIMALS)))
    return replace(content, rows=FaceSet(keys, faces.offsets, boxes, ignore)), table[:, -1]


def _rows(file: Path, columns: int) -> FloatArray:
    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(file), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            values = []
        if len(values) != columns or not np.isfinite(values).all() or min(values[3], values[4]) < 0:
            wanted = "class cx cy w h" + (" score" if columns == 6 else "")
            raise InputError("invalid row", file=file, line=number, value=line, remedy=f"Write '{wanted}'")
        if values[0] != 0:
            remedy = "Keep the rows of faces only, as class 0"
            raise InputError("expected class 0", file=file, line=number, value=fields[0], remedy=remedy)
        rows.append(values[1:])
    return np.array(rows, dtype=np.float64).reshape(-1, columns - 1)


def _row_sizes(content: Content[FaceSet | DetectionSet]) -> FloatArray:
    """Return the size of each row's image: float64 (n, 2)."""
    sizes = needed_sizes(content, "YOLO's relative format")
    return np.repeat(sizes, np.diff(content.rows.offsets), axis=0).astype(np.float64)


def _relative(boxes: FloatArray, sizes: FloatArray) -> FloatArray:
    sides = sides_of(boxes)
    return np.hstack(((boxes[:, :2] + sides / 2) / sizes, sides / sizes))


def _edges(rows: FloatArray) -> Losses:
    start, end = rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2
    over = int(np.count_nonzero((start < -1e-9).any(axis=1) | (end > 1 + 1e-9).any(axis=1)))
    return [f"{over} boxes reach beyond the image's edge; some YOLO tools refuse them"] if over else []


def _sizes_needed() -> Losses:
    return ["pixels are kept to 8 decimals, and need the images' sizes to be read back"]


def _write(path: Path, keys: tuple[str, ...], offsets: IntArray, table: FloatArray) -> None:
    old = [file for file in path.rglob("*") if file.is_file()]
    if stranger := next((file for file in old if file.suffix != ".txt"), None):
        raise UsageError(f"{path} holds more than label files, for example {stranger}", remedy="Give another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp"))
    try:
        for i, key in enumerate(keys):
            file = temporary / f"{key}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = table[offsets[i] : offsets[i + 1]].tolist()
            file.write_text("".join(f"0 {' '.join(map(repr, row))}\n" for row in rows), encoding="utf-8")
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)  # label files only; the user asked for it
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


FORMAT = Format(("yolo",), "YOLO text", ("*/",), read_truth, read_detections, write_truth, write_detections)
