"""Image files on the command line: found, detected in, drawn on."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sshbench.boxes import xywh_of
from sshbench.detectors.contract import Detector, detect_timed
from sshbench.errors import InputError, MissingDataError, SshbenchError
from sshbench.files import write_atomic
from sshbench.images import IMAGE_SUFFIXES, read_image

_COLOUR = (0, 200, 0)  # BGR


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image and the name its results get."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Annotated:
    """What became of an image: faces drawn, or why it was skipped."""

    faces: int
    error: str = ""


def find_images(arguments: Sequence[str]) -> list[FoundImage]:
    """Images named by files, folders (with all below them) and patterns, each once, in order.

    Results of a file get its name, those of a folder its path below the folder, and a number where two would meet.

    Raises:
        MissingDataError: An argument names nothing.
    """
    paths: dict[Path, str] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
            for file in below:
                paths.setdefault(file, file.relative_to(path).as_posix())
        elif path.is_file():
            paths.setdefault(path, path.name)
        else:
            matches = sorted(Path(match) for match in glob.glob(argument, recursive=True))  # noqa: PTH207  # absolute too
            for match in matches:
                paths.setdefault(match, match.name)
            if not matches:
                raise MissingDataError(f"there is no image, folder or match for '{argument}'", remedy="Check the path")
    if not paths:
        raise MissingDataError("no image was found", remedy=f"Looked for {', '.join(IMAGE_SUFFIXES)}")
    taken: dict[str, int] = {}
    found = []
    for path, name in paths.items():
        stem = name.rpartition(".")[0] or name
        taken[stem] = taken.get(stem, 0) + 1
        found.append(FoundImage(path, stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"))
    return found


def annotate(detector: Detector, image: FoundImage, out: Path, threshold: float | None) -> Annotated:
    """Detect in one image; write `<name>.jpg` with boxes and `<name>.json`.

    An image that cannot be read or used is not an error: what is wrong is returned.
    """
    import cv2

    try:
        pixels = read_image(image.path)
        detections, stages = detect_timed(detector, pixels)
    except (InputError, SshbenchError) as error:
        return Annotated(0, str(error))
    height, width = pixels.shape[:2]
    least = detector.settings.score_threshold if threshold is None else threshold
    drawn = 0
    stroke = max(1, round(min(height, width) / 300))
    for box, score in zip(detections.boxes.tolist(), detections.scores.tolist(), strict=True):
        if score < least:
            continue
        drawn += 1
        first, last = (round(box[0]), round(box[1])), (round(box[2]), round(box[3]))
        cv2.rectangle(pixels, first, last, _COLOUR, stroke)
        above = (first[0], max(first[1] - 3 * stroke, 10 * stroke))
        cv2.putText(pixels, f"{score:.2f}", above, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * stroke, _COLOUR, stroke, cv2.LINE_AA)
    xywh = xywh_of(detections.boxes).tolist()
    content = {
        "image": str(image.path),
        "width": width,
        "height": height,
        "detector": detector.info.name,
        "settings": detector.settings.as_dict(),
        "weights_sha256": detector.weights_sha256,
        "seconds": stages,
        "detections": [
            {"bbox": box, "score": score} for box, score in zip(xywh, detections.scores.tolist(), strict=True)
        ],
    }
    write_atomic(out / f"{image.name}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_atomic(out / f"{image.name}.jpg", cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return Annotated(drawn)
