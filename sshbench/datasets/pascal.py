"""PASCAL Faces and AFW: annotations of the evaluation toolbox, old and new, as `.mat` or CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import InputError, MissingDataError
from sshbench.predictions.pascal import image_key
from sshbench.records import FaceSet, offsets_of
from sshbench.resources import sha256_of


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
    """Read `image,x1,y1,x2,y2,f4,ignore`.

    Raises:
        InputError: A column is missing or a number cannot be read; the text names the line.
    """
    rows: list[tuple[str, list[float], bool]] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                box = [float(row[column]) for column in ("x1", "y1", "x2", "y2")]
                rows.append((image_key(row["image"]), box, bool(int(row["ignore"]))))
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    "is no row 'image,x1,y1,x2,y2,f4,ignore'",
                    file=path,
                    line=reader.line_num,
                    value=dict(row),
                    remedy="Export the annotation again",
                ) from error
    return _face_set(rows, list(dict.fromkeys(name for name, _, _ in rows)))


def read_mat(path: Path) -> FaceSet:
    """Read the toolbox's `Annotations` (imgname, objects: x1 y1 x2 y2 f4 ignore), or AFW's own `anno`.

    Raises:
        InputError: The file is damaged or holds something else.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(str(path))
        rows: list[tuple[str, list[float], bool]] = []
        keys: list[str] = []
        for name, objects in _new_entries(content) if "Annotations" in content else _old_entries(content):
            keys.append(image_key(name))
            rows += [(keys[-1], row[:4], bool(row[5])) for row in objects]
    except Exception as error:  # scipy raises many kinds on damaged files, some of them bare Exceptions
        raise InputError(f"is no annotation of the toolbox ({error})", file=path, remedy="Get it again") from error
    return _face_set(rows, keys)


def _new_entries(content: dict[str, Any]) -> Iterator[tuple[str, list[list[float]]]]:
    for entry in content["Annotations"].ravel():
        objects = np.asarray(entry["objects"], dtype=np.float64).reshape(-1, 6)
        yield str(_scalar(entry["imgname"])), objects.tolist()


def _old_entries(content: dict[str, Any]) -> Iterator[tuple[str, list[list[float]]]]:
    """AFW as Zhu and Ramanan gave it: name and one box [x1 y1; x2 y2] a face, none ignored."""
    for name, boxes, *_ in content["anno"]:
        corners = [np.asarray(box, dtype=np.float64).ravel().tolist() for box in boxes.ravel()]
        yield str(_scalar(name)), [[*corner, 0.0, 0.0] for corner in corners]


def _face_set(rows: list[tuple[str, list[float], bool]], keys: list[str]) -> FaceSet:
    where = {key: i for i, key in enumerate(keys)}
    image = np.array([where[name] for name, _, _ in rows], dtype=np.int64)
    order = np.argsort(image, kind="stable")
    boxes = np.array([box for _, box, _ in rows], dtype=np.float64).reshape(-1, 4)[order]
    ignore = np.array([flag for _, _, flag in rows], dtype=np.bool_)[order]
    return FaceSet(tuple(keys), offsets_of(np.bincount(image, minlength=len(keys))), boxes, {"all": ignore})


def _scalar(cell: Any) -> Any:
    return np.asarray(cell).ravel()[0]
