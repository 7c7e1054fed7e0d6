"""A picture to check a specification by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sshbench.detectors.annotate import draw
from sshbench.detectors.contract import Detector
from sshbench.detectors.one_image import detect
from sshbench.errors import SshbenchError
from sshbench.files import write_atomic
from sshbench.images import read_image

_TRIED = 5  # images of which the first one with a detection is drawn


def draw_check(detector: Detector, images: Iterable[Path], path: Path) -> Path | None:
    """Draw the detections in an image, so that a user sees whether the specification is right.

    Args:
        detector: The detector.
        images: Images; drawn is the first one with a detection of `info.draw_threshold` and more, of five at most.
        path: The picture.

    Returns:
        The picture; None where no image can be read, or the detector fails on it.
    """
    import cv2

    best = None
    for _, image in zip(range(_TRIED), images, strict=False):
        try:
            pixels = read_image(image)
            found = detect(detector, pixels)
        except SshbenchError:  # the run reports it
            continue
        drawn = draw(pixels, found, detector.info.draw_threshold)
        if best is None or drawn:
            best = pixels
        if drawn:
            break
    if best is None:
        return None
    return write_atomic(path, cv2.imencode(".jpg", best, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
