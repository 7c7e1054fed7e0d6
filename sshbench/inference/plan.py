"""In which order images are worked on, by how much work they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sshbench.records import ImageRecord


def pixels_of(path: Path | None) -> int:
    """Return the number of pixels that the header of an image file states; 0 where none can be read."""
    import warnings

    from PIL import Image as PilImage

    if path is None:
        return 0
    try:
        with warnings.catch_warnings(), PilImage.open(path) as opened:
            warnings.simplefilter("ignore")
            return opened.width * opened.height
    except Exception:  # noqa: BLE001  # damaged in whatever way: the reader will say so
        return 0


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
