"""Batches: what a detector may offer beyond the contract, so that several images share one pass of its network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sshbench.detectors.contract import Detector, Prepared, check_places, checked_detections, detect_timed
from sshbench.errors import DetectorError, UsageError
from sshbench.images import check_image
from sshbench.records import Detections


@runtime_checkable
class WorksInBatches(Protocol):
    """A detector whose network takes several images at once; optional.

    The detections must be those of single images, to the bit or in all but the last digits.
    """

    def forward_batch(self, prepared: Sequence[Prepared[Any]]) -> Sequence[Any]:
        """Run the network once for inputs of one size; return for each input what `forward` returns."""


def check_batch(detector: object, name: str, batch: int) -> None:
    """Check that a detector can work in batches of a size.

    Args:
        detector: The detector.
        name: Its name.
        batch: Images per batch.

    Raises:
        UsageError: The size is below 1, or above 1 for a detector without `forward_batch`.
    """
    if batch < 1:
        raise UsageError(f"--batch must be at least 1, not {batch}")
    if batch > 1 and not isinstance(detector, WorksInBatches):
        raise UsageError(f"detector '{name}' cannot work in batches", remedy="Use --batch 1")


def detect_batch(detector: Detector, images: Sequence[npt.NDArray[np.generic]]) -> list[Detections]:
    """Detect faces in several images of one size with one pass of the network.

    Args:
        detector: A loaded detector with `forward_batch`.
        images: As for `detect`, all of one height and width.

    Returns:
        Detections per image, in pixels of the image, sorted by falling score.

    Raises:
        UsageError: An array is not an image, or the detector cannot work in batches.
        DetectorError: The detector returned something other than detections with finite boxes and scores.

    >>> from sshbench import load_detector
    >>> images = [np.full((64, 96, 3), level, dtype=np.uint8) for level in (0, 128)]
    >>> [len(found) for found in detect_batch(load_detector("ssh-tiny"), images)]
    [0, 0]
    """
    return [found for found, _ in detect_batch_timed(detector, images)]


def detect_batch_timed(
    detector: Detector, images: Sequence[npt.NDArray[np.generic]]
) -> list[tuple[Detections, dict[str, float]]]:
    """Detect as `detect_batch`; return per image the detections and the seconds of each stage, by its name.

    The seconds of `forward` are those of the batch divided by the number of images.

    Raises:
        UsageError: As `detect_batch`.
        DetectorError: As `detect_batch`.
    """
    name = detector.info.name
    check_batch(detector, name, len(images))
    if len(images) < 2 or not isinstance(detector, WorksInBatches):
        return [detect_timed(detector, image) for image in images]
    marks = [time.perf_counter()]
    prepared = []
    checked = [check_image(image) for image in images]
    for image in checked:
        prepared.append(detector.preprocess(image))
        marks.append(time.perf_counter())
    outputs = detector.forward_batch(prepared)
    forward = (time.perf_counter() - marks[-1]) / len(images)
    if len(outputs) != len(images):
        raise DetectorError(f"detector '{name}' returned {len(outputs)} outputs for a batch of {len(images)}")
    results = []
    for i, (output, one) in enumerate(zip(outputs, prepared, strict=True)):
        began = time.perf_counter()
        found = detector.postprocess(output, one)
        ended = time.perf_counter()
        stages = {"preprocess": marks[i + 1] - marks[i], "forward": forward, "postprocess": ended - began}
        usable = checked_detections(found, name)
        check_places(usable, detector, checked[i])
        results.append((usable, stages))
    return results
