"""WIDER FACE's annotation files: the official `.mat` and the text lists; and conversion of both kinds of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.boxes import xywh_of
from sshbench.errors import InputError, UsageError
from sshbench.files import FileTree, write_atomic
from sshbench.flat import counted
from sshbench.formats.base import (
    count_at,
    is_image_name,
    read_lines,
    read_mat_file,
    shortest,
    strip_suffix,
    with_suffix,
)
from sshbench.formats.content import (
    Content,
    Format,
    Found,
    Known,
    Losses,
    Truth,
    attribute_losses,
    ellipse_losses,
    size_losses,
)
from sshbench.formats.wider import read_wider, write_wider
from sshbench.records import BoolArray, FaceSet, FloatArray, offsets_of

# In the order of the text files' columns after x y w h.
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
_REMEDY = "Get the file again from the dataset's page"


def read_mat(path: Path, subsets: Mapping[str, Path]) -> FaceSet:
    """Read `wider_face_<split>.mat` and the tool's `wider_<subset>_val.mat`.

    Args:
        path: Boxes (`face_bbx_list`, x y w h in pixels) and attributes by event and image.
        subsets: By subset name, the file whose `gt_list` holds the 1-based indices of the faces that count.

    Returns:
        Ground truth in the file's order; a face that a subset does not list is ignored in it.

    Raises:
        MissingDataError: A file does not exist.
        InputError: A variable is missing, or the lists do not fit together.
    """
    content = read_mat_file(path, _REMEDY)
    events = [str(_scalar(cell)) for cell in _column(content, "event_list", path)]
    files = _column(content, "file_list", path)
    boxes = _column(content, "face_bbx_list", path)
    if not len(events) == len(files) == len(boxes):
        raise InputError("event_list, file_list and face_bbx_list differ in length", file=path, remedy=_REMEDY)
    keys: list[str] = []
    tables: list[FloatArray] = []
    for event, names, lists in zip(events, files, boxes, strict=True):
        if len(names) != len(lists):
            raise InputError("file_list and face_bbx_list differ in length", file=path, field=event, remedy=_REMEDY)
        keys += [f"{event}/{_scalar(cell)}" for cell in names.ravel()]
        tables += [np.asarray(cell, dtype=np.float64).reshape(-1, 4) for cell in lists.ravel()]
    counts = [len(table) for table in tables]
    offsets = offsets_of(counts)
    attributes = {name: _labels(content, name, counts, path) for name in ATTRIBUTES}
    ignore = {
        name: _ignored(subset_path, offsets, [len(lists) for lists in boxes]) for name, subset_path in subsets.items()
    }
    return FaceSet(tuple(keys), offsets, _corners(tables), ignore, attributes)


def read_text(path: Path) -> FaceSet:
    """Read `wider_face_<split>_bbx_gt.txt`, or a list of images without faces (`..._filelist.txt`).

    Args:
        path: The file, plain or .gz. Boxes of the official lists are whole numbers; those of other lists may have
            decimals.

    Returns:
        Ground truth without subsets. As in the official train list, a row of zeros may follow a count of 0.

    Raises:
        MissingDataError: There is no such file.
        InputError: A name, a count or a row is invalid; the text names the line.
    """
    lines = read_lines(path)
    if lines and lines[0].startswith("# ") and is_image_name(lines[0].strip()):
        return _read_retinaface(lines, path)
    keys: list[str] = []
    tables: list[FloatArray] = []
    with_faces = not path.name.endswith(("_filelist.txt", "_filelist.txt.gz"))
    at = 0
    while at < len(lines):
        name = lines[at].strip()
        at += 1
        if not name:
            continue
        if not is_image_name(name):
            raise InputError("invalid image name", file=path, line=at, value=name, remedy=_REMEDY)
        keys.append(strip_suffix(name))
        if not with_faces:
            tables.append(np.empty((0, 10)))
            continue
        count = count_at(lines, at, path, _REMEDY)
        rows = [_numbers(lines, at + 1 + i, path) for i in range(count)]
        at += 1 + count
        if count == 0 and at < len(lines) and not lines[at].replace("0", "").strip():
            at += 1
        tables.append(np.array([(row + [0.0] * 6)[:10] for row in rows]).reshape(-1, 10))
    table = np.concatenate(tables) if tables else np.empty((0, 10))
    attributes = {name: table[:, 4 + i].astype(np.int8) for i, name in enumerate(ATTRIBUTES)}
    return FaceSet(tuple(keys), offsets_of([len(t) for t in tables]), _corners([table[:, :4]]), {}, attributes)


def _read_retinaface(lines: list[str], path: Path) -> FaceSet:
    """Read RetinaFace's labels: `# <image>`, then rows x y w h with five landmarks, which are left out."""
    keys: list[str] = []
    tables: list[list[list[float]]] = []
    for at, line in enumerate(lines):
        if line.startswith("# "):
            keys.append(strip_suffix(line[2:].strip()))
            tables.append([])
        elif line.strip():
            # Their landmarks are not attributes of WIDER FACE.
            fields = line.split()
            tables[-1].append(_numbers([" ".join(fields[:4])], 0, path, line=at + 1))
    table = np.array([row for rows in tables for row in rows], dtype=np.float64).reshape(-1, 4)
    attributes = {name: np.zeros(len(table), dtype=np.int8) for name in ATTRIBUTES}
    return FaceSet(tuple(keys), offsets_of([len(rows) for rows in tables]), _corners([table]), {}, attributes)


