"""Detections as COCO's json of results: `image_id, category_id, bbox, score` for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.errors import InputError
from sshbench.formats.base import ImageIds, key_of, read_json
from sshbench.records import DetectionSet, Finding, offsets_of

_REMEDY = 'A result is {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}'


def read_coco_results(
    path: Path, keys: Sequence[str], image_ids: ImageIds | None
) -> tuple[DetectionSet, list[Finding]]:
    """Read a results file (plain or .gz): a list of detections, or an object that holds one under `annotations`.

    Args:
        path: The file.
        keys: The dataset's image keys, in order.
        image_ids: Keys by the `image_id` of the dataset's json. A result may instead name its image by `file_name`.

    Returns:
        Detections aligned with `keys`, those of each image in the file's order, in pixels; and the findings.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not valid json, or an entry lacks a field or holds an invalid value; the text names it.
    """
    content = read_json(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise InputError("expected a list of results", file=path, remedy=_REMEDY)
    return results_to_detections(entries, path, keys, image_ids)


def results_to_detections(
    entries: Sequence[object], path: Path, keys: Sequence[str], image_ids: ImageIds | None
) -> tuple[DetectionSet, list[Finding]]:
    """Return parsed results as detections; see `read_coco_results`.

    Args:
        entries: The results.
        path: The file that errors name.
        keys: The dataset's image keys, in order.
        image_ids: Keys by `image_id`.
    """
    index = {key: i for i, key in enumerate(keys)}
    images = np.empty(len(entries), dtype=np.int64)
    table = np.empty((len(entries), 5))
    unknown: dict[str, None] = {}
    categories: set[Any] = set()
    for n, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise InputError("invalid result", file=path, field=f"[{n}]", value=entry, remedy=_REMEDY)
        key = _key_of(entry, index, image_ids or {}, path, n)
        images[n] = index.get(key, -1)
        if images[n] < 0:
            unknown[key] = None
        categories.add(entry.get("category_id"))
        table[n, :4] = box_of(entry.get("bbox"), path, f"[{n}].bbox")
        table[n, 4] = number_of(entry.get("score"), path, f"[{n}].score")
    if len(categories) > 1:
        raise InputError(
            "results of several categories",
            file=path,
            field="category_id",
            value=sorted(map(str, categories)),
            remedy="Write those of the face category only",
        )
    findings = _unknown_images(path, unknown, len(entries) > 0 and bool((images < 0).all()))
    known = np.flatnonzero(images >= 0)
    order = known[np.argsort(images[known], kind="stable")]
    boxes = table[order, :4]
    boxes[:, 2:] += boxes[:, :2]
    counts = np.bincount(images[known], minlength=len(keys))
    return DetectionSet(tuple(keys), offsets_of(counts), boxes, table[order, 4]), findings


def _unknown_images(path: Path, unknown: Mapping[str, None], every: bool) -> list[Finding]:
    if not unknown:
        return []
    if every:
        raise InputError("none of its images is in the dataset", file=path, value=next(iter(unknown)), remedy=_REMEDY)
    text = f"{len(unknown)} images are not in the dataset; their detections were not read"
    return [Finding("unknown-image", text, tuple(unknown))]


def _key_of(entry: Mapping[str, object], index: Mapping[str, int], image_ids: ImageIds, path: Path, n: int) -> str:
    name, number = entry.get("file_name"), entry.get("image_id")
    if isinstance(name, str):
        return key_of(name, index)
    if isinstance(number, int | str):
        return image_ids.get(number, str(number))
    raise InputError("expected the id of an image", file=path, field=f"[{n}].image_id", value=number, remedy=_REMEDY)


def box_of(value: object, path: Path, field: str, *, inside_out: bool = False) -> list[float]:
    """Return a `bbox` as four finite numbers, with sides of 0 or more unless `inside_out`.

    Raises:
        InputError: The value is something else; the text names the field.
    """
    if not isinstance(value, list) or len(value) != 4:
        raise InputError("invalid box", file=path, field=field, value=value, remedy="Write [x, y, w, h]")
    box = [number_of(number, path, field) for number in value]
    if not inside_out and (box[2] < 0 or box[3] < 0):
        raise InputError("a box with a negative side", file=path, field=field, value=value, remedy="Write [x, y, w, h]")
    return box


def number_of(value: object, path: Path, field: str) -> float:
    """Return a finite number.

    Raises:
        InputError: The value is something else; the text names the field.
    """
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError("expected a finite number", file=path, field=field, value=value, remedy="Write a number")
    return number
