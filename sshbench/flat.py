"""What the flat records share: one array for all images of a dataset, cut by offsets, and the checks of such arrays."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Self, SupportsIndex, TypeVar, overload

import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError, did_you_mean

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
RowArray = npt.NDArray[np.int32 | np.int64]
"""Rows of another array, in the smallest type of `row_type`; large sets hold several."""
Rows = IntArray | slice
_T = TypeVar("_T")
_Scalar = TypeVar("_Scalar", bound=np.generic)


class ImageSet(Sequence[_T]):
    """A sequence of the records of images, held in flat arrays.

    `set[3]` and `set[-1]` give the record of one image, `set["event/name"]` the one with this key, and `set[10:20]` a
    set of those images. The record and a set cut with step 1 share the memory of the whole.

    Attributes:
        keys: Image keys in order, each once.
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
    """

    __slots__ = ()

    keys: tuple[str, ...]
    offsets: IntArray
    _where: Mapping[str, int]

    @abstractmethod
    def _image(self, index: int) -> _T:
        """Return the record of an image by its position, 0 or larger."""

    @abstractmethod
    def _part(self, keys: tuple[str, ...], offsets: IntArray, rows: Rows, images: Rows) -> Self:
        """Return the set that consists of these rows, and of these images where an array has one row per image."""

    @property
    def image_rows(self) -> IntArray:
        """By row, the position of its image: int64 (rows,)."""
        return np.repeat(np.arange(len(self.keys)), np.diff(self.offsets))

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[_T]:
        return map(self._image, range(len(self)))

    def __contains__(self, key: object) -> bool:
        """Whether there is an image with this key."""
        return key in self._where

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> _T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: SupportsIndex | str | slice) -> _T | Self:
        """Return the record of one image, or the set of the images of a slice.

        Raises:
            IndexError: There is no image at this position.
            KeyError: There is no image with this key; the text names a similar one.
        """
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return self.select(range(start, stop, step))
            stop = max(start, stop)
            first, last = int(self.offsets[start]), int(self.offsets[stop])
            offsets = self.offsets[start : stop + 1] - first
            return self._part(self.keys[start:stop], offsets, slice(first, last), slice(start, stop))
        return self._image(self.position(index))

    def select(self, images: Sequence[int] | IntArray) -> Self:
        """Return the set of the images at these positions, in that order; negative ones count from the end.

        Raises:
            IndexError: There is no image at one of the positions.
            SshbenchError: A position comes twice.
        """
        picked = np.asarray(images, dtype=np.int64)
        wrong = picked[(picked < -len(self)) | (picked >= len(self))]
        if len(wrong):
            raise IndexError(f"there is no image {wrong[0]}: the set has {counted(len(self), 'image')}")
        picked = np.where(picked < 0, picked + len(self), picked)
        counts = np.diff(self.offsets)[picked]
        keys = tuple(self.keys[i] for i in picked.tolist())
        return self._part(keys, offsets_of(counts), ranges(self.offsets[picked], counts), picked)

    def position(self, index: SupportsIndex | str) -> int:
        """Return the position of an image by key, or by a position that may count from the end.

        Raises:
            IndexError: There is no image at this position.
            KeyError: There is no image with this key; the text names a similar one.
        """
        if isinstance(index, str):
            if index not in self._where:
                raise KeyError(f"there is no image '{index}'. {did_you_mean(index, self.keys, listed='')}".rstrip())
            return self._where[index]
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"there is no image {position}: the set has {counted(len(self), 'image')}")
        return position % len(self)


def positions_of(keys: tuple[str, ...], what: str) -> dict[str, int]:
    """Return the position of each key.

    Raises:
        SshbenchError: A key comes twice; the text names it.
    """
    where = dict(zip(keys, range(len(keys)), strict=True))
    if len(where) < len(keys):
        twice = next(key for i, key in enumerate(keys) if where[key] != i)
        raise SshbenchError(
            f"image {twice!r} comes twice in the {what}", remedy="Give each image once, with all its rows"
        )
    return where


def as_offsets(values: npt.ArrayLike, images: int, rows: int, what: str) -> IntArray:
    """Return offsets as int64 (images + 1,).

    Raises:
        SshbenchError: They do not rise from 0 to `rows`, or are not one more than the images.
    """
    offsets = np.asarray(values)
    if offsets.dtype.kind not in "iu" or offsets.shape != (images + 1,):
        text = f"offsets of the {what} must be {images + 1} integers, not {offsets.dtype} of shape {offsets.shape}"
        raise SshbenchError(text)
    offsets = offsets.astype(np.int64, copy=False)
    if offsets[0] != 0 or offsets[-1] != rows or (offsets[1:] < offsets[:-1]).any():
        raise SshbenchError(f"offsets of the {what} must rise from 0 to the number of rows, {rows}")
    return offsets


def as_table(values: npt.ArrayLike, columns: int, what: str, rows: int | None = None) -> FloatArray:
    """Return numbers as float64 (n, columns), without a copy where they are that already.

    Raises:
        SshbenchError: They have another shape, or are not numbers.
    """
    table = _numbers(values, what)
    if table.shape == (0,):
        table = table.reshape(0, columns)
    if table.ndim != 2 or table.shape[1] != columns or rows not in (None, len(table)):
        raise SshbenchError(f"{what} must have shape ({'n' if rows is None else rows}, {columns}), not {table.shape}")
    return table


def as_vector(values: npt.ArrayLike, what: str, rows: int) -> FloatArray:
    """Return numbers as float64 (rows,), without a copy where they are that already.

    Raises:
        SshbenchError: They have another shape, or are not numbers.
    """
    vector = _numbers(values, what)
    _check_rows(vector, what, rows)
    return vector


def as_integers(values: npt.ArrayLike, what: str, *shape: int) -> IntArray:
    """Return whole numbers as int64 of this shape, without a copy where they are that already.

    Raises:
        SshbenchError: They have another shape, or are not whole numbers.
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise SshbenchError(f"{what} must be integers, not {numbers.dtype}")
    if numbers.shape != shape:
        raise SshbenchError(f"{what} must have shape {shape}, not {numbers.shape}")
    return numbers.astype(np.int64, copy=False)


