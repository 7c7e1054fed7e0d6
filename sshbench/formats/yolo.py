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
from sshbench.formats.yolo_rows import DETECTIONS, TRUTH, YoloRows, parse_rows
from sshbench.records import Detections, DetectionSet, FaceSet, Finding, FloatArray, IntArray, offsets_of

_NO_ROWS = parse_rows(Path(), (), TRUTH)
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
    return _read(path, known, TRUTH)[0]


def read_detections(path: Path, known: Known) -> Found:
    """Read detections as `read_truth` reads faces; rows have a sixth number, the score."""
    content, scores = _read(path, known, DETECTIONS)
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
    tables = {
        key: _face_rows(path / name, lines_of(read(i)), DETECTIONS) for i, (key, name) in enumerate(files.items())
    }
    known = sizes(list(files)) if sizes is not None else {}
    if lacking := next((key for key in files if key not in known and len(tables[key].scores)), None):
        raise UsageError(
            f"YOLO's relative numbers need the sizes of the images, and that of {lacking} is not known",
            remedy="Put the images into the dataset's folder, or give a list 'name width height' with --sizes",
        )
    found = []
    for key in keys:
        rows = tables.get(key, _NO_ROWS)
        scale = np.array(known.get(key, (1, 1)), dtype=np.float64)
        found.append((key, Detections(pixels(rows.boxes, scale), rows.scores)))
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
    names = list(islice(filter(is_label_file, tree.names), _LOOKED_AT))
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


def is_label_file(name: str) -> bool:
    """Return whether a file of this name may hold labels of an image."""
    # Labelling tools put their list of classes there.
    return name.endswith(".txt") and not name.endswith("classes.txt") and not is_litter(name)


def _label_files(tree: FileTree) -> list[str]:
    return sorted(filter(is_label_file, tree.names))


def pixels(relative: FloatArray, scale: FloatArray) -> FloatArray:
    """Return corners in pixels, rounded to 8 decimals.

    Args:
        relative: float64 (n, 4), cx cy w h.
        scale: float64 (n, 2) or (2,), width and height of the images in pixels.
    """
    start = np.round((relative[:, :2] - relative[:, 2:4] / 2) * scale, _DECIMALS)
    return np.hstack((start, start + np.round(relative[:, 2:4] * scale, _DECIMALS)))


def _read(path: Path, known: Known, columns: int) -> tuple[Truth, FloatArray]:
    """Return the rows of all files as faces, and their scores."""
    if not path.is_dir():
        raise MissingDataError(f"there is no folder {path}", remedy="Give the folder of the label files")
    written = {name.removesuffix(".txt"): path / name for name in _label_files(FileTree(path))}
    wanted = known.keys or tuple(known.sizes)
    matcher = NameMatcher(wanted)
    files = {matcher.match(name) or name: file for name, file in written.items()}
    keys = known.keys or (wanted if set(files) <= set(wanted) else tuple(files))
    if not files or not set(files) & set(keys):
        raise MissingDataError(f"no label file in {path} is of a known image", remedy="Check the folder's layout")
    parsed = [_face_rows(files[key], read_lines(files[key]), columns) if key in files else _NO_ROWS for key in keys]
    table = np.concatenate([rows.boxes for rows in parsed])
    notes = list(dict.fromkeys(rows.note for rows in parsed if rows.note))
    if (matched := matcher.finding()) is not None:
        notes.append(str(matched))
    ignore = {"all": np.zeros(len(table), dtype=np.bool_)}
    faces = FaceSet(keys, offsets_of([len(rows.boxes) for rows in parsed]), table, ignore)
    content = known.complete(Content(keys, faces, notes=tuple(notes)))
    boxes = pixels(table, _row_sizes(content))
    scores = np.concatenate([rows.scores for rows in parsed])
    return replace(content, rows=FaceSet(keys, faces.offsets, boxes, ignore)), scores


_LOOKED_AT = 20  # files, to tell the format


def _face_rows(file: Path, lines: Sequence[str], columns: int) -> YoloRows:
    """Return the rows of a file, which must all be of faces, class 0.

    Raises:
        InputError: A row is invalid, or of another class; the text names the first.
    """
    rows = parse_rows(file, lines, columns)
    other = np.flatnonzero(rows.classes)
    strange = [int(rows.lines[i]) for i in other[:1]]
    if rows.problems and not (strange and strange[0] < (rows.problems[0].line or 0)):
        raise rows.problems[0]
    if strange:
        value = str(rows.classes[other[0]])
        remedy = "Keep the rows of faces only, as class 0"
        raise InputError("expected class 0", file=file, line=strange[0], value=value, remedy=remedy)
    return rows


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
