"""The pixels that an accuracy or a latency is said to be of are those that the network really gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sshbench.detectors.adapter import resize_image, resized_size
from sshbench.detectors.contract import Settings
from sshbench.detectors.pixels import Pixels, mean_pixels
from sshbench.detectors.registry import detector_class
from sshbench.timing.job import Job, run

ULTRAFACE = ("ultraface-rfb-320", "ultraface-rfb-640")
ADAPTERS = (
    "s3fd",
    "s3fd-mobilenetv2",
    "ssd-res10",
    "ssh",
    "ssh-pyramid",
    "ssh-tiny",
    *ULTRAFACE,
    "yoloface-500k",
    "yunet",
)


def pixels_of_input(data: Any) -> int:
    """Height times width of all arrays (1, 3, height, width) of a prepared input."""
    if isinstance(data, np.ndarray):
        return int(data.shape[2] * data.shape[3])
    levels = data if isinstance(data, list) else [data]
    return sum(int(array.shape[2] * array.shape[3]) for array, _ in levels)


@pytest.mark.parametrize("detector", ADAPTERS)
def test_input_pixels_are_what_preprocessing_makes(detector: str) -> None:
    made: Any = detector_class(detector)
    fixed = made.info.fixed_size is not None or detector == "ssh-pyramid"
    settings = made.info.defaults if fixed else Settings(resize="480x640", extra=made.info.defaults.extra)
    image = np.zeros((960, 1280, 3), dtype=np.uint8)  # resized to 480 x 640, whole cells of YuNet
    prepared = made(settings=settings).preprocess(image)
    assert made.input_pixels(settings, 1280, 960) == pixels_of_input(prepared.data)


@pytest.mark.parametrize("resize", ["original", "100x120", "300x900", "1x7"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 97), (500, 3)])
def test_the_computed_size_is_the_resized_images(resize: str, width: int, height: int) -> None:
    settings = Settings(resize=resize)
    resized, scale = resize_image(np.zeros((height, width, 3), dtype=np.uint8), settings)
    assert resized_size(width, height, settings) == ((resized.shape[1], resized.shape[0]), scale)


def test_what_is_not_known_is_said() -> None:
    assert mean_pixels("haar", Settings(), None) == Pixels()
    assert mean_pixels("nobody-s-detector", Settings(), [(10, 10)]) == Pixels(image=100.0)


@pytest.mark.parametrize(
    ("image_size", "image", "network"), [("", 2 * 48_000.0, 19_200.0), ("64x48", 3072.0, 19_200.0)]
)
def test_a_timing_keeps_the_pixels_of_its_images(tmp_path: Path, image_size: str, image: float, network: float) -> None:
    for name, shape in (("a", (120, 160)), ("b", (360, 480))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((*shape, 3), dtype=np.uint8))
    asked = {"min_time": 0.0, "min_count": 4, "images": str(tmp_path), "image_size": image_size}
    record = run(Job.model_validate({"detector": "haar", "sizes": ("120x160",), **asked}))
    assert record.format == 5
    assert record.sizes[0].pixels == Pixels(image=image, input=network)
