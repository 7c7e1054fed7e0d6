"""Detect faces in image files and draw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.boxes import xywh_of
from sshbench.detectors.contract import Detector, detect_timed
from sshbench.errors import SshbenchError
from sshbench.files import write_atomic
from sshbench.images import FoundImage, read_image
from sshbench.models import FileModel, StrictModel

_COLOUR = (0, 200, 0)  # BGR


@dataclass(frozen=True, slots=True)
class Annotated:
    """What became of an image: number of faces drawn, or why it was skipped."""

    faces: int
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


def annotate(detector: Detector, image: FoundImage, out: Path, threshold: float | None) -> Annotated:
    """Detect in one image; write `<name>.jpg` with boxes and `<name>.json`.

    An image that cannot be read or used is not an error: what is wrong is returned.
    """
    import cv2

    try:
        pixels = read_image(image.path)
        detections, stages = detect_timed(detector, pixels)
    except SshbenchError as error:
        return Annotated(0, str(error))
    height, width = pixels.shape[:2]
    min_score = detector.settings.score_threshold if threshold is None else threshold
    drawn = 0
    stroke = max(1, round(min(height, width) / 300))
    for box, score in zip(detections.boxes.tolist(), detections.scores.tolist(), strict=True):
        if score < min_score:
            continue
        drawn += 1
        first, last = (round(box[0]), round(box[1])), (round(box[2]), round(box[3]))
        cv2.rectangle(pixels, first, last, _COLOUR, stroke)
        above = (first[0], max(first[1] - 3 * stroke, 10 * stroke))
        cv2.putText(pixels, f"{score:.2f}", above, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * stroke, _COLOUR, stroke, cv2.LINE_AA)
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
    ).write(out / f"{image.name}.json")
    write_atomic(out / f"{image.name}.jpg", cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return Annotated(drawn)
