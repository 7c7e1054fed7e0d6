"""Turn an image into the network input: mean, scale, layout.

Source: SSH release, SSH/test.py; mean and pixel order of Caffe's VGG-16.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sshbench.records import Image
from sshbench.ssh.anchors import Float32Array

MEAN = (102.9801, 115.9465, 122.7717)
"""Of blue, green and red."""
PYRAMID = (500, 800, 1200, 1600)
PYRAMID_BASE = (800, 1200)


def pair_scale(height: int, width: int, pair: tuple[int, int] | None) -> float:
    """Return the scale of `m x M` testing: the shorter side becomes m unless the longer exceeds M; `pair` None: 1.

    >>> pair_scale(600, 800, (1200, 1600)), pair_scale(500, 1000, (1200, 1600))
    (2.0, 1.6)
    """
    if pair is None:
        return 1.0
    short, long = min(height, width), max(height, width)
    scale = pair[0] / short
    return pair[1] / long if round(scale * long) > pair[1] else scale


def pyramid_scales(height: int, width: int) -> list[float]:
    """Return the scales of the four levels of pyramid testing, relative to the pair 800 x 1200."""
    base = pair_scale(height, width, PYRAMID_BASE)
    return [side / PYRAMID_BASE[0] * base for side in PYRAMID]


def network_input(image: Image, scale: float, mean: tuple[float, float, float] = MEAN) -> Float32Array:
    """Return the network input, float32 (1, 3, height, width), BGR.

    The release subtracts the mean before it resizes; after it, on fewer pixels, the result is the same within 1e-4 of a
    grey level, because bilinear weights add up to 1.

    Args:
        image: uint8 (height, width, 3), BGR.
        scale: Network pixels per image pixel; sides are rounded half to even, at least one pixel.
        mean: Of blue, green and red; by default SSH's.
    """
    if scale == 1.0:
        return _without_mean([image[:, :, channel] for channel in range(3)], mean)
    import cv2

    pixels = image.astype(np.float32)
    sides = [round(side * scale) for side in image.shape[:2]]
    if min(sides) > 0:
        # By factors and not by a size: OpenCV then maps pixels by the exact scale, as the release's call does.
        resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    else:
        resized = cv2.resize(pixels, (max(sides[1], 1), max(sides[0], 1)), interpolation=cv2.INTER_LINEAR)
    return _without_mean(cv2.split(resized), mean)


def _without_mean(channels: Sequence[npt.NDArray[np.generic]], mean: tuple[float, float, float]) -> Float32Array:
    """Subtract the mean of each channel into its place: a third of the time of moving channels afterwards."""
    data = np.empty((1, 3, *channels[0].shape), dtype=np.float32)
    for channel, pixels in enumerate(channels):
        np.subtract(pixels, np.float32(mean[channel]), out=data[0, channel])
    return data
