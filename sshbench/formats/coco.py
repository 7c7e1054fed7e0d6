"""Detections as COCO's json of results: `image_id, category_id, bbox, score` for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.files import read_plain_or_gz
from sshbench.flat import counted
from sshbench.formats.base import ImageIds, parse_json
from sshbench.formats.box_formats import BoxFormat, corners_of
from sshbench.formats.coco_columns import ResultColumns
from sshbench.formats.coco_fields import REMEDY
from sshbench.records import BoolArray, DetectionSet, Finding, offsets_of

_SEVERAL = "Choose that of faces with --category"
_PART = 4096  # entries that are taken at a time where all of them are Python objects already
_PART_TEXT = 1 << 20  # characters that are parsed at a time
_BLANKS = b" \t\n\r"
_CUT = re.compile(r"\}[ \t\n\r]*,")


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
    columns = ResultColumns(file, keys, image_ids)
    for part in _parts_of(file):
        columns.add(part)
    return _detections(columns, file, keys, image_ids, box_format, category, categories, _SEVERAL)


def results_in(path: Path) -> list[object]:
    """Return the list of results that a file holds, their fields unchecked.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not valid json, or holds no list of results.
    """
    return [entry for part in _parts_of(path) for entry in part]


def _parts_of(path: Path) -> Iterator[Sequence[object]]:
    """Yield the results of a file in parts, so that only one part at a time is held as Python objects.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not valid json, or holds no list of results.
    """
    content = read_plain_or_gz(path, "Write the file again")
    try:
        text = content.decode() if content.lstrip(_BLANKS).startswith(b"[") else None
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text[:4]:  # an object, or another encoding
        yield from _cut(_list_in(content, path))
        return
    del content
    yield from _entries_of(text, path)


def _list_in(content: bytes, path: Path) -> list[object]:
    parsed = parse_json(content, path)
    entries = parsed.get("annotations") if isinstance(parsed, dict) else parsed
    if not isinstance(entries, list):
        raise InputError("expected a list of results", file=path, remedy=REMEDY)
    return entries


def _entries_of(text: str, path: Path) -> Iterator[list[object]]:
    """Yield the entries of a list in parts.

    The text is cut after the end of an object that a comma follows. Where that is not the end of an entry but lies
    inside one, the part is not valid json and is made longer.
    """
    first = at = text.index("[") + 1
    size = _PART_TEXT
    while (cut := _CUT.search(text, at + size)) is not None:
        try:
            part = json.loads(f"[{text[at : cut.start() + 1]}]")
        except (ValueError, RecursionError):
            size *= 2
            continue
        yield part
        at, size = cut.end(), _PART_TEXT
    try:
        part = json.loads(f"[{text[at:]}")
        complete = bool(part) or at == first  # an entry follows every comma
    except (ValueError, RecursionError):
        complete = False
    if not complete:
        parse_json(text, path)  # says what is wrong, and where
    yield part


def _cut(entries: Sequence[object]) -> Iterator[Sequence[object]]:
    return (entries[first : first + _PART] for first in range(0, len(entries), _PART))


def results_to_detections(
    entries: Sequence[object],
    path: Path,
    keys: Sequence[str],
    image_ids: ImageIds | None,
    *,
    box_format: BoxFormat | None = None,
    category: int | None = None,
    categories: Mapping[int | str, str] | None = None,
    several: str = _SEVERAL,
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
    columns = ResultColumns(path, keys, image_ids)
    for part in _cut(entries):
        columns.add(part)
    return _detections(columns, path, keys, image_ids, box_format, category, categories, several)


def _detections(
    columns: ResultColumns,
    path: Path,
    keys: Sequence[str],
    image_ids: ImageIds | None,
    box_format: BoxFormat | None,
    category: int | None,
    categories: Mapping[int | str, str] | None,
    several: str,
) -> tuple[DetectionSet, list[Finding]]:
    """Sort the columns of results by image, with those left out that are of other images or categories."""
    images, table, codes = columns.joined()
    present = columns.categories
    findings = _unknown_images(path, columns.unknown, len(images) > 0 and bool((images < 0).all()), image_ids, keys)
    findings += columns.findings()
    if box_format in (None, "xywh") and (negative := int((table[:, 2:4] < 0).any(axis=1).sum())):
        text = f"{counted(negative, 'box', 'boxes')} with a negative width or height, taken as pycocotools takes them"
        findings.append(Finding("negative-side", text))
    if category is None and categories:
        category = _category_of(present, np.bincount(codes).tolist(), categories, path, findings)
    known = np.flatnonzero((images >= 0) & _of_category(present, category, path, several)[codes])
    order = known[np.argsort(images[known], kind="stable")]
    boxes = corners_of(table[order, :4], box_format or "xywh")
    counts = np.bincount(images[known], minlength=len(keys))
    return DetectionSet(tuple(keys), offsets_of(counts), boxes, table[order, 4]), findings


def _category_of(
    present: Sequence[object],
    counts: Sequence[int],
    names: Mapping[int | str, str],
    path: Path,
    findings: list[Finding],
) -> int | None:
    """Return the category of faces in results: that of the dataset, or one that the dataset does not know."""
    face, title = next(iter(names.items()))
    there = {category for category in present if isinstance(category, int | str)}
    if not there:
        return None
    if face in there:
        others = sum(count for category, count in zip(present, counts, strict=True) if category != face)
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
    """Return which categories are that of faces: bool (n,)."""
    present = sorted(map(str, set(categories)))
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
        remedy = f"The dataset's ids are of the kind of {example}. {REMEDY}"
        raise InputError("none of its images is in the dataset", file=path, value=next(iter(unknown)), remedy=remedy)
    text = f"{len(unknown)} images are not in the dataset; their detections were not read"
    return [Finding("unknown-image", text, tuple(unknown))]
