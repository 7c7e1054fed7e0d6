"""Crops of items and smaller copies of whole images, each image decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError
from sshbench.images import Image
from sshbench.items import ImageRecord

CELL = 128
"""Side of a crop in a sheet, in pixels."""
ROW = 8
"""Crops in a row of a sheet, and rows of a full sheet."""
_MARGIN = 0.5
_LEAST_SIDE = 48  # source pixels: without surroundings the smallest faces could not be recognised
_LONG_SIDES = (1600, 1280, 1024, 800, 640)
_QUALITY, _CROP_QUALITY = 60, 70
_BYTES_PER_PIXEL = 0.125  # measured on WIDER FACE val at this quality
_ASPECT = 0.75  # of an ordinary photograph, for estimates
_GROUND = 128  # grey where a crop reaches over the image's edge

Square = tuple[int, int, int]
"""Left, top and side of a crop, in pixels of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What is kept of an image.

    Attributes:
        width: Pixels of the original.
        height: Pixels of the original.
        jpeg: The smaller copy.
        crops: By square, uint8 (CELL, CELL, 3).
        crop_bytes: By square, about how many bytes it takes in a sheet.
    """

    width: int
    height: int
    jpeg: bytes
    crops: Mapping[Square, Image]
    crop_bytes: Mapping[Square, int]


def square_around(box: npt.ArrayLike) -> Square:
    """Return the square around a box with a margin of half its longer side on each side.

    >>> square_around([100, 100, 140, 120]), square_around([10, 10, 14, 14])
    ((80, 70, 80), (-12, -12, 48))
    """
    x1, y1, x2, y2 = np.clip(np.nan_to_num(np.asarray(box, dtype=np.float64)), -1e6, 1e6).tolist()
    side = max(round((1 + 2 * _MARGIN) * max(x2 - x1, y2 - y1)), _LEAST_SIDE)
    return round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side


def long_side(images: int, available: int) -> int:
    """Return the longer side of the copies of images that should fit into a number of bytes; at least 640.

    >>> long_side(50, 20_000_000), long_side(300, 20_000_000), long_side(3000, 20_000_000)
    (1600, 800, 640)
    """
    fitting = [side for side in _LONG_SIDES if images * _BYTES_PER_PIXEL * _ASPECT * side**2 <= available]
    return fitting[0] if fitting else _LONG_SIDES[-1]


def decode(record: ImageRecord, squares: Iterable[Square], longest: int) -> Decoded | None:
    """Read an image once, and make its smaller copy and its crops; None where there is no readable file."""
    if record.path is None or not record.path.is_file():
        return None
    try:
        image = record.read()
    except SshbenchError:
        return None  # the run's warnings name it
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    copy = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    crops = {square: cut(image, square) for square in squares}
    empty = len(_jpeg(np.zeros((CELL, CELL, 3), dtype=np.uint8), _CROP_QUALITY))  # headers, which a sheet has once
    sizes = {square: max(0, len(_jpeg(crop, _CROP_QUALITY)) - empty) + 64 for square, crop in crops.items()}
    return Decoded(width, height, _jpeg(copy, _QUALITY), crops, sizes)


def cut(image: Image, square: Square) -> Image:
    """Return a square of an image as uint8 (CELL, CELL, 3), grey outside the image."""
    left, top, side = square
    height, width = image.shape[:2]
    crop = np.full((CELL, CELL, 3), _GROUND, dtype=np.uint8)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x1 >= x2 or y1 >= y2:
        return crop
    scale = CELL / side
    to = [round((x1 - left) * scale), round((y1 - top) * scale), round((x2 - left) * scale), round((y2 - top) * scale)]
    size = (max(1, to[2] - to[0]), max(1, to[3] - to[1]))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(image[y1:y2, x1:x2], size, interpolation=method)
    at_x, at_y = min(to[0], CELL - size[0]), min(to[1], CELL - size[1])
    crop[at_y : at_y + size[1], at_x : at_x + size[0]] = part
    return crop


def sheets(crops: Sequence[Image]) -> list[bytes]:
    """Put crops into JPEG sheets of `ROW` x `ROW`, row by row; the last sheet has no more rows than it needs."""
    made = []
    for first in range(0, len(crops), ROW * ROW):
        part = crops[first : first + ROW * ROW]
        sheet = np.full((CELL * -(-len(part) // ROW), CELL * ROW, 3), _GROUND, dtype=np.uint8)
        for number, crop in enumerate(part):
            y, x = CELL * (number // ROW), CELL * (number % ROW)
            sheet[y : y + CELL, x : x + CELL] = crop
        made.append(_jpeg(sheet, _CROP_QUALITY))
    return made


def _jpeg(image: npt.NDArray[np.integer] | cv2.typing.MatLike, quality: int) -> bytes:
    encoded: bytes = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return encoded
