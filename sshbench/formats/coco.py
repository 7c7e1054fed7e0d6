"""Detections as COCO's json of results: `image_id, category_id, bbox, score` for each."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.formats.base import ImageIds, key_of, read_json
from sshbench.records import BoolArray, DetectionSet, Finding, offsets_of

_REMEDY = 'A result is {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}'


def read_coco_results(
    path: str | Path, keys: Sequence[str], image_ids: ImageIds | None = None
) -> tuple[DetectionSet, list[Finding]]:
    r"""Read a results file (plain or .gz): a list of detections, or an object that holds one under `annotations`.

    Args:
        path: The file.
        keys: The dataset's image keys, in order.
        image_ids: Keys by the `image_id` of the dataset's json. A result may instead name its image by `file_name`.

    Returns:
        Detections aligned with `keys`, those of each image in the file's order, in pixels; and the findings.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not valid json, or an entry lacks a field or holds an invalid value; the text names it.

    Source: cocodataset.org, format of results: `bbox` is x, y, w, h; x2 = x + w, y2 = y + h.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     text = '[{"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.9}]'
    ...     _ = Path(folder, "d.json").write_text(text)
    ...     found, findings = read_coco_results(Path(folder, "d.json"), ["a", "b"], {7: "a"})
    >>> found["a"].boxes.tolist(), len(found["b"]), findings
    ([[10.0, 20.0, 40.0, 60.0]], 0, [])
    """
    file = Path(path).expanduser()
    return results_to_detections(results_in(file), file, keys, image_ids)


def results_in(path: Path) -> list[object]:
    """Return the list of results that a file holds, their fields unchecked.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not valid json, or holds no list of results.
    """
    content = read_json(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise InputError("expected a list of results", file=path, remedy=_REMEDY)
    return entries


def results_to_detections(
    entries: Sequence[object],
    path: Path,
    keys: Sequence[str],
    image_ids: ImageIds | None,
    *,
    category: int | None = None,
    several: str = "Write those of the face category only",
) -> tuple[DetectionSet, list[Finding]]:
    """Return parsed results as detections; see `read_coco_results`.

    Args:
        entries: The results.
        path: The file that errors name.
        keys: The dataset's image keys, in order.
        image_ids: Keys by `image_id`.
        category: The `category_id` of faces; the others are left out.
        several: What to do about several categories where none is chosen, for the error.
    """
    index = {key: i for i, key in enumerate(keys)}
    images = np.empty(len(entries), dtype=np.int64)
    table = np.empty((len(entries), 5))
    unknown: dict[str, None] = {}
    categories: list[object] = []
    for n, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise InputError("invalid result", file=path, field=f"[{n}]", value=entry, remedy=_REMEDY)
        key = image_key_of(entry, index, image_ids or {}, path, n)
        images[n] = index.get(key, -1)
        if images[n] < 0:
            unknown[key] = None
        categories.append(entry.get("category_id"))
        table[n, :4] = box_of(entry.get("bbox"), path, f"[{n}].bbox")
        table[n, 4] = number_of(entry.get("score"), path, f"[{n}].score")
    findings = _unknown_images(path, unknown, len(entries) > 0 and bool((images < 0).all()))
    known = np.flatnonzero((images >= 0) & _of_category(categories, category, path, several))
    order = known[np.argsort(images[known], kind="stable")]
    boxes = table[order, :4]
    boxes[:, 2:] += boxes[:, :2]
    counts = np.bincount(images[known], minlength=len(keys))
    return DetectionSet(tuple(keys), offsets_of(counts), boxes, table[order, 4]), findings


def _of_category(categories: Sequence[object], wanted: int | None, path: Path, several: str) -> BoolArray:
    """Return which results are of the category of faces: bool (n,)."""
    try:
        present = sorted(map(str, set(categories)))
    except TypeError as error:  # a list or an object cannot be in a set
        raise InputError("invalid category", file=path, field="category_id", remedy=_REMEDY) from error
    if wanted is None:
        if len(present) > 1:
            text = "results of several categories"
            raise InputError(text, file=path, field="category_id", value=present, remedy=several)
        return np.ones(len(categories), dtype=np.bool_)
    chosen = np.array([category == wanted for category in categories], dtype=np.bool_)
    if len(chosen) and not chosen.any():
        remedy = f"Choose one of: {', '.join(present)}"
        raise InputError("no result of this category", file=path, field="category_id", value=wanted, remedy=remedy)
    return chosen


def _unknown_images(path: Path, unknown: Mapping[str, None], every: bool) -> list[Finding]:
    if not unknown:
        return []
    if every:
        raise InputError("none of its images is in the dataset", file=path, value=next(iter(unknown)), remedy=_REMEDY)
    text = f"{len(unknown)} images are not in the dataset; their detections were not read"
    return [Finding("unknown-image", text, tuple(unknown))]


def image_key_of(entry: Mapping[str, object], known: Container[str], image_ids: ImageIds, path: Path, n: int) -> str:
    """Return the key of the image that a result belongs to, by its `file_name`, else by its `image_id`.

    Args:
        entry: The result.
        known: Image keys; see `key_of`.
        image_ids: Keys by `image_id`; an id that it lacks is itself the key.
        path: The file that errors name.
        n: Position of the result in the file.

    Raises:
        InputError: The result has neither.
    """
    name, number = entry.get("file_name"), entry.get("image_id")
    if isinstance(name, str):
        return key_of(name, known)
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
