"""YOLO text: a folder with one file per image, rows `class cx cy w h [score]` relative to the image's size."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from sshbench.boxes import sides_of
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import FileTree
from sshbench.flat import counted
from sshbench.formats.base import lines_of, read_lines
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
from sshbench.formats.names import NameMatcher, is_litter
from sshbench.records import Detections, DetectionSet, FaceSet, Finding, FloatArray, IntArray, offsets_of

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
    return Content(content.names, detections, content.sizes, content.image_ids, content.category_id, content.notes)


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


def read_yolo(
    path: Path, keys: Sequence[str], sizes: Callable[[Sequence[str]], Mapping[str, tuple[int, int]]] | None
) -> tuple[DetectionSet, list[Finding]]:
    """Read detections of a dataset, as YOLO's and Ultralytics' tools write them (`save_txt`, `save_conf`).

    Args:
        path: Folder or zip of the label files, at any depth.
        keys: Image keys of the dataset, in order.
        sizes: Returns width and height of images by their keys.

    Returns:
        Detections aligned with `keys`, in pixels; and the findings.

    Raises:
        MissingDataError: No file belongs to the dataset.
        InputError: A row is invalid, or has no score; the text names the line.
        UsageError: The sizes of the images are not known.
    """
    tree = FileTree(path)
    matcher = NameMatcher(keys)
    files: dict[str, str] = {}
    unknown: list[str] = []
    for name in _label_files(tree):
        key = matcher.match(name.removesuffix(".txt"))
        if key is None:
            unknown.append(name)
        elif key in files:
            raise InputError("a second file of this image", file=path / name, value=key, remedy="Keep one of them")
        else:
            files[key] = name
    if not files:
        raise MissingDataError(f"no label file in {path} is of an image of the dataset", remedy="Check their names")
    read = tree.read_all(list(files.values()))
    tables = {key: _rows(path / name, lines_of(read(i)), columns=6)[0] for i, (key, name) in enumerate(files.items())}
    known = sizes(list(files)) if sizes is not None else {}
    if lacking := next((key for key in files if key not in known and len(tables[key])), None):
        raise UsageError(
            f"YOLO's relative numbers need the sizes of the images, and that of {lacking} is not known",
            remedy="Put the images into the dataset's folder, or give a list 'name width height' with --sizes",
        )
    found = []
    for key in keys:
        table = tables.get(key, np.empty((0, 5)))
        scale = np.array(known.get(key, (1, 1)), dtype=np.float64)
        found.append((key, Detections(_pixels(table[:, :4], scale), table[:, 4])))
    findings = []
    if missing := tuple(key for key in keys if key not in files):
        text = f"{counted(len(missing), 'image')} without a label file: they count as images without detections"
        findings.append(Finding("missing-file", text, missing))
    if unknown:
        text = f"{counted(len(unknown), 'label file')} of no image of the dataset were not read"
        findings.append(Finding("unknown-file", text, tuple(unknown)))
    if (matched := matcher.finding()) is not None:
        findings.append(matched)
    return DetectionSet.from_images(found), findings


def is_yolo(tree: FileTree) -> bool:
    """Return whether the text files of a folder or zip are YOLO's: rows of a class and numbers between 0 and 1."""
    names = list(islice(filter(_is_label_file, tree.names), _LOOKED_AT))
    read = tree.read_all(names)
    for i in range(len(names)):
        lines = [line.split() for line in lines_of(read(i)[:4000])[:1] if line.strip()]
        if lines:
            fields = lines[0]
            return len(fields) >= 5 and fields[0].isdigit() and all(map(_is_part, fields[1:5]))
    return False


