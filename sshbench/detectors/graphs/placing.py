"""Where an image lies in the input of a network, and how boxes come back from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sshbench.detectors.adapter import resized_size
from sshbench.detectors.contract import Settings
from sshbench.detectors.graphs.spec import InputSpec
from sshbench.records import FloatArray


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resized image lies in the input of a network.

    Attributes:
        width: Of the input.
        height: Of the input.
        left: Column of the input where the image begins.
        top: Row of the input where the image begins.
        inner_width: Width of the image in the input.
        inner_height: Height of the image in the input.
        scale_x: Input pixels per image pixel, to the right.
        scale_y: Input pixels per image pixel, down.
    """

    width: int
    height: int
    left: int
    top: int
    inner_width: int
    inner_height: int
    scale_x: float
    scale_y: float

    def back(self, boxes: FloatArray) -> FloatArray:
        """Return boxes in pixels of the input as boxes in pixels of the image: float64 (n, 4), corners.

        >>> Place(640, 640, 0, 80, 640, 480, 2.0, 2.0).back(np.array([[20.0, 100.0, 40.0, 120.0]])).tolist()
        [[10.0, 10.0, 20.0, 20.0]]
        """
        scale = np.array([self.scale_x, self.scale_y] * 2)
        return np.asarray((boxes - [self.left, self.top, self.left, self.top]) / scale, dtype=np.float64)

    def into(self, boxes: FloatArray) -> FloatArray:
        """Return boxes in pixels of the image as boxes in pixels of the input: float64 (n, 4), corners."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        return np.asarray(boxes * scale + [self.left, self.top, self.left, self.top], dtype=np.float64)


def place(width: int, height: int, spec: InputSpec, settings: Settings) -> Place:
    """Return where an image lies in the input of a network.

    A fixed input takes the whole image: squashed to its size, or as large as its aspect ratio allows, at the upper left
    (`pad`) or in the middle (`letterbox`). For a dynamic one `settings.resize` gives the size of the image, and the
    sides are stretched (`squash`) or padded to multiples of `spec.multiple`.

    Args:
        width: Of the image.
        height: Of the image.
        spec: What the network takes.
        settings: `resize` is used.

    >>> one = place(320, 240, InputSpec(size=(640, 640)), Settings())
    >>> (one.left, one.top), (one.inner_width, one.inner_height), one.scale_x
    ((0, 80), (640, 480), 2.0)
    >>> one = place(100, 50, InputSpec(size="dynamic", fit="pad"), Settings())
    >>> (one.width, one.height), (one.inner_width, one.inner_height)
    ((128, 64), (100, 50))
    """
    if spec.fixed_size is None:
        inner, _ = resized_size(width, height, settings)
        full_width, full_height = (-(-side // spec.multiple) * spec.multiple for side in inner)
    else:
        full_width, full_height = spec.fixed_size
        scale = min(full_width / width, full_height / height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    if spec.fit == "squash":
        inner = (full_width, full_height)
    middle = spec.fit == "letterbox"
    return Place(
        full_width,
        full_height,
        (full_width - inner[0]) // 2 if middle else 0,
        (full_height - inner[1]) // 2 if middle else 0,
        *inner,
        inner[0] / width,
        inner[1] / height,
    )
