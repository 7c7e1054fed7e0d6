"""PASCAL Faces and AFW: annotations of the evaluation toolbox, old and new, as `.mat` or CSV.

Source: evaluation toolbox of Mathias et al., Face detection without bells and whistles, ECCV 2014. Its old annotations
have four columns per face; it pads them with 0 0, that is, no old face is ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.datasets.base import Dataset
from sshbench.errors import InputError, MissingDataError
from sshbench.predictions.pascal import image_key
from sshbench.records import FaceSet, FloatArray, offsets_of
from sshbench.resources import sha256_of

_REMEDY = "Get it again from the evaluation toolbox"


def load_pascal(root: str | Path, *, annotation: Sequence[str], images: Sequence[str], name: str) -> Dataset:
    """Load PASCAL Faces or AFW.

    Args:
        root: The folder with the annotation and, for detectors, the images.
        annotation: Names of the annotation file, tried in order.
        images: Folders of the images, tried in order.
        name: Name of the dataset.

    Raises:
        MissingDataError: The folder or the annotation is not there.
        InputError: The annotation is damaged.
    """
    folder = Path(root).expanduser()
    path = next((folder / file for file in annotation if (folder / file).is_file()), None)
    if path is None:
        raise MissingDataError(
            f"none of {', '.join(annotation)} is in {folder}",
            remedy="They are part of the evaluation toolbox of Mathias et al., ECCV 2014",
        )
    faces = read_csv(path) if path.suffix == ".csv" else read_mat(path)
    image_root = next((folder / part for part in images if any((folder / part).glob("*.jpg"))), None)
    return Dataset(
        name=name,
        split="test",
        root=folder,
        faces=faces,
        source_hash=sha256_of(path),
        image_root=image_root,
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
    )


def read_csv(path: Path) -> FaceSet:
    """Read an annotation as CSV with the columns `image,x1,y1,x2,y2,f4,ignore`.

    Args:
        path: The file; rows of one image need not follow each other.

    Returns:
        Ground truth with the flags `all`, images in the order of their first row.

    Raises:
        InputError: A column is missing or a number cannot be read; the text names the line.
    """
    rows: list[tuple[str, list[float], bool]] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                box = [float(row[column]) for column in ("x1", "y1", "x2", "y2")]
                if not np.isfinite(box).all():
                    raise ValueError("not finite")
                rows.append((image_key(row["image"]), box, bool(int(row["ignore"]))))
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    "invalid row, expected 'image,x1,y1,x2,y2,f4,ignore'",
                    file=path,
                    line=reader.line_num,
                    value=dict(row),
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
    from scipy.io import loadmat

    try:
        content = loadmat(str(path))
    except Exception as error:  # scipy raises many kinds on damaged files, some of them bare Exceptions
        raise InputError(f"cannot be read as a .mat file ({error})", file=path, remedy=_REMEDY) from error
    rows: list[tuple[str, list[float], bool]] = []
    keys: dict[str, None] = {}
    for field, name, table in (
        _toolbox_images(content, path) if "Annotations" in content else _afw_images(content, path)
    ):
        key = image_key(name)
        if not key or key in keys:
            raise InputError("the image has no name, or one seen before", file=path, field=field, value=name)
        keys[key] = None
        rows += [(key, row[:4], bool(row[5])) for row in table.tolist()]
    return _face_set(rows, list(keys))


def _toolbox_images(content: dict[str, Any], path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield field, image name and table (faces, 6) of each image of `Annotations`."""
    entries = content["Annotations"]
    if not {"imgname", "objects"} <= set(entries.dtype.names or ()):
        raise InputError("expected imgname and objects", file=path, field="Annotations", value=entries.dtype)
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
                remedy=_REMEDY,
            )
        yield field, _name(entry["imgname"]), table


def _afw_images(content: dict[str, Any], path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield field, image name and table (faces, 6) of each image of AFW as Zhu and Ramanan gave it; none is ignored."""
    images = content.get("anno")
    if images is None or images.dtype != object or images.ndim != 2 or images.shape[1] < 2:
        known = [name for name in content if not name.startswith("__")]
        raise InputError(
            "expected the variable Annotations or the cell array anno", file=path, value=known, remedy=_REMEDY
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
                    remedy=_REMEDY,
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
        raise InputError("expected numbers", file=path, field=field, value=cell, remedy=_REMEDY) from error
    if not np.isfinite(table).all():
        raise InputError("expected finite numbers", file=path, field=field, value=table.tolist(), remedy=_REMEDY)
    return table


def _name(cell: npt.ArrayLike) -> str:
    texts = np.asarray(cell).ravel()
    return str(texts[0]) if texts.size == 1 else ""
