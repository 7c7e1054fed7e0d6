"""Fields of COCO's results, one entry at a time: the image, the box and the score, each checked."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from pathlib import Path

from sshbench.errors import InputError
from sshbench.flat import counted
from sshbench.formats.base import ImageIds, key_of, whole_number
from sshbench.formats.names import NameMatcher
from sshbench.records import Finding

REMEDY = 'A result is {"image_id": ..., "category_id": ..., "bbox": [x, y, w, h], "score": ...}'


class ResultIds(dict[int | str, str]):
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
    if isinstance(image_ids, ResultIds) and (key := image_ids.key_of(number)) is not None:
        return key
    if isinstance(number, int | str) and not isinstance(number, bool):
        return image_ids.get(number, str(number))
    raise InputError("expected the id of an image", file=path, field=f"[{n}].image_id", value=number, remedy=REMEDY)


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