def _is_part(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _is_label_file(name: str) -> bool:
    # Labelling tools put their list of classes there.
    return name.endswith(".txt") and not name.endswith("classes.txt") and not is_litter(name)


def _label_files(tree: FileTree) -> list[str]:
    return sorted(filter(_is_label_file, tree.names))


def _pixels(relative: FloatArray, scale: FloatArray) -> FloatArray:
    start = np.round((relative[:, :2] - relative[:, 2:4] / 2) * scale, _DECIMALS)
    return np.hstack((start, start + np.round(relative[:, 2:4] * scale, _DECIMALS)))


def _read(path: Path, known: Known, columns: int) -> tuple[Truth, FloatArray]:
    """Return the rows of all files as faces, and the last column."""
    if not path.is_dir():
        raise MissingDataError(f"there is no folder {path}", remedy="Give the folder of the label files")
    written = {name.removesuffix(".txt"): path / name for name in _label_files(FileTree(path))}
    wanted = known.keys or tuple(known.sizes)
    matcher = NameMatcher(wanted)
    files = {matcher.match(name) or name: file for name, file in written.items()}
    keys = known.keys or (wanted if set(files) <= set(wanted) else tuple(files))
    if not files or not set(files) & set(keys):
        raise MissingDataError(f"no label file in {path} is of a known image", remedy="Check the folder's layout")
    parsed = [_rows(files[key], read_lines(files[key]), columns) if key in files else _NO_ROWS for key in keys]
    table = np.concatenate([rows[:, : columns - 1] for rows, _ in parsed])
    notes = list(dict.fromkeys(note for _, note in parsed if note))
    if (matched := matcher.finding()) is not None:
        notes.append(str(matched))
    ignore = {"all": np.zeros(len(table), dtype=np.bool_)}
    faces = FaceSet(keys, offsets_of([len(rows) for rows, _ in parsed]), table[:, :4], ignore)
    content = known.complete(Content(keys, faces, notes=tuple(notes)))
    boxes = _pixels(table, _row_sizes(content))
    return replace(content, rows=FaceSet(keys, faces.offsets, boxes, ignore)), table[:, -1]


_LOOKED_AT = 20  # files, to tell the format
_NO_ROWS: tuple[FloatArray, str] = (np.empty((0, 5)), "")


def _rows(file: Path, lines: Sequence[str], columns: int) -> tuple[FloatArray, str]:
    """Return the rows of a file, cx cy w h and the score (0 for ground truth), and what was left out."""
    rows: list[list[float]] = []
    note = ""
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            values = []
        box, left_out = _box_and_score(values, columns)
        if box is None or not np.isfinite(values).all() or min(box[2], box[3]) < 0:
            wanted = "class cx cy w h" + (" score" if columns == 6 else "")
            remedy = f"Write '{wanted}'"
            if columns == 6 and len(values) == 5:
                remedy += "; Ultralytics writes the scores with save_conf=True"
            raise InputError("invalid row", file=file, line=number, value=line, remedy=remedy)
        if values[0] != 0:
            remedy = "Keep the rows of faces only, as class 0"
            raise InputError("expected class 0", file=file, line=number, value=fields[0], remedy=remedy)
        if columns == 5 and max(box[:4]) > _RELATIVE:
            remedy = "YOLO's numbers are relative to the image's size; divide them by width and height"
            raise InputError("expected numbers between 0 and 1", file=file, line=number, value=line, remedy=remedy)
        note = note or left_out
        rows.append(box)
    return np.array(rows, dtype=np.float64).reshape(-1, 5), note


_RELATIVE = 4.0  # boxes may reach far beyond the image, but not by pixels
_LANDMARKS = (10, 15)  # five points, without and with their visibility


def _box_and_score(values: list[float], columns: int) -> tuple[list[float] | None, str]:
    """Return cx cy w h score of a row, which may have landmarks, or be a polygon; None if it is neither."""
    more = len(values) - columns
    score = values[-1] if columns == 6 and values else 0.0
    if more == 0:
        return [*values[1:5], score], ""
    if more in _LANDMARKS and not (columns == 5 and _is_polygon(values)):
        return [*values[1:5], score], "landmarks were left out"
    if columns == 5 and len(values) >= 7 and len(values) % 2:
        xs, ys = values[1::2], values[2::2]
        box = [(min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)]
        return [*box, 0.0], "polygons became their bounding boxes"
    return None, ""


def _is_polygon(values: list[float]) -> bool:
    """Return whether a row of 15 numbers is a polygon of seven points, not a box with five landmarks in it."""
    if len(values) != 15:
        return False
    cx, cy, w, h = values[1:5]
    points = [(x, y) for x, y in zip(values[5::2], values[6::2], strict=True) if x >= 0 and y >= 0]
    return any(abs(x - cx) > w or abs(y - cy) > h for x, y in points)


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
