"""Resampled datasets: how often each image is in them, and the sums that follow.

A resampled dataset draws as many images as there are, each with equal chance and with replacement. An image counts as
often as it was drawn; a set of the drawn images would hold 63 % of them and give intervals that are too narrow.
Replicate r depends on the seed, on r and on the number of images alone: more replicates keep the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sshbench.display import short_repr
from sshbench.errors import UsageError
from sshbench.evaluators.ledger import Ledger, Sums
from sshbench.records import FloatArray, IntArray

_BLOCK = 64  # replicates of one state of the generator
_BATCH = 256  # replicates that are added up at a time
_CACHED = 1 << 28  # bytes of counts that are kept for the next call
_GRID_FROM, _GRID = 8192, 2000  # curves with more steps than the first number are read at the second number of them
_EXACT_SUM = float(1 << 22)  # float32 holds whole numbers up to 2^24


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """How datasets are resampled.

    Attributes:
        images: Number of images.
        replicates: Number of resampled datasets.
        seed: Of the generator.
        level: Share of the replicates inside an interval.
        groups: int64 (images,), number of each image's group, from 0: groups are then drawn whole; None for images.
    """

    __repr__ = short_repr

    images: int
    replicates: int = 2000
    seed: int = 0
    level: float = 0.95
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        if self.replicates < 100:
            raise UsageError(f"{self.replicates} replicates are too few for an interval", remedy="Ask for 100 or more")
        if not 0.5 <= self.level < 1:
            raise UsageError(f"the level {self.level} is not in [0.5, 1)", remedy="0.95 is usual")

    @property
    def units(self) -> int:
        """Number of things that are drawn."""
        return self.images if self.groups is None else int(self.groups.max(initial=-1)) + 1

    def batches(self) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Yield the replicates' positions and the images' weights, float32 (images, b), batch by batch."""
        for first in range(0, self.replicates, _BATCH):
            last = min(first + _BATCH, self.replicates)
            counts = _counts(self.units, self.seed, first // _BLOCK, -(-last // _BLOCK))
            weights = counts[:, : last - first].astype(np.float32)
            yield slice(first, last), weights if self.groups is None else weights[self.groups]

    def ends(self, replicates: FloatArray) -> tuple[float, float]:
        """Return the percentiles between which the share `level` of the replicates lies; NaN are left out."""
        defined = replicates[~np.isnan(replicates)]
        if not len(defined):
            return float("nan"), float("nan")
        tail = (1 - self.level) / 2
        low, high = np.quantile(defined, [tail, 1 - tail], method="linear").tolist()
        return low, high


def _counts(units: int, seed: int, first_block: int, last_block: int) -> npt.NDArray[np.uint16]:
    """Return how often each unit is drawn: (units, 64 * blocks)."""
    one = _block if units * 2 * _BLOCK * 32 <= _CACHED else _block.__wrapped__
    return np.hstack([one(units, seed, block) for block in range(first_block, last_block)])


@lru_cache(maxsize=64)
def _block(units: int, seed: int, block: int) -> npt.NDArray[np.uint16]:
    # `random_raw` is the generator's own output, which no release of numpy changes.
    raw = np.random.PCG64(np.random.SeedSequence([seed, block])).random_raw(_BLOCK * units)
    drawn = ((raw >> np.uint64(32)) * np.uint64(units)) >> np.uint64(32)
    place = drawn.astype(np.int64).reshape(_BLOCK, units) + units * np.arange(_BLOCK)[:, None]
    counts = np.bincount(place.ravel(), minlength=_BLOCK * units).reshape(_BLOCK, units)
    return np.ascontiguousarray(counts.T.astype(np.uint16))


class CompiledLedger:
    """A ledger as sparse matrices over steps and images, for many weighted sums.

    Only the steps at which recalled faces change are kept: figures depend on no others, see `Rule`. Where there are
    very many of them (COCO), a grid of them is kept, and figures are then a little off; see `on_grid`.

    Attributes:
        changes: int64 (steps,), the ledger's steps that were kept.
        on_grid: Whether only some of the steps were kept.
    """

    def __init__(self, ledger: Ledger, steps: IntArray | None = None, *, most_false: float | None = None) -> None:
        """Compile a ledger.

        Args:
            ledger: The summands.
            steps: int64 (k,), ascending: take sums at these steps instead.
            most_false: Most false positives that a figure looks at: steps with over three times as many are left out;
                see `suffices`.
        """
        changes = np.unique(ledger.step[(ledger.true != 0) | (ledger.right != 0)]) if steps is None else steps
        self._most_false: float | None = None
        if most_false is not None:
            totals = ledger.totals
            enough = np.flatnonzero((totals.kept - totals.right)[changes] > 3 * most_false)
            if len(enough):
                changes, self._most_false = changes[: int(enough[0]) + 1], most_false
        self.on_grid = steps is None and len(changes) > _GRID_FROM
        if self.on_grid:
            places = np.linspace(0, len(changes) - 1, _GRID).astype(np.int64)
            changes = changes[places]
        step = np.searchsorted(changes, ledger.step)
        used = step < len(changes)
        self.changes, self.steps, self.images = changes, len(changes), ledger.images
        self.faces = ledger.faces.astype(np.float64)
        # One column more stands for the images that the dataset does not have (PASCAL Faces).
        self._others = int(bool((ledger.image[used] == self.images).any()))
        where = (step[used], ledger.image[used])
        self._kept = self._matrix(ledger.kept[used], where)
        self._true = self._matrix(ledger.true[used], where)
        # Only FDDB's continuous score adds something else than right detections.
        differs = ledger.right is not ledger.true and not np.array_equal(ledger.right, ledger.true)
        self._right = self._matrix(ledger.right[used], where) if differs else None

    def _matrix(self, values: FloatArray, where: tuple[IntArray, IntArray]) -> sparse.csr_matrix:
        matrix = sparse.coo_matrix((values, where), (self.steps, self.images + self._others)).tocsr()
        whole = bool((values == np.rint(values)).all()) and float(np.abs(values).sum()) < _EXACT_SUM
        return matrix.astype(np.float32) if whole else matrix

    def of_images(self, images: IntArray) -> CompiledLedger:
        """Return the ledger of a dataset that consists of these images, int64 (k,); an image may come several times."""
        drawn = copy(self)
        drawn.images, drawn.faces = len(images), self.faces[images]
        columns = np.append(images, np.full(self._others, self.images))
        drawn._kept, drawn._true = self._kept[:, columns], self._true[:, columns]
        drawn._right = None if self._right is None else self._right[:, columns]
        return drawn

    def sums(self, weights: npt.NDArray[np.floating]) -> Sums:
        """Add up with weights (images, b); images that the dataset does not have weigh 1."""
        used = weights
        if self._others:
            weights = np.vstack((weights, np.ones((1, weights.shape[1]), dtype=weights.dtype)))
        added = self._product(self._true, weights)
        kept = np.cumsum(self._product(self._kept, weights), axis=0, dtype=np.float64)
        true = np.cumsum(added, axis=0, dtype=np.float64)
        right = true
        if self._right is not None:
            right = np.cumsum(self._product(self._right, weights), axis=0, dtype=np.float64)
        return Sums(
            kept=kept,
            true=true,
            added=added,
            right=right,
            faces=np.asarray(self.faces.astype(used.dtype) @ used, dtype=np.float64),
            share=used.sum(axis=0, dtype=np.float64) / max(self.images, 1),
        )

    def suffices(self, sums: Sums) -> bool:
        """Return whether the steps that were left out for their false positives matter in none of the datasets."""
        if self._most_false is None:
            return True
        return bool((sums.kept[-1] - sums.right[-1] > self._most_false * sums.share).all())

    def without_each(self, units: int, groups: IntArray | None) -> Iterator[tuple[slice, Sums]]:
        """Yield positions of units and the sums without each of them, batch by batch."""
        everything = self.sums(np.ones((self.images, 1)))
        member = np.arange(self.images) if groups is None else groups
        gather = sparse.coo_matrix(
            (np.ones(self.images), (np.arange(self.images), member)), (self.images + self._others, units)
        )
        kept, true = (matrix.astype(np.float64).tocsc() @ gather.tocsc() for matrix in (self._kept, self._true))
        right = None if self._right is None else self._right.tocsc() @ gather.tocsc()
        faces = np.bincount(member, self.faces, minlength=units)
        size = np.bincount(member, minlength=units)
        for first in range(0, units, _BATCH):
            part = slice(first, min(first + _BATCH, units))
            added = everything.added - true[:, part].toarray()
            summed = np.cumsum(added, axis=0)
            yield (
                part,
                Sums(
                    kept=everything.kept - np.cumsum(kept[:, part].toarray(), axis=0),
                    true=summed,
                    added=added,
                    right=summed if right is None else everything.right - np.cumsum(right[:, part].toarray(), axis=0),
                    faces=everything.faces - faces[part],
                    share=1.0 - size[part] / max(self.images, 1),
                ),
            )

    @staticmethod
    def _product(matrix: sparse.csr_matrix, weights: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        if matrix.dtype == weights.dtype == np.float32:
            product: npt.NDArray[np.floating] = matrix @ weights
            if product.max(initial=0) < 4 * _EXACT_SUM:
                return product
        return np.asarray(matrix.astype(np.float64) @ weights.astype(np.float64))
