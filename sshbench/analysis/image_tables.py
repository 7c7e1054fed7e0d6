"""CSV files that say something of images: the parts of a division (`--slices`), or their groups (`--groups`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from sshbench.analysis.axes import KEYS_REMEDY, images_named
from sshbench.analysis.intervals import numbered
from sshbench.errors import InputError
from sshbench.formats.base import read_lines
from sshbench.records import IntArray


def read_slices(path: str | Path, keys: Sequence[str] | None = None) -> dict[str, dict[str, str]]:
    r"""Read divisions of images: CSV with the header `image,axis,value`.

    Args:
        path: The file.
        keys: Image keys of the dataset, to check the names; None checks nothing.

    Returns:
        By axis and image key, the name of the image's part; in the order of the file.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid, gives an image a second value on an axis, or names an image that the dataset does
            not have.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "s.csv").write_text("image,axis,value\ne/a,light,day\ne/b,light,night\n")
    ...     read_slices(Path(folder, "s.csv"))
    {'light': {'e/a': 'day', 'e/b': 'night'}}
    """
    path = Path(path).expanduser()
    found: dict[str, dict[str, str]] = {}
    unknown: dict[str, int] = {}
    known = None if keys is None else set(keys)
    for line, (image, axis, value) in _rows(path, ("image", "axis", "value")):
        values = found.setdefault(axis, {})
        if image in values:
            text = f"image '{image}' has a value on axis '{axis}' already ('{values[image]}')"
            raise InputError(text, file=path, line=line, value=value, remedy="Keep one line per image and axis")
        values[image] = value
        if known is not None and image not in known:
            unknown.setdefault(image, line)
    if unknown:
        text = f"{images_named(unknown)} not in the dataset"
        raise InputError(text, file=path, line=min(unknown.values()), remedy=KEYS_REMEDY)
    return found


def read_groups(path: str | Path, keys: Sequence[str]) -> IntArray:
    """Read which images belong together when datasets are resampled: CSV with the header `image,group`.

    Args:
        path: The file. Lines of images that are not among `keys` are passed over, so that a part of a dataset can be
            analysed with the file of all of it.
        keys: Image keys of the dataset.

    Returns:
        int64 (images,), the number of each image's group, from 0 in the order of the images.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid, an image has two groups, or an image of the dataset has none.
    """
    path = Path(path).expanduser()
    group_of: dict[str, str] = {}
    for line, (image, group) in _rows(path, ("image", "group")):
        if image in group_of:
            text = f"image '{image}' has a group already ('{group_of[image]}')"
            raise InputError(text, file=path, line=line, value=group, remedy="Keep one line per image")
        group_of[image] = group
    if missing := [key for key in keys if key not in group_of]:
        text = f"{images_named(missing)} of the dataset without a group"
        raise InputError(text, file=path, remedy="Add a line 'image,group' for each image")
    return numbered(group_of[key] for key in keys)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields, without blanks around them, of each row after the header; empty lines are none."""
    header = ",".join(columns)
    reader = csv.reader(read_lines(path), strict=True)
    first = True
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            remedy = f"Write '{header}', and quote fields that hold a comma"
            raise InputError(f"invalid CSV ({error})", file=path, line=reader.line_num, remedy=remedy) from error
        fields = [field.strip() for field in row]
        if first:
            if fields != list(columns):
                text = "expected the header"
                shown = ",".join(fields)
                remedy = f"The first line is '{header}'"
                raise InputError(text, file=path, line=1, value=shown, remedy=remedy)
            first = False
        elif any(fields):
            if len(fields) != len(columns) or not all(fields):
                text = f"expected {len(columns)} fields, none of them empty"
                shown = ",".join(row)
                raise InputError(text, file=path, line=reader.line_num, value=shown, remedy=f"Write '{header}' per row")
            yield reader.line_num, fields
    if first:
        raise InputError("the file is empty", file=path, remedy=f"The first line is '{header}'")
