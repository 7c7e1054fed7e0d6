"""How many pixels a network gets: an accuracy and a latency are of the same work only where these are the same."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from sshbench.detectors.augmented import Augmented
from sshbench.detectors.contract import Detector, DetectorClass, Settings
from sshbench.detectors.recipe import recipe_of
from sshbench.detectors.registry import detector_class
from sshbench.errors import UsageError
from sshbench.models import StrictModel

TOLERANCE = 0.05
"""Mean input pixels that differ by less than this fraction count as the same."""


class Pixels(StrictModel):
    """Mean pixels per image of a set of images.

    Attributes:
        image: Width times height as stored; None where not known.
        input: What the network gets after resizing, padding not counted; None where not known.
    """

    image: float | None = None
    input: float | None = None


def mean_pixels(
    detector: str | Detector | DetectorClass, settings: Settings, sizes: Sequence[tuple[int, int]] | None
) -> Pixels:
    """Return the mean pixels of images, and of what a detector's network gets for them.

    Args:
        detector: Name of a detector, its class, or a detector. One that is not installed, or whose class has no
            `input_pixels`, makes the network's pixels unknown.
        settings: Its settings: `resize` decides.
        sizes: Width and height of each image; None where they are not known. A network with a fixed input gets the
            same pixels all the same.

    >>> mean_pixels("haar", Settings(resize="240x320"), [(640, 480), (320, 240)])
    Pixels(image=192000.0, input=76800.0)
    >>> mean_pixels("ultraface-rfb-320", Settings(), None)
    Pixels(image=None, input=76800.0)
    """
    image = fmean(width * height for width, height in sizes) if sizes else None
    try:
        made: Any = detector_class(detector) if isinstance(detector, str) else detector
        made = made.detector if isinstance(made, Augmented) else made
    except UsageError:  # a prediction set, or a plug-in that is not installed here
        return Pixels(image=image)
    if not hasattr(made, "input_pixels"):
        return Pixels(image=image)
    counted = sizes or ([(1, 1)] if made.info.fixed_size else [])
    try:
        recipe = recipe_of(settings)
    except UsageError:  # a recipe of the user's own
        return Pixels(image=image)
    inputs = [
        float(made.input_pixels(settings, *size))
        for width, height in counted
        for size in ([(width, height)] if recipe is None else recipe.sizes_for(width, height))
    ]
    return Pixels(image=image, input=sum(inputs) / len(counted) if inputs else None)


def same_pixels(one: float, other: float) -> bool:
    """Return whether two means are the same within the tolerance.

    >>> same_pixels(100.0, 104.0), same_pixels(100.0, 110.0)
    (True, False)
    """
    return abs(one - other) <= TOLERANCE * max(one, other)
