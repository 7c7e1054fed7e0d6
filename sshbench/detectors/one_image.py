"""Detect faces in one image, with whatever sshbench makes a detector of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.detectors.contract import detect as detect_with
from sshbench.detectors.function import DetectorLike
from sshbench.detectors.registry import load_detector
from sshbench.records import Detections


def detect(detector: DetectorLike, image: npt.NDArray[np.generic]) -> Detections:
    """Detect faces in one image.

    Args:
        detector: A loaded detector; or a name, another spelling, a class or a function, as for `load_detector`. These
            are loaded for this image alone: for several images, load the detector once.
        image: uint8 (height, width, 3) BGR; images with one or four channels are converted.

    Returns:
        Detections in pixels of the image, sorted by falling score.

    Raises:
        UsageError: The array is not an image, or there is no such detector.
        DetectorError: The detector returned something other than detections with finite boxes and scores.

    >>> import sshbench
    >>> image = np.zeros((48, 64, 3), dtype=np.uint8)
    >>> sshbench.detect(lambda image: ([[1, 2, 30, 40]], [0.5]), image).boxes.tolist()
    [[1.0, 2.0, 30.0, 40.0]]
    """
    return detect_with(load_detector(detector), image)
