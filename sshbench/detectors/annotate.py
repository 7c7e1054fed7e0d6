"""Detect faces in image files and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.boxes import xywh_of
from sshbench.detectors.contract import Detector, detect_timed
from sshbench.detectors.guard import contained
from sshbench.errors import SshbenchError, UsageError
from sshbench.files import write_atomic
from sshbench.images import FoundImage, read_image
from sshbench.models import FileModel, StrictModel
from sshbench.records import Detections, Image

_COLOUR = (0, 200, 0)  # BGR


@dataclass(frozen=True, slots=True)
class Annotated:
    """What became of an image: number of faces drawn and found, or why it was skipped."""

    drawn: int
    found: int = 0
    error: str = ""


class FoundFace(StrictModel):
    """One detection: x, y, w, h in pixels of the image, and the score."""

    bbox: tuple[float, float, float, float]
    score: float


class ImageDetections(FileModel):
    """The JSON file of an image, by `sshbench detect`.

    Attributes:
        image: Path of the image.
        width: Pixels.
        height: Pixels.
        detector: Name.
        settings: The settings in effect.
        weights_sha256: Hash of the weights file, None where there is none.
        seconds: By stage.
        detections: By falling score.
    """

    image: str
    width: int
    height: int
    detector: str
    settings: dict[str, object]
    weights_sha256: str | None
    seconds: dict[str, float]
    detections: tuple[FoundFace, ...]


def check_outputs(images: Sequence[FoundImage], out: Path, *, overwrite: bool = False) -> None:
    """Check, before anything is written, that no output replaces a file that `sshbench detect` did not write.

    Args:
        images: The images to annotate.
        out: Folder for their outputs.
        overwrite: Allow existing files to be replaced, but never the images themselves.

    Raises:
        UsageError: An output would replace an input, or another file.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", remedy="Name a folder with --out")
    inputs = {image.path.resolve() for image in images}
    for image in images:
        drawing, record = _outputs(image, out)
        for path in (drawing, record):
            if path.resolve() in inputs:
                raise UsageError(f"{path} is one of the images and would be replaced", remedy="Name another --out")
        existing = [path for path in (drawing, record) if path.exists()]
        if existing and not overwrite and not _is_ours(record):
            raise UsageError(
                f"{existing[0]} exists and was not written by `sshbench detect`",
                remedy="Name another folder with --out, or replace such files with --overwrite",
            )


def _outputs(image: FoundImage, out: Path) -> tuple[Path, Path]:
    return out / f"{image.name}.jpg", out / f"{image.name}.json"


def _is_ours(record: Path) -> bool:
    """Return whether a JSON file was written by `sshbench detect`; the picture beside it then was, too."""
    try:
        ImageDetections.read(record, remedy="")
    except SshbenchError:
        return False
    return True


def annotate(detector: Detector, image: FoundImage, out: Path, threshold: float | None) -> Annotated:
    """Detect in one image; write `<name>.jpg` with boxes and `<name>.json`.

    The EXIF orientation of photographs is applied. An image that cannot be read, or on which the detector fails, is not
    an error: the reason is returned.

    Args:
        detector: A loaded detector.
        image: The image and the name of its outputs.
        out: Folder for the outputs.
        threshold: Minimum score of the boxes that are drawn; None draws all.

    Raises:
        UsageError: The detector cannot work with its settings.
    """
    import cv2

    name = detector.info.name
    try:
        pixels = read_image(image.path, upright=True)
    except SshbenchError as error:
        return Annotated(0, error=str(error))
    try:
        with contained(name, "the detection"):
            detections, stages = detect_timed(detector, pixels)
    except UsageError:
        raise
    except SshbenchError as error:
        return Annotated(0, error=f"{image.path}: {error}")
    height, width = pixels.shape[:2]
    drawn = draw(pixels, detections, threshold)
    drawing, record = _outputs(image, out)
    ImageDetections(
        image=str(image.path),
        width=width,
        height=height,
        detector=detector.info.name,
        settings=detector.settings.as_dict(),
        weights_sha256=detector.weights_sha256,
        seconds=dict(stages),
        detections=tuple(
            FoundFace(bbox=tuple(box), score=score)
            for box, score in zip(xywh_of(detections.boxes).tolist(), detections.scores.tolist(), strict=True)
        ),
    ).write(record)
    write_atomic(drawing, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return Annotated(drawn, len(detections))


def draw(pixels: Image, detections: Detections, threshold: float | None) -> int:
    """Draw boxes with their scores into an image, and return how many.

    Args:
        pixels: uint8 (height, width, 3) BGR; it is changed.
        detections: The boxes.
        threshold: Minimum score of the boxes that are drawn; None draws all.
    """
    import cv2

    height, width = pixels.shape[:2]
    drawn = 0
    limit = 16 * max(height, width)  # OpenCV draws nothing, or fails, far outside of the image
    corners = np.clip(detections.boxes, -limit, limit).tolist()
    stroke = max(1, round(min(height, width) / 300))
    for box, score in zip(corners, detections.scores.tolist(), strict=True):
        if threshold is not None and score < threshold:
            continue
        drawn += 1
        first, last = (round(box[0]), round(box[1])), (round(box[2]), round(box[3]))
        cv2.rectangle(pixels, first, last, _COLOUR, stroke)
        above = (first[0], max(first[1] - 3 * stroke, 10 * stroke))
        cv2.putText(pixels, f"{score:.2f}", above, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * stroke, _COLOUR, stroke, cv2.LINE_AA)
    return drawn
