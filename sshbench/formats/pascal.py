"""PASCAL Faces and AFW: annotations as CSV or `.mat`, and detections, one line `image score x1 y1 x2 y2` for each.

Source: evaluation toolbox of Mathias et al., Face detection without bells and whistles, ECCV 2014. Its old annotations
have four columns per face; it pads them with 0 0, that is, no old face is ignored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError, UsageError
from sshbench.files import write_atomic
from sshbench.formats.base import has_decimal_commas, read_lines, read_mat_file, shortest, strip_suffix
from sshbench.formats.box_formats import BoxFormat, corners_of
from sshbench.formats.content import (
    Content,
    Format,
    Found,
    Known,
    Losses,
    Truth,
    attribute_losses,
    ellipse_losses,
    empty_image_losses,
    size_losses,
)
from sshbench.formats.names import NameMatcher
from sshbench.records import DetectionSet, FaceSet, Finding, FloatArray, IntArray, offsets_of

_TRUTH_REMEDY = "Get the file again from the evaluation toolbox"
_REMEDY = "A line is 'image score x1 y1 x2 y2'"


def read_pascal(
    path: str | Path, keys: Sequence[str], *, box_format: BoxFormat | None = None
) -> tuple[DetectionSet, list[Finding]]:
    r"""Read a file of detections of PASCAL Faces or AFW, one line `image score x1 y1 x2 y2` per detection.

    Args:
        path: The file, plain or .gz; corners are in pixels.
        keys: The dataset's image names without suffix, in order.
        box_format: What the four numbers after the score are; None: x1 y1 x2 y2.

    Returns:
        Detections of `keys`, in order, then of images that the dataset does not have (false positives by the
        protocol); and the findings.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid; the text names it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "d.txt").write_text("a.jpg 0.9 10 20 40 60\n")
    ...     found, findings = read_pascal(Path(folder, "d.txt"), ["a", "b"])
    >>> found["a"].boxes.tolist(), found["a"].scores.tolist(), findings
    ([[10.0, 20.0, 40.0, 60.0]], [0.9], [])
    """
    path = Path(path).expanduser()
    written, table = _read_rows(path)
    table[:, 1:] = corners_of(table[:, 1:], box_format or "xyxy")
    matcher = NameMatcher(keys)
    matched = {name: matcher.match(name) or strip_suffix(name) for name in dict.fromkeys(written)}
    names = [matched[name] for name in written]
    index = {key: i for i, key in enumerate(keys)}
    unknown = tuple(dict.fromkeys(name for name in names if name not in index))
    for name in unknown:
        index[name] = len(index)
    findings = [] if (other := matcher.finding(suffixes=False)) is None else [other]
    if unknown:
        text = f"{len(unknown)} images are not in the dataset; their detections are false positives"
        findings.append(Finding("unknown-image", text, unknown))
    if names and len(unknown) == len(set(names)):
        remedy = f"{_REMEDY}, with image names such as {keys[0]}" if keys else _REMEDY
        raise InputError("none of its images is in the dataset", file=path, value=names[0], remedy=remedy)
    image = np.array([index[name] for name in names], dtype=np.int64)
    return _by_image((*keys, *unknown), image, table), findings


def read_pascal_file(path: Path) -> DetectionSet:
    """Read a file of detections without a dataset: images in the order in which they first appear.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid; the text names it.
    """
    written, table = _read_rows(path)
    names = [strip_suffix(name) for name in written]
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return _by_image(tuple(index), np.array([index[name] for name in names], dtype=np.int64), table)


def _by_image(keys: tuple[str, ...], image: IntArray, table: FloatArray) -> DetectionSet:
    order = np.argsort(image, kind="stable").astype(np.int64)
    counts = np.bincount(image, minlength=len(keys))
    return DetectionSet(keys, offsets_of(counts), table[order, 1:], table[order, 0], positions=order)


def _read_rows(path: Path) -> tuple[list[str], FloatArray]:
    names: list[str] = []
    numbers: list[list[float]] = []
    for number, line in enumerate(read_lines(path), start=1):
        commas = "," in line
        fields = (line.replace(",", " ") if commas else line).split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields[1:6]]
        except ValueError:
            values = []
        if len(fields) < 6 or (commas and has_decimal_commas(line)) or len(values) < 5 or not np.isfinite(values).all():
            remedy = "Write decimal points, not commas" if has_decimal_commas(line) else _REMEDY
            raise InputError("invalid row", file=path, line=number, value=line, remedy=remedy)
        names.append(fields[0])
        numbers.append(values)
    return names, np.array(numbers).reshape(-1, 5)


def read_csv(path: Path) -> FaceSet:
    """Read an annotation as CSV with the columns `image,x1,y1,x2,y2,f4,ignore`.

    Args:
        path: The file; rows of one image need not follow each other.

    Returns:
        Ground truth with the flags `all`, images in the order of their first row.

    Raises:
        MissingDataError: There is no such file.
        InputError: A column is missing or a number cannot be read; the text names the line.
    """
    lines = read_lines(path)
    rows: list[tuple[str, list[float], bool]] = []
    reader = csv.DictReader(lines)
    try:
        for row in reader:
            box = [float(row[column]) for column in ("x1", "y1", "x2", "y2")]
            if not np.isfinite(box).all():
                raise ValueError("not finite")
            rows.append((strip_suffix(row["image"]), box, bool(int(row["ignore"]))))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            "invalid row, expected 'image,x1,y1,x2,y2,f4,ignore'",
            file=path,
            line=reader.line_num,
            value=lines[reader.line_num - 1],
            remedy="Export the annotation again",
        ) from error
    return _face_set(rows, list(dict.fromkeys(name for name, _, _ in rows)))


def read_mat(path: Path) -> FaceSet:
    """Read an annotation as `.mat`.

    Known are the toolbox's `Annotations`, a structure array with one entry per image (`imgname`; `objects`: one row
    per face, `x1 y1 x2 y2` in the old annotations, `x1 y1 x2 y2 f4 ignore` in the new ones), and AFW's own `anno`, a
    cell array with one row per image (name; one cell `[x1 y1; x2 y2]` per face). An image may have no faces.

    Args:
        path: The file.

    Returns:
        Ground truth with the flags `all`, images in the file's order.

    Raises:
        InputError: The file is damaged, or holds something else; the text names the field and its value.
    """
    content = read_mat_file(path, _TRUTH_REMEDY)
    rows: list[tuple[str, list[float], bool]] = []
    keys: dict[str, None] = {}
    for field, name, table in (
        _toolbox_images(content, path) if "Annotations" in content else _afw_images(content, path)
    ):
        key = strip_suffix(name)
        if not key or key in keys:
            raise InputError(
                "missing or duplicate image name", file=path, field=field, value=name, remedy=_TRUTH_REMEDY
            )
        keys[key] = None
        rows += [(key, row[:4], bool(row[5])) for row in table.tolist()]
    return _face_set(rows, list(keys))


def _toolbox_images(content: dict[str, Any], path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield field, image name and table (faces, 6) of each image of `Annotations`."""
    entries = content["Annotations"]
    if not {"imgname", "objects"} <= set(entries.dtype.names or ()):
        raise InputError(
            "expected imgname and objects", file=path, field="Annotations", value=entries.dtype, remedy=_TRUTH_REMEDY
        )
    for number, entry in enumerate(entries.ravel(), start=1):
        field = f"Annotations({number}).objects"
        table = _numbers(entry["objects"], path, field)
        if not table.size:
            table = np.empty((0, 6))
        elif table.ndim == 2 and table.shape[1] == 4:
            table = np.pad(table, ((0, 0), (0, 2)))
        elif table.ndim != 2 or table.shape[1] != 6:
            raise InputError(
                f"shape {table.shape}, but a face has 4 columns (old annotations) or 6 (new ones)",
                file=path,
                field=field,
                value=table[0].tolist(),
                remedy=_TRUTH_REMEDY,
            )
        yield field, _name(entry["imgname"]), table


