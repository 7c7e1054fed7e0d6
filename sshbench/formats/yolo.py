"""YOLO text: a folder with one file an image, rows `class cx cy w h [score]` relative to the image's size."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from sshbench.boxes import sides_of
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.formats.base import (
    Content,
    Format,
    Known,
    Losses,
    attribute_losses,
    ellipse_losses,
    needed_sizes,
    read_lines,
)
from sshbench.records import DetectionSet, FaceSet, FloatArray, IntArray, offsets_of

_DECIMALS = 8
"""Pixels are rounded to so many decimals on reading: what dividing and multiplying by the size did is undone so."""


def read_truth(path: Path, known: Known) -> Content:
    """Every row is a face."""
    content, table, offsets = _read(path, known, columns=5)
    ignore = {"all": np.zeros(len(table), dtype=np.bool_)}
    return replace(content, faces=FaceSet(content.keys, offsets, table[:, :4], ignore))


def read_detections(path: Path, known: Known) -> Content:
    """Rows have a sixth number, the score."""
    content, table, offsets = _read(path, known, columns=6)
    return replace(content, faces=None, detections=DetectionSet(content.keys, offsets, table[:, :4], table[:, 4]))


def write_truth(content: Content, path: Path) -> Losses:
    """An image without faces has an empty file."""
    faces = content.faces
    assert faces is not None
    rows = _relative(faces.boxes, _row_sizes(content, faces.offsets))
    _write(path, content.keys, faces.offsets, rows)
    ignored = int(faces.ignore["all"].sum()) if "all" in faces.ignore else 0
    losses = [f"{ignored} ignored faces became ordinary ones"] if ignored else []
    return [*ellipse_losses(content), *attribute_losses(content), *losses, *_edges(rows), *_sizes_needed()]


def write_detections(content: Content, path: Path) -> Losses:
    """An image without detections has an empty file."""
    detections = content.detections
    assert detections is not None
    rows = _relative(detections.boxes, _row_sizes(content, detections.offsets))
    _write(path, content.keys, detections.offsets, np.column_stack((rows, detections.scores)))
    return [*ellipse_losses(content), *_edges(rows), *_sizes_needed()]


def _read(path: Path, known: Known, columns: int) -> tuple[Content, FloatArray, IntArray]:
    if not path.is_dir():
        raise MissingDataError(f"there is no folder {path}", remedy="Name the folder of the label files")
    files = {file.relative_to(path).with_suffix("").as_posix(): file for file in sorted(path.rglob("*.txt"))}
    files.pop("classes", None)  # labelling tools put their list of classes there
    keys = known.keys or (tuple(known.sizes) if set(files) <= set(known.sizes) else tuple(files))
    if not files or not set(files) & set(keys):
        raise MissingDataError(f"no label file in {path} is of a known image", remedy="Check the folder's layout")
    nothing = FaceSet(keys, np.zeros(len(keys) + 1, dtype=np.int64), np.empty((0, 4)), {})
    content = known.complete(Content(keys, faces=nothing))
    sizes = needed_sizes(content, "YOLO's relative format")
    tables = [_rows(files[key], columns) if key in files else np.empty((0, columns - 1)) for key in keys]
    offsets = offsets_of([len(table) for table in tables])
    table = np.concatenate(tables) if tables else np.empty((0, columns - 1))
    scale = np.repeat(sizes, np.diff(offsets), axis=0).astype(np.float64)
    half = table[:, 2:4] / 2
    start = np.round((table[:, :2] - half) * scale, _DECIMALS)
    sides = np.round(table[:, 2:4] * scale, _DECIMALS)
    table[:, :4] = np.hstack((start, start + sides))
    return content, table, offsets


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
            raise InputError("is no row of YOLO", file=file, line=number, value=line, remedy=f"Write '{wanted}'")
        if values[0] != 0:
            remedy = "Keep the rows of faces only, as class 0"
            raise InputError("is of another class than 0", file=file, line=number, value=fields[0], remedy=remedy)
        rows.append(values[1:])
    return np.array(rows, dtype=np.float64).reshape(-1, columns - 1)


def _row_sizes(content: Content, offsets: IntArray) -> FloatArray:
    return np.repeat(needed_sizes(content, "YOLO's relative format"), np.diff(offsets), axis=0).astype(np.float64)


def _relative(boxes: FloatArray, sizes: FloatArray) -> FloatArray:
    sides = sides_of(boxes)
    return np.hstack(((boxes[:, :2] + sides / 2) / sizes, sides / sizes))


def _edges(rows: FloatArray) -> Losses:
    start, end = rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2
    over = int(np.count_nonzero((start < -1e-9).any(axis=1) | (end > 1 + 1e-9).any(axis=1)))
    return [f"{over} boxes reach over the image's edge: some YOLO tools refuse them"] if over else []


def _sizes_needed() -> Losses:
    return ["pixels are kept to 8 decimals, and only together with the images' sizes"]


def _write(path: Path, keys: tuple[str, ...], offsets: IntArray, table: FloatArray) -> None:
    old = [file for file in path.rglob("*") if file.is_file()]
    if stranger := next((file for file in old if file.suffix != ".txt"), None):
        raise UsageError(f"{path} holds more than label files, for example {stranger}", remedy="Name another folder")
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
            shutil.rmtree(path)  # label files only, and the user said so
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


FORMAT = Format("YOLO text", read_truth, read_detections, write_truth, write_detections)
