"""Detections as COCO's json of results: `image_id, category_id, bbox, score` for each."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.flat import counted
from sshbench.formats.base import ImageIds, key_of, read_json, whole_number
from sshbench.formats.box_formats import BoxFormat, corners_of
from sshbench.formats.names import NameMatcher
from sshbench.records import BoolArray, DetectionSet, Finding, offsets_of

_REMEDY = 'A result is {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}'


def read_coco_results(
    path: str | Path,
    keys: Sequence[str],
    image_ids: ImageIds | None = None,
    *,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    categories: Mapping[int | str, str] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    r"""Read a results file (plain or .gz): a list of detections, or an object that holds one under `annotations`.

    Args:
        path: The file.
        keys: The dataset's image keys, in order.
        image_ids: Keys by the `image_id` of the dataset's json. A result may instead name its image by `file_name`.
        box_format: What the four numbers of `bbox` are; None: x y w h.
        category: The `category_id` of faces in the results; None: that of the dataset.
        categories: Names of the categories of the dataset's json by id, first that of faces.

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
    return results_to_detections(
        results_in(file), file, keys, image_ids, box_format=box_format, category=category, categories=categories
    )


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
    box_format: BoxFormat | None = None,
    category: int | None = None,
    categories: Mapping[int | str, str] | None = None,
    several: str = "Choose that of faces with --category",
) -> tuple[DetectionSet, list[Finding]]:
    """Return parsed results as detections; see `read_coco_results`.

    Args:
        entries: The results.
        path: The file that errors name.
        keys: The dataset's image keys, in order.
        image_ids: Keys by `image_id`.
        box_format: What the four numbers of `bbox` are; None: x y w h.
        category: The `category_id` of faces; the others are left out.
        categories: Names of the categories of the dataset's json by id, first that of faces.
        several: What to do about several categories where none is chosen, for the error.
    """
    index = {key: i for i, key in enumerate(keys)}
    images = np.empty(len(entries), dtype=np.int64)
    table = np.empty((len(entries), 5))
    unknown: dict[str, None] = {}
    present: list[object] = []
    matcher = NameMatcher(keys)
    ids = _Ids(image_ids or {}, matcher)
    for n, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise InputError("invalid result", file=path, field=f"[{n}]", value=entry, remedy=_REMEDY)
        key = image_key_of(entry, index, ids, path, n)
        images[n] = index.get(key, -1)
        if images[n] < 0:
            unknown[key] = None
        present.append(entry.get("category_id"))
        table[n, :4] = box_of(entry.get("bbox"), path, f"[{n}].bbox", inside_out=True)
        table[n, 4] = number_of(entry.get("score"), path, f"[{n}].score")
    findings = _unknown_images(path, unknown, len(entries) > 0 and bool((images < 0).all()), image_ids, keys)
    findings += [finding for finding in (ids.finding(), matcher.finding(suffixes=False)) if finding is not None]
    if box_format in (None, "xywh") and (negative := int((table[:, 2:4] < 0).any(axis=1).sum())):
        text = f"{counted(negative, 'box', 'boxes')} with a negative width or height, taken as pycocotools takes them"
        findings.append(Finding("negative-side", text))
    if category is None and categories:
        category = _category_of(present, categories, path, findings)
    known = np.flatnonzero((images >= 0) & _of_category(present, category, path, several))
    order = known[np.argsort(images[known], kind="stable")]
    boxes = corners_of(table[order, :4], box_format or "xywh")
    counts = np.bincount(images[known], minlength=len(keys))
    return DetectionSet(tuple(keys), offsets_of(counts), boxes, table[order, 4]), findings


class _Ids(dict[int | str, str]):
    """Image keys by `image_id`, also where the results write the id as another type, or a file name in its place."""

    def __init__(self, ids: ImageIds, matcher: NameMatcher) -> None:
        super().__init__(ids)
        self._matcher = matcher
        self._other: dict[object, str] = {}

    def key_of(self, number: object) -> str | None:
        """Return the key of an image; None if the value is no id."""
        if isinstance(number, bool):
            return None
        if isinstance(number, int | str) and number in self:
            return self[number]
        if isinstance(number, float) and number.is_integer():
            return self._take(number, int(number))
        if isinstance(number, str) and (whole := whole_number(number)) is not None and whole in self:
            return self._take(number, whole)
        if isinstance(number, int) and str(number) in self:
            return self._take(number, str(number))
        return (self._matcher.match(number) or number) if isinstance(number, str) else None

    def finding(self) -> Finding | None:
        """Return a finding on the ids of another type; None if there are none."""
        if not self._other:
            return None
        number, key = next(iter(self._other.items()))
        text = f"{counted(len(self._other), 'image id')} of another type were matched: {number!r} is image '{key}'"
        return Finding("converted-id", text)

    def _take(self, number: object, whole: int | str) -> str:
        self._other[number] = key = self.get(whole, str(whole))
        return key


def _category_of(
    present: Sequence[object], names: Mapping[int | str, str], path: Path, findings: list[Finding]
) -> int | None:
    """Return the category of faces in results: that of the dataset, or one that the dataset does not know."""
    face, title = next(iter(names.items()))
    there = {category for category in present if isinstance(category, int | str)}
    if not there:
        return None
    if face in there:
        others = sum(category != face for category in present)
        if others:
            text = f"{counted(others, 'result')} of other categories than '{title}' ({face}) were left out"
            findings.append(Finding("other-category", text))
        return face  # type: ignore[return-value]  # ids of both types are compared alike
    known = sorted(str(category) for category in there if category in names)
    if known or len(there) > 1:
        shown = ", ".join(f"{one} ({names[one]})" if one in names else str(one) for one in sorted(there, key=str))
        raise InputError(
            f"no result is of the category '{title}' ({face})",
            file=path,
            field="category_id",
            value=shown,
            remedy="Evaluate another category with --category ID",
        )
    (only,) = there
    text = f"category_id {only!r} is not in the ground truth and was taken for '{title}' ({face})"
    findings.append(Finding("unknown-category", text))
    return only  # type: ignore[return-value]


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


def _unknown_images(
    path: Path, unknown: Mapping[str, None], every: bool, ids: ImageIds | None, keys: Sequence[str]
) -> list[Finding]:
    if not unknown:
        return []
    if every:
        example = repr(next(iter(ids))) if ids else repr(keys[0]) if keys else "none"
        remedy = f"The dataset's ids are of the kind of {example}. {_REMEDY}"
        raise InputError("none of its images is in the dataset", file=path, value=next(iter(unknown)), remedy=remedy)
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
    if isinstance(image_ids, _Ids) and (key := image_ids.key_of(number)) is not None:
        return key
    if isinstance(number, int | str) and not isinstance(number, bool):
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
