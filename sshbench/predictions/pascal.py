"""Detections of PASCAL Faces and AFW: one line a detection, `image score x1 y1 x2 y2`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.predictions.files import read_plain_or_gz
from sshbench.records import DetectionSet, Finding, FloatArray, IntArray, offsets_of

_REMEDY = "A line is 'image score x1 y1 x2 y2'"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def read_pascal(path: Path, keys: Sequence[str]) -> tuple[DetectionSet, list[Finding]]:
    """Read a detection file (plain or .gz).

    Args:
        path: The file.
        keys: The dataset's image names without suffix, in order.

    Returns:
        Detections of `keys`, in order, then of images that the dataset does not have (false positives by the
        protocol); and what was found on the way.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is wrong; the text names it.
    """
    names, table = _read_rows(path)
    index = {key: i for i, key in enumerate(keys)}
    unknown = tuple(dict.fromkeys(name for name in names if name not in index))
    for name in unknown:
        index[name] = len(index)
    findings = []
    if unknown:
        text = f"{len(unknown)} images are not in the dataset: their detections are false positives"
        findings.append(Finding("unknown-image", text, unknown))
    if names and len(unknown) == len(set(names)):
        raise InputError("no detection is of an image of the dataset", file=path, value=names[0], remedy=_REMEDY)
    image = np.array([index[name] for name in names], dtype=np.int64)
    return _by_image((*keys, *unknown), image, table), findings


def read_pascal_file(path: Path) -> DetectionSet:
    """Read a detection file as it is: images in the order in which they first appear.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is wrong; the text names it.
    """
    names, table = _read_rows(path)
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return _by_image(tuple(index), np.array([index[name] for name in names], dtype=np.int64), table)


def _by_image(keys: tuple[str, ...], image: IntArray, table: FloatArray) -> DetectionSet:
    order = np.argsort(image, kind="stable").astype(np.int64)
    counts = np.bincount(image, minlength=len(keys))
    return DetectionSet(keys, offsets_of(counts), table[order, 1:], table[order, 0], positions=order)


def _read_rows(path: Path) -> tuple[list[str], FloatArray]:
    names: list[str] = []
    numbers: list[list[float]] = []
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields[1:6]]
        except ValueError:
            values = []
        if len(fields) < 6 or len(values) < 5 or not np.isfinite(values).all():
            raise InputError("is no detection", file=path, line=number, value=line, remedy=_REMEDY)
        names.append(image_key(fields[0]))
        numbers.append(values)
    return names, np.array(numbers).reshape(-1, 5)


def image_key(name: str) -> str:
    """An image's name without its suffix; names are compared so.

    >>> image_key("2008_002251.jpg"), image_key("24795717")
    ('2008_002251', '24795717')
    """
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in _SUFFIXES if lower.endswith(suffix)), name)


def _lines(path: Path) -> list[str]:
    return read_plain_or_gz(path, "Get the file again").decode("utf-8", errors="replace").splitlines()
