"""A Python function as a detector."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from sshbench.detectors.adapter import resize_image, resized_size, select
from sshbench.detectors.contract import Detector, DetectorClass, DetectorInfo, Prepared, Settings, SettingValue
from sshbench.errors import DetectorError, UsageError
from sshbench.records import Detections, FloatArray, Image

BoxFunction = Callable[[Image], tuple[npt.ArrayLike, npt.ArrayLike]]
"""From an image, uint8 (height, width, 3), to boxes (n, 4) and scores (n,)."""
DetectorLike = str | Detector | DetectorClass | BoxFunction
"""What `load_detector` makes a detector of: a name or another spelling, a loaded detector, a class, a function."""


class FunctionDetector:
    """A detector made of one function.

    Args:
        function: Takes an image, uint8 (height, width, 3), and returns boxes and scores. Boxes: numbers (n, 4), corners
            x1, y1, x2, y2 in pixels of this image, with x2 = x1 + w and y2 = y1 + h. Scores: numbers (n,), higher is
            more certain. Both may be empty.
        name: Name in results; default: the function's.
        channel_order: Order of the channels that the function expects: `RGB`, or `BGR` as OpenCV reads images.
        extra: The function's own parameters, by name. They become part of the identity of a run, so that a run with
            other values is another run; the function does not receive them.
        trained_on: Benchmarks whose training images the model saw; empty: none of them; None: unknown.
        weights_sha256: Hash of the model's weights, part of the identity of a run.

    Attributes:
        function: The function.

    The function gets images at their original size, and its detections are taken as they are: none is dropped or
    suppressed.

    Raises:
        UsageError: The channel order is unknown.

    >>> import numpy as np
    >>> from sshbench.detectors import FunctionDetector, detect
    >>> def whole_image(image):
    ...     height, width, _ = image.shape
    ...     return [[0, 0, width, height]], [image[..., 0].mean() / 255]  # as certain as the image is red
    >>> detector = FunctionDetector(whole_image, channel_order="RGB")
    >>> blue_green_red = np.zeros((48, 64, 3), dtype=np.uint8) + np.array([0, 0, 255], dtype=np.uint8)
    >>> found = detect(detector, blue_green_red)
    >>> found.boxes.tolist(), found.scores.tolist()
    ([[0.0, 0.0, 64.0, 48.0]], [1.0])
    """

    def __init__(
        self,
        function: BoxFunction,
        *,
        name: str = "",
        channel_order: Literal["RGB", "BGR"] = "RGB",
        extra: Mapping[str, SettingValue] | None = None,
        trained_on: tuple[str, ...] | None = None,
        weights_sha256: str | None = None,
    ) -> None:
        if channel_order not in ("RGB", "BGR"):
            raise UsageError(f"unknown channel order '{channel_order}'", remedy="Use RGB or BGR")
        self.function = function
        own = {"channel_order": channel_order, **(extra or {})}
        self.settings = Settings(score_threshold=-sys.float_info.max, extra=own)  # no score is too low
        name = name or getattr(function, "__name__", type(function).__name__).strip("<>")
        self.info = DetectorInfo(
            name=name,
            title=name,
            source="a function of the user",
            defaults=self.settings,
            defaults_source="the user",
            trained_on=trained_on,
        )
        self.weights_sha256 = weights_sha256

    def load(self) -> None:
        """Do nothing: the function is ready."""

    @staticmethod
    def input_pixels(settings: Settings, width: int, height: int) -> int:
        """Return how many pixels the function gets for an image of this width and height."""
        return math.prod(resized_size(width, height, settings)[0])

    def preprocess(self, image: Image) -> Prepared[Image]:
        """Bring the channels into the order that the function expects; a copy, which the function may change."""
        resized, scale = resize_image(image, self.settings)
        swap = self.settings.extra["channel_order"] == "RGB"
        return Prepared(np.ascontiguousarray(resized[:, :, ::-1]) if swap else resized.copy(), scale)

    def forward(self, prepared: Prepared[Image]) -> object:
        """Call the function."""
        return self.function(prepared.data)

    def postprocess(self, outputs: object, prepared: Prepared[Image]) -> Detections:
        """Check what the function returned, and sort it by falling score.

        Raises:
            DetectorError: It is not a pair of boxes (n, 4) and scores (n,) of finite numbers.
        """
        boxes, scores = self._checked(outputs)
        return select(boxes / prepared.scale, scores, self.settings)

    def _checked(self, outputs: object) -> tuple[FloatArray, FloatArray]:
        if not isinstance(outputs, (tuple, list)) or len(outputs) != 2:
            raise self._error(f"a pair of boxes and scores, not {type(outputs).__name__}")
        boxes, scores = self._numbers("boxes", outputs[0]), self._numbers("scores", outputs[1])
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        scores = scores.reshape(0) if scores.size == 0 else scores
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise self._error(f"boxes of shape (n, 4), not {boxes.shape}")
        if scores.shape != (len(boxes),):
            raise self._error(f"one score per box: {len(boxes)} boxes, but scores of shape {scores.shape}")
        inverted = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
        if inverted.size:
            raise self._error(
                f"corners x1 y1 x2 y2 with x2 >= x1 and y2 >= y1, not {boxes[inverted[0]].tolist()}; for x y w h, "
                "add x to w and y to h"
            )
        return boxes, scores

    def _numbers(self, what: str, values: object) -> FloatArray:
        try:
            numbers = np.asarray(cast("npt.ArrayLike", values), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._error(f"{what} as an array of numbers ({error})") from error
        if not np.isfinite(numbers).all():
            raise self._error(f"finite {what}, not {numbers[~np.isfinite(numbers)][0]}")
        return numbers

    def _error(self, expected: str) -> DetectorError:
        return DetectorError(f"the function of detector '{self.info.name}' must return {expected}")
