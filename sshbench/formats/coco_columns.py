"""Columns of COCO's results, collected part by part: whole parts at once where they are plain, else entry by entry.

A part is plain if every entry is an object with four numbers as `bbox`, a number as `score`, and ids and names of the
usual types. Everything else goes through `formats.coco_fields`, which knows what to convert and what to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.formats.base import ImageIds
from sshbench.formats.coco_fields import REMEDY, ResultIds, box_of, image_key_of, number_of
from sshbench.formats.names import NameMatcher
from sshbench.records import Finding, FloatArray, IntArray

_NUMBERS = frozenset({int, float})
_ID_TYPES = frozenset({int, str, type(None)})
_NAME_TYPES = frozenset({str, type(None)})
_Part = tuple[IntArray, FloatArray, IntArray]


class ResultColumns:
    """The columns of results.

    Args:
        path: The file that errors name.
        keys: The dataset's image keys, in order.
        image_ids: Keys by `image_id`.

    Attributes:
        unknown: Images that the dataset does not have, in order of appearance.

    >>> columns = ResultColumns(Path("r.json"), ["a", "b"], {7: "b"})
    >>> columns.add([{"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.9}])
    >>> images, table, categories = columns.joined()
    >>> images.tolist(), table.tolist(), [columns.categories[code] for code in categories]
    ([1], [[10.0, 20.0, 30.0, 40.0, 0.9]], [1])
    """

    def __init__(self, path: Path, keys: Sequence[str], image_ids: ImageIds | None) -> None:
        self.unknown: dict[str, None] = {}
        self._path = path
        self._index = {key: i for i, key in enumerate(keys)}
        self._matcher = NameMatcher(keys)
        self._ids = ResultIds(image_ids or {}, self._matcher)
        self._parts: list[_Part] = []
        self._rows = 0
        self._images: dict[tuple[object, object], int] = {}
        self._codes: dict[tuple[type, object], int] = {}

    @property
    def categories(self) -> list[object]:
        """The different categories; values of several types are different."""
        return [category for _, category in self._codes]

    def add(self, entries: Sequence[object]) -> None:
        """Add results to those there are.

        Raises:
            InputError: One lacks a field or holds an invalid value; the text names it.
        """
        self._parts.append(self._plain(entries) or self._one_by_one(entries))
        self._rows += len(entries)

    def joined(self) -> _Part:
        """Return the columns and forget them.

        Returns:
            int64 (n,): position of the image among the keys, -1 where it is unknown; float64 (n, 5): the box as it
            stands and the score; int64 (n,): position of the category among `categories`.
        """
        parts = self._parts or [(np.empty(0, np.int64), np.empty((0, 5)), np.empty(0, np.int64))]
        self._parts = []
        images, tables, categories = zip(*parts, strict=True)
        return np.concatenate(images), np.concatenate(tables), np.concatenate(categories)

    def findings(self) -> list[Finding]:
        """Return findings on ids and names that were matched though they are written in another way."""
        found = (self._ids.finding(), self._matcher.finding(suffixes=False))
        return [finding for finding in found if finding is not None]

    def _plain(self, entries: Sequence[object]) -> _Part | None:
        """Return the columns of a plain part; None for any other one."""
        rows = [entry for entry in entries if type(entry) is dict]
        boxes = [row.get("bbox") for row in rows]
        scores = [row.get("score") for row in rows]
        lists = [box for box in boxes if type(box) is list and len(box) == 4]
        if len(lists) < len(entries) or not {*map(type, scores), *map(type, chain.from_iterable(lists))} <= _NUMBERS:
            return None
        table = np.empty((len(rows), 5))
        try:
            table[:, :4] = np.fromiter(chain.from_iterable(lists), np.float64, 4 * len(rows)).reshape(-1, 4)
            table[:, 4] = np.fromiter(scores, np.float64, len(rows))
        except OverflowError:  # a number with hundreds of digits
            return None
        images = self._plain_images(rows)
        if images is None or not np.isfinite(table).all():
            return None
        return images, table, self._codes_of([row.get("category_id") for row in rows])

    def _plain_images(self, rows: Sequence[Mapping[str, object]]) -> IntArray | None:
        names, numbers = [row.get("file_name") for row in rows], [row.get("image_id") for row in rows]
        if not (set(map(type, names)) <= _NAME_TYPES and set(map(type, numbers)) <= _ID_TYPES):
            return None
        pairs = list(zip(names, numbers, strict=True))
        try:
            for name, number in dict.fromkeys(pairs):
                if (name, number) not in self._images:
                    self._images[name, number] = self._image_of({"file_name": name, "image_id": number}, 0)
        except InputError:  # with the position of the entry it is raised again, one by one
            return None
        return np.fromiter(map(self._images.__getitem__, pairs), np.int64, len(pairs))

    def _one_by_one(self, entries: Sequence[object]) -> _Part:
        images, table = np.empty(len(entries), dtype=np.int64), np.empty((len(entries), 5))
        categories: list[object] = []
        for i, entry in enumerate(entries):
            n = self._rows + i
            if not isinstance(entry, Mapping):
                raise InputError("invalid result", file=self._path, field=f"[{n}]", value=entry, remedy=REMEDY)
            images[i] = self._image_of(entry, n)
            categories.append(entry.get("category_id"))
            table[i, :4] = box_of(entry.get("bbox"), self._path, f"[{n}].bbox", inside_out=True)
            table[i, 4] = number_of(entry.get("score"), self._path, f"[{n}].score")
        return images, table, self._codes_of(categories)

    def _image_of(self, entry: Mapping[str, object], n: int) -> int:
        key = image_key_of(entry, self._index, self._ids, self._path, n)
        image = self._index.get(key, -1)
        if image < 0:
            self.unknown[key] = None
        return image

    def _codes_of(self, categories: Sequence[object]) -> IntArray:
        pairs = list(zip(map(type, categories), categories, strict=True))
        try:
            for pair in dict.fromkeys(pairs):
                self._codes.setdefault(pair, len(self._codes))
        except TypeError as error:  # a list or an object cannot be in a set
            raise InputError("invalid category", file=self._path, field="category_id", remedy=REMEDY) from error
        return np.fromiter(map(self._codes.__getitem__, pairs), np.int64, len(pairs))
