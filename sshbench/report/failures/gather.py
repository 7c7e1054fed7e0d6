"""Decode what the page shows, rank by rank, until the files of a run are as large as they may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sshbench.datasets.base import Dataset
from sshbench.report.failures.sprites import Decoded, Square, decode, long_side

_READERS = 2
_CROP_BYTES, _GEOMETRY_BYTES = 2500, 6000  # what the size of the copies rests on; measured on WIDER FACE val
_SIZE_BYTES = 180  # of an image in the lists of sizes and counts


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a run shows: an item, or an image of a ranking.

    Attributes:
        image: Position of the image.
        square: Of its crop; None where none is shown.
        size: Bytes that it takes in data and table.
    """

    image: int
    square: Square | None
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What fits.

    Attributes:
        images: Positions of the images that are shown.
        decoded: By position, those that could be read.
        depths: By run, how many ranks are shown.
    """

    images: tuple[int, ...]
    decoded: Mapping[int, Decoded]
    depths: tuple[int, ...]


def gather(
    dataset: Dataset, needs: Sequence[Sequence[Sequence[Need]]], geometry: Sequence[Mapping[int, str]], limit: int
) -> Gathered:
    """Decode the images of the first ranks of each run, as many ranks as fit.

    Args:
        dataset: The images.
        needs: By run and rank, what is shown.
        geometry: By run, the geometry of each image as it is written.
        limit: Bytes that the files of a run may take.
    """
    squares: dict[int, dict[Square, None]] = {}
    for need in (need for run in needs for rank in run for need in rank):
        of_image = squares.setdefault(need.image, {})
        if need.square is not None:
            of_image[need.square] = None
    longest = _longest(needs, limit)
    decoded: dict[int, Decoded | None] = {}
    shown: dict[int, None] = {}
    budgets = [_Budget(limit, texts) for texts in geometry]
    with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="sshbench-crops") as pool:
        for rank in range(max(map(len, needs), default=0)):
            wanted = [
                (budget, run[rank]) for budget, run in zip(budgets, needs, strict=True) if budget.takes(run, rank)
            ]
            new = [i for i in dict.fromkeys(need.image for _, part in wanted for need in part) if i not in decoded]
            decoded.update(
                zip(new, pool.map(lambda i: decode(dataset.image(i), squares[i], longest), new), strict=True)
            )
            for budget, part in wanted:
                fresh = [i for i in dict.fromkeys(need.image for need in part) if i not in shown]
                if budget.admit(part, decoded, fresh):
                    shown.update(dict.fromkeys(fresh))
                    for other in budgets:  # the geometry of an image is in the data of every run
                        other.used += other.bytes_of(fresh)
    readable = {i: one for i in shown if (one := decoded[i]) is not None}
    return Gathered(tuple(shown), readable, tuple(budget.depth for budget in budgets))


class _Budget:
    """What one run takes so far.

    Attributes:
        used: Bytes.
        depth: Ranks that were admitted.
    """

    def __init__(self, limit: int, geometry: Mapping[int, str]) -> None:
        self.used, self.depth, self._limit, self._geometry = 0, 0, limit, geometry
        self._images: set[int] = set()
        self._crops: set[tuple[int, Square]] = set()

    def takes(self, run: Sequence[Sequence[Need]], rank: int) -> bool:
        """Return whether the run has this rank, and all before it were admitted."""
        return self.depth == rank < len(run)

    def bytes_of(self, images: Sequence[int]) -> int:
        """Return the bytes of the geometry of images."""
        return sum(len(self._geometry[i]) + _SIZE_BYTES for i in images)

    def admit(self, part: Sequence[Need], decoded: Mapping[int, Decoded | None], fresh: Sequence[int]) -> bool:
        """Count a rank if it fits.

        Args:
            part: The rank.
            decoded: With its images.
            fresh: Images that no run has shown so far, whose geometry is not counted yet.
        """
        images = {need.image for need in part} - self._images
        crops = {(need.image, need.square) for need in part if need.square is not None} - self._crops
        more = sum(need.size for need in part)
        more += sum(len(one.jpeg) for i in images if (one := decoded[i]) is not None)
        more += sum(one.crop_bytes[square] for i, square in crops if (one := decoded[i]) is not None)
        if self.used + more + self.bytes_of(fresh) > self._limit:
            return False
        self.used += more
        self.depth += 1
        self._images |= images
        self._crops |= crops
        return True


def _longest(needs: Sequence[Sequence[Sequence[Need]]], limit: int) -> int:
    """Return the longer side of the copies of images at which everything should fit into the limit of each run."""
    sides = []
    for run in needs:
        flat = [need for rank in run for need in rank]
        images = len({need.image for need in flat})
        other = sum(need.size + (_CROP_BYTES if need.square else 0) for need in flat) + images * _GEOMETRY_BYTES
        sides.append(long_side(images, limit - other))
    return min(sides)