def as_columns(
    columns: Mapping[str, npt.NDArray[_Scalar]], what: str, rows: int, dtype: type[_Scalar]
) -> dict[str, npt.NDArray[_Scalar]]:
    """Return named columns as arrays (rows,) of a type, without a copy where they are that already.

    Raises:
        SshbenchError: One has another shape.
    """
    converted = {name: np.asarray(values, dtype=dtype) for name, values in columns.items()}
    for name, values in converted.items():
        _check_rows(values, f"{what} {name!r}", rows)
    return converted


def offsets_of(counts: npt.ArrayLike) -> IntArray:
    """Return the cumulative offsets of per-image counts: int64 (images + 1,).

    >>> offsets_of([2, 0, 3])
    array([0, 2, 2, 5])
    """
    sizes = np.asarray(counts, dtype=np.int64)
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """Concatenate `arange(start, start + count)` for each pair.

    >>> ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    joined: IntArray = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return joined


def row_type(rows: int) -> type[np.int32] | type[np.int64]:
    """Return the smallest type that numbers so many rows."""
    return np.int32 if rows <= np.iinfo(np.int32).max else np.int64


def blocks(offsets: IntArray, rows: int) -> Iterator[tuple[int, int]]:
    """Cut images into runs of at most so many rows, and of one image at least.

    Args:
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
        rows: How many rows a run may have.

    Yields:
        First image of each run, and the image after its last.

    >>> list(blocks(np.array([0, 2, 3, 9, 10]), 4))
    [(0, 2), (2, 3), (3, 4)]
    """
    first, images = 0, len(offsets) - 1
    while first < images:
        last = int(np.searchsorted(offsets, offsets[first] + rows, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def counted(number: int, what: str, plural: str = "") -> str:
    """Return a number with the singular or plural of what it counts; the plural has an s unless it is given.

    >>> counted(1, "image"), counted(3, "image")
    ('1 image', '3 images')
    """
    return f"{number} {what}" if number == 1 else f"{number} {plural or f'{what}s'}"


def _check_rows(values: npt.NDArray[_Scalar], what: str, rows: int) -> None:
    if values.shape != (rows,):
        raise SshbenchError(f"{what} must have shape ({rows},), not {values.shape}")


def _numbers(values: npt.ArrayLike, what: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SshbenchError(f"{what} must be numbers in rows of equal length ({error})") from error