def image_names(path: Path) -> tuple[str, ...]:
    """Return the names of a text list's images, with their suffixes, in its order."""
    lines = read_lines(path)
    return tuple(line.strip().removeprefix("# ") for line in lines if is_image_name(line.strip()))


def _column(content: dict[str, Any], name: str, path: Path) -> list[npt.NDArray[Any]]:
    value = content.get(name)
    if not isinstance(value, np.ndarray) or value.dtype != object:
        raise InputError("expected a cell array", file=path, field=name, remedy=_REMEDY)
    return [np.asarray(cell) for cell in value.ravel()]


def _scalar(cell: Any) -> str:
    while isinstance(cell, np.ndarray):
        if cell.size != 1:
            return ""
        cell = cell.ravel()[0]
    return str(cell)


def _labels(content: dict[str, Any], name: str, counts: list[int], path: Path) -> npt.NDArray[np.int8]:
    variable = f"{name}_label_list"
    cells = [np.asarray(cell).ravel() for event in _column(content, variable, path) for cell in event.ravel()]
    if [len(cell) for cell in cells] != counts:
        raise InputError("expected one label per face", file=path, field=variable, remedy=_REMEDY)
    return np.concatenate(cells).astype(np.int8) if cells else np.empty(0, dtype=np.int8)


def _ignored(path: Path, offsets: npt.NDArray[np.int64], images_per_event: list[int]) -> BoolArray:
    lists = _column(read_mat_file(path, _REMEDY), "gt_list", path)
    if [len(cell) for cell in lists] != images_per_event:
        raise InputError("the images differ from those of the boxes", file=path, field="gt_list", remedy=_REMEDY)
    cells = [np.asarray(cell).ravel().astype(np.int64) for event in lists for cell in event.ravel()]
    ignore = np.ones(int(offsets[-1]), dtype=np.bool_)
    for image, cell in enumerate(cells):
        if cell.size and (cell.min() < 1 or cell.max() > offsets[image + 1] - offsets[image]):
            raise InputError(
                f"image {image + 1} has no face with such a number", file=path, field="gt_list", remedy=_REMEDY
            )
        ignore[offsets[image] + cell - 1] = False
    return ignore


def _corners(tables: list[FloatArray]) -> FloatArray:
    boxes = np.concatenate(tables) if tables else np.empty((0, 4))
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _numbers(lines: list[str], at: int, path: Path, line: int | None = None) -> list[float]:
    """Read the four numbers of a box and up to six codes of attributes."""
    fields = lines[at].split() if at < len(lines) else []
    try:
        values = [float(field) for field in fields[:4]] + [float(int(field)) for field in fields[4:10]]
    except (ValueError, OverflowError):  # OverflowError: a whole number of more than 308 digits
        values = []
    if len(values) < 4 or not np.isfinite(values).all() or any(abs(code) > 127 for code in values[4:]):
        value = lines[at] if at < len(lines) else "end of file"
        remedy = "A row is x y w h blur expression illumination invalid occlusion pose"
        raise InputError("invalid row", file=path, line=line or at + 1, value=value, remedy=remedy)
    return values


def _read_truth(path: Path, known: Known) -> Truth:
    """Read a text list; faces that are marked invalid are ignored."""
    faces = read_text(path)
    invalid = faces.attributes["invalid"] != 0
    faces = FaceSet(faces.keys, faces.offsets, faces.boxes, {"all": invalid}, faces.attributes)
    notes = []
    if marked := int(invalid.sum()):
        notes.append(
            f"{counted(marked, 'face')} marked invalid {'is' if marked == 1 else 'are'} ignored: a crowd in COCO json, "
            "an ignore flag in PASCAL"
        )
    if any(line.startswith("# ") for line in read_lines(path)[:1]):
        notes.append("landmarks were left out")
    return known.complete(Content(image_names(path), faces, notes=tuple(notes)))


def _read_detections(path: Path, known: Known) -> Found:
    """Read detections; without ground truth, keys are paths below the folders that all files share."""
    keys = known.keys
    if keys is None:
        files = sorted(name for name in FileTree(path).names if name.endswith(".txt"))
        parts = [strip_suffix(name.removesuffix(".txt")).split("/") for name in files]
        # Keys of WIDER FACE have two parts, the event and the image.
        while parts and min(map(len, parts)) > 2 and len({first for first, *_ in parts}) == 1:
            parts = [rest for _, *rest in parts]
        keys = tuple(dict.fromkeys("/".join(rest) for rest in parts))
    detections, _ = read_wider(path, keys)
    return known.complete(Content(keys, detections))


def _write_truth(content: Truth, path: Path) -> Losses:
    """Write a text list; the six attributes follow x y w h, 0 where there are none."""
    faces = content.rows
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


def _write_detections(content: Found, path: Path) -> Losses:
    """Write a zip with one file per image, rows by falling score."""
    detections = content.rows
    if path.suffix != ".zip":
        raise UsageError(
            f"WIDER FACE detections are written as a zip, not as '{path.name}'",
            remedy="Give a name that ends with .zip",
        )
    write_wider(path, zip(detections.keys, detections, strict=True))
    return ellipse_losses(content)


FORMAT = Format(
    ("wider",), "WIDER FACE text", ("*.txt",), _read_truth, _read_detections, _write_truth, _write_detections
)