def _afw_images(content: dict[str, Any], path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield field, image name and table (faces, 6) of each image of AFW as Zhu and Ramanan gave it; none is ignored."""
    images = content.get("anno")
    if images is None or images.dtype != object or images.ndim != 2 or images.shape[1] < 2:
        known = [name for name in content if not name.startswith("__")]
        raise InputError(
            "expected the variable Annotations or the cell array anno", file=path, value=known, remedy=_TRUTH_REMEDY
        )
    for number, (name, boxes, *_) in enumerate(images, start=1):
        field = f"anno{{{number},2}}"
        corners = [_numbers(box, path, field) for box in np.asarray(boxes).ravel()]
        for box in corners:
            if box.shape != (2, 2):
                raise InputError(
                    f"shape {box.shape}, but a face is [x1 y1; x2 y2]",
                    file=path,
                    field=field,
                    value=box.tolist(),
                    remedy=_TRUTH_REMEDY,
                )
        table = np.zeros((len(corners), 6))
        table[:, :4] = np.array(corners).reshape(-1, 4)
        yield field, _name(name), table


def _face_set(rows: list[tuple[str, list[float], bool]], keys: list[str]) -> FaceSet:
    where = {key: i for i, key in enumerate(keys)}
    image = np.array([where[name] for name, _, _ in rows], dtype=np.int64)
    order = np.argsort(image, kind="stable")
    boxes = np.array([box for _, box, _ in rows], dtype=np.float64).reshape(-1, 4)[order]
    ignore = np.array([flag for _, _, flag in rows], dtype=np.bool_)[order]
    return FaceSet(tuple(keys), offsets_of(np.bincount(image, minlength=len(keys))), boxes, {"all": ignore})


def _numbers(cell: npt.ArrayLike, path: Path, field: str) -> FloatArray:
    try:
        table = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("expected numbers", file=path, field=field, value=cell, remedy=_TRUTH_REMEDY) from error
    if not np.isfinite(table).all():
        raise InputError("expected finite numbers", file=path, field=field, value=table.tolist(), remedy=_TRUTH_REMEDY)
    return table


def _name(cell: npt.ArrayLike) -> str:
    texts = np.asarray(cell).ravel()
    return str(texts[0]) if texts.size == 1 else ""


def _read_truth(path: Path, known: Known) -> Truth:
    """Read the new annotations or the old ones."""
    faces = read_csv(path) if path.name.endswith((".csv", ".csv.gz")) else read_mat(path)
    return known.complete(Content(faces.keys, faces))


def _read_detections(path: Path, known: Known) -> Found:
    """Read detections; images without any are not in the file, and only ground truth names them."""
    return known.found(read_pascal_file(path))


def _write_truth(content: Truth, path: Path) -> Losses:
    """Write one row per face; column f4 is 0."""
    faces = content.rows
    ignore = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    names = np.repeat(np.array(content.keys, dtype=object), np.diff(faces.offsets))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "x1", "y1", "x2", "y2", "f4", "ignore"])
    for name, box, flag in zip(names, faces.boxes.tolist(), ignore.tolist(), strict=True):
        writer.writerow([name, *map(shortest, box), 0, int(flag)])
    write_atomic(path, text.getvalue())
    losses = [*ellipse_losses(content), *attribute_losses(content, ("invalid",)), *size_losses(content)]
    return [*losses, *empty_image_losses(content)]


def _write_detections(content: Found, path: Path) -> Losses:
    """Write detections in the order of the file that they were read from, where it is known."""
    detections = content.rows
    if spaced := next((key for key in content.keys if len(key.split()) != 1), None):
        raise UsageError(
            f"the image name '{spaced}' holds spaces, which separate the columns", remedy="Rename the image"
        )
    names = np.repeat(np.array(content.keys, dtype=object), np.diff(detections.offsets))
    rows = list(zip(names, detections.scores.tolist(), detections.boxes.tolist(), strict=True))
    if detections.positions is not None:
        rows = [rows[i] for i in np.argsort(detections.positions, kind="stable")]
    lines = [f"{name} {shortest(score)} {' '.join(map(shortest, box))}\n" for name, score, box in rows]
    write_atomic(path, "".join(lines))
    return [*ellipse_losses(content), *empty_image_losses(content)]


FORMAT = Format(
    ("pascal", "afw"),
    "PASCAL Faces and AFW",
    ("*.csv", "*.mat"),
    _read_truth,
    _read_detections,
    _write_truth,
    _write_detections,
)
