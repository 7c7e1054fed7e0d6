"""What a trial of a network shows of its outputs: shapes and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.detectors.graphs.arrays import cells, places
from sshbench.records import FloatArray

Array = npt.NDArray[Any]
STRIDES = (4, 8, 16, 32, 64, 128)
"""Strides that are tried."""

_ONE_ROW = (4, 5, 6, 7)  # columns of one box without an axis for the image
_SURE = 0.9  # share of rows that must look so


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The outputs of a trial.

    Attributes:
        outputs: By name, for one image.
        width: Of the input.
        height: Of the input.
    """

    outputs: Mapping[str, Array]
    width: int
    height: int

    def tables(self) -> dict[str, tuple[int, int]]:
        """Return rows and columns of all outputs that are tables, by name."""
        return {name: size for name, output in self.outputs.items() if (size := table_size(output))}

    def maps(self) -> dict[str, tuple[int, int, int]]:
        """Return channels, rows and columns of all outputs that are maps, by name."""
        return {
            name: (int(one.shape[1]), int(one.shape[2]), int(one.shape[3]))
            for name, one in self.outputs.items()
            if one.ndim == 4 and one.shape[0] == 1
        }

    def rows(self, name: str) -> FloatArray:
        """Return a table, float64 (rows, columns)."""
        output = self.outputs[name]
        size = table_size(output)
        return np.asarray(output, dtype=np.float64).reshape(size or (-1, 1))

    def cells(self, strides: Sequence[int] = (8, 16, 32)) -> int:
        """Return how many cells the strides have together."""
        return sum(int(np.prod(cells(self.height, self.width, stride))) for stride in strides)

    def stride_of(self, count: int, anchors: int = 1) -> int | None:
        """Return the stride that has so many rows with so many per cell; None for no stride."""
        return next((stride for stride in STRIDES if self.cells([stride]) * anchors == count), None)

    def looks_decoded(self, values: FloatArray, strides: Sequence[int] = (8, 16, 32)) -> bool:
        """Return whether rows, one per cell, hold centres in pixels near their cells; raw ones are near 0."""
        centres = np.concatenate([(places(*cells(self.height, self.width, one)) + 0.5) * one for one in strides])
        near = np.abs(values[:, :2] - centres).max(axis=1)
        raw = np.abs(values[:, :2]).max(axis=1)
        return bool(np.median(near) < np.median(raw))


def table_size(output: Array) -> tuple[int, int] | None:
    """Return rows and columns of an output that is a table for one image; None for another one.

    >>> table_size(np.zeros((1, 5, 4))), table_size(np.zeros((1, 9))), table_size(np.zeros((1, 2, 3, 4)))
    ((5, 4), (9, 1), None)
    """
    shape = output.shape
    if output.ndim == 3 and shape[0] == 1:
        return int(shape[1]), int(shape[2])
    if output.ndim == 2 and (shape[0] != 1 or shape[1] in _ONE_ROW):
        return int(shape[0]), int(shape[1])
    if output.ndim in (1, 2):
        return int(output.size), 1
    return None


def filled(values: FloatArray) -> FloatArray:
    """Return the rows that are not all 0, with which graphs fill up their outputs."""
    return values[values.any(axis=1)]


def are_corners(values: FloatArray) -> bool:
    """Return whether most rows are two corners, the upper left one first.

    >>> are_corners(np.array([[0.0, 0, 2, 2], [1, 1, 3, 4]])), are_corners(np.array([[5.0, 5, 1, 1]]))
    (True, False)
    """
    return len(values) > 0 and bool((values[:, 2:] > values[:, :2]).all(axis=1).mean() > _SURE)


def are_normalised(values: FloatArray) -> bool:
    """Return whether boxes are in parts of the input, not in pixels.

    >>> are_normalised(np.array([[0.0, 0.0, 1.1, 0.5]])), are_normalised(np.array([[0.0, 0.0, 64.0, 20.0]]))
    (True, False)
    """
    rows = filled(values)
    return len(rows) > 0 and bool((np.abs(rows).max(axis=1) <= 2).mean() > _SURE)


def are_probabilities(values: FloatArray) -> bool:
    """Return whether all numbers are between 0 and 1."""
    return bool(((values >= 0) & (values <= 1)).all())
