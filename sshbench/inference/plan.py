"""In which order images are worked on, by how much work they are, and which of them together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sshbench.images import size_of
from sshbench.records import ImageRecord


def pixels_of(path: Path | None) -> int:
    """Return the number of pixels that the header of an image file states; 0 where none can be read."""
    width, height = size_of(path) or (0, 0)
    return width * height


def batches(records: Sequence[ImageRecord], most: int) -> list[list[ImageRecord]]:
    """Cut images into batches of one size, in the order of their first images.

    Args:
        records: The images.
        most: Maximum number of images per batch; with 1 no header is read.

    Returns:
        The batches; an image whose header cannot be read is alone.

    >>> made = batches([ImageRecord("a", None), ImageRecord("b", None)], 1)
    >>> [[record.key for record in batch] for batch in made]
    [['a'], ['b']]
    """
    made: list[list[ImageRecord]] = []
    filling: dict[tuple[int, int], list[ImageRecord]] = {}
    for record in records:
        size = size_of(record.path) if most > 1 else None
        batch = None if size is None else filling.get(size)
        if batch is None or len(batch) == most:
            batch = []
            made.append(batch)
            if size is not None:
                filling[size] = batch
        batch.append(record)
    return made


def largest_first(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Return images by falling number of pixels, so that no worker is left alone with a large one at the end."""
    pixels = {record.key: pixels_of(record.path) for record in records}
    return sorted(records, key=lambda record: -pixels[record.key])


def stratified(records: Sequence[ImageRecord], count: int) -> list[ImageRecord]:
    """Return a sample of images of all sizes: the middle ones of equal parts by number of pixels.

    >>> [record.key for record in stratified([ImageRecord(str(i), None) for i in range(9)], 3)]
    ['1', '4', '7']
    """
    ordered = largest_first(records)
    count = min(count, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]
