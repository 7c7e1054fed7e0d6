"""The levels at which HR looks at an image, and the resizing to them.

Sources: peiyunh/tiny, cnn_widerface_test_AB.m and scripts/hr_res101.m for WIDER FACE, tiny_face_detector.m for the demo
(MIT, 2017); MatConvNet, matlab/src/vl_imreadjpeg.cu, for sizes and the antialiased filter of the former; MATLAB,
documentation of imresize, for the latter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray, Image

WIDER, DEMO, SINGLE = "wider", "demo", "single"
PROTOCOLS = (WIDER, DEMO, SINGLE)
LARGEST = 5000
"""Longest side, in pixels, of a level that enlarges the image."""
WIDER_SCALES = (0.25, 0.5, 1.0, 2.0)

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid.

    Attributes:
        scale: Level pixels per image pixel, by which boxes are divided.
        height: Height of the level in pixels.
        width: Width of the level in pixels.
        region: Left, top, right and bottom of what is resized, in image pixels; it may reach over the image.
        whole: Whether pixels are rounded to whole numbers after resizing.
    """

    scale: float
    height: int
    width: int
    region: tuple[float, float, float, float]
    whole: bool = True


def wider_levels(height: int, width: int) -> list[Level]:
    """Return the levels of the protocol for WIDER FACE: a quarter, half, the whole and twice the image's sides.

    >>> [(level.scale, level.height, level.width) for level in wider_levels(683, 1024)]
    [(0.25, 170, 255), (0.5, 341, 511), (1.0, 683, 1024), (2.0, 1366, 2048)]
    """
    levels = [level for scale in WIDER_SCALES if (level := _by_shorter_side(height, width, scale)) is not None]
    return [level for level in levels if level.scale <= 1 or max(level.height, level.width) <= LARGEST]


def single_level(height: int, width: int, scale: float) -> list[Level]:
    """Return one level at a scale; none where a side would vanish."""
    level = _by_shorter_side(height, width, scale)
    return [] if level is None else [level]


def demo_levels(height: int, width: int, templates: FloatArray) -> list[Level]:
    """Return the levels of the authors' demo, octaves down to where the largest template of scale 1 fills the image.

    Args:
        height: Of the image.
        width: Of the image.
        templates: float64 (n, 5), x1, y1, x2, y2, scale.

    >>> from sshbench.rivals.hr_templates import published_templates
    >>> [level.scale for level in demo_levels(768, 1024, published_templates())]
    [0.0625, 0.125, 0.25, 0.5, 1.0, 1.4142135623730951, 2.0]
    """
    medium = templates[templates[:, 4] == 1]
    sides = (medium[:, 2:4] - medium[:, :2] + 1).max(axis=0) / (width, height)
    lowest = int(np.floor(np.log2(sides)).min())
    highest = min(1.0, -math.log2(max(height, width) / LARGEST))
    exponents = [*range(lowest, 1), *(half for half in (0.5, 1.0) if half <= highest)]
    return [_by_factor(height, width, 2.0**exponent) for exponent in exponents]


def resized(rgb: Image, level: Level) -> Float32Array:
    """Return the image at a level, float32 (height, width, 3): a triangle filter, widened where it shrinks.

    Beyond the border the image is mirrored, as MATLAB does it.

    Args:
        rgb: uint8 (height, width, 3).
        level: The level.
    """
    from PIL import Image as Pillow

    height, width = rgb.shape[:2]
    left, top, right, bottom = level.region
    if (level.height, level.width) == (height, width) and level.region == (0.0, 0.0, float(width), float(height)):
        return rgb.astype(np.float32)
    reach = math.ceil(max((right - left) / level.width, (bottom - top) / level.height, 1.0)) + 1
    around = np.pad(rgb, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric").astype(np.float32)
    box = (left + reach, top + reach, right + reach, bottom + reach)
    made = np.empty((level.height, level.width, 3), dtype=np.float32)
    for channel in range(3):
        # Of single-precision numbers, because Pillow rounds bytes between its two passes.
        plane = Pillow.fromarray(np.ascontiguousarray(around[:, :, channel]))
        made[:, :, channel] = np.asarray(plane.resize((level.width, level.height), Pillow.Resampling.BILINEAR, box=box))
    return np.clip(np.floor(made + 0.5), 0, 255) if level.whole else made


def _by_shorter_side(height: int, width: int, scale: float) -> Level | None:
    """Return the level whose shorter side is the image's times the scale, rounded down; None where it vanishes.

    The centre of the image is cut to the level's proportions first, by a pixel at most.
    """
    if scale == 1:
        return Level(1.0, height, width, (0, 0, width, height))
    short = int(min(height, width) * scale)
    if short < 1:
        return None
    factor = short / min(height, width)
    rows, columns = (max(1, _rounded(factor * side)) for side in (height, width))
    back = min(width / columns, height / rows)
    seen_height, seen_width = min(_rounded(rows * back), height), min(_rounded(columns * back), width)
    top, left = (height - seen_height) // 2, (width - seen_width) // 2
    return Level(scale, rows, columns, (left, top, left + seen_width, top + seen_height))


def _by_factor(height: int, width: int, scale: float) -> Level:
    """Return the level as imresize makes it from a factor: sides rounded up, pixels mapped by the factor itself."""
    rows, columns = math.ceil(height * scale), math.ceil(width * scale)
    return Level(scale, rows, columns, (0, 0, columns / scale, rows / scale), whole=False)


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
