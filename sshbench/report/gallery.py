"""Images with boxes: what was right, missed and false at the operating threshold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import Fates
from sshbench.records import BoolArray, DetectionSet, FloatArray, Image

_WIDTH = 800
_RIGHT, _MISSED, _FALSE = (158, 196, 0), (0, 176, 255), (204, 80, 230)  # BGR: green, amber, magenta


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the grid.

    Attributes:
        key: Image key.
        right: Number of right detections.
        missed: Number of missed faces.
        false: Number of false detections.
        data_uri: JPEG with boxes, as a data URI.
    """

    key: str
    right: int
    missed: int
    false: int
    data_uri: str


def gallery(dataset: Dataset, detections: DetectionSet, found: Fates, count: int) -> list[Picture]:
    """Pictures of images that are there, chosen by rule.

    In turn: the image with the most missed faces, the one with the most false detections, the one with the most right
    ones; each image once, ties by the dataset's order.

    Args:
        dataset: The images and faces that were evaluated.
        detections: As evaluated.
        found: Outcomes at the operating threshold.
        count: How many pictures at most.
    """
    pictures: list[Picture] = []
    for index in _choose(dataset, detections, found, count):
        record = dataset.image(index)
        if record.path is None:
            continue
        try:
            image = record.read()
        except SshbenchError:
            continue  # the run's warnings name it
        rows = slice(detections.offsets[index], detections.offsets[index + 1])
        faces = slice(dataset.faces.offsets[index], dataset.faces.offsets[index + 1])
        right, false, missed = found.right[rows], found.false[rows], found.missed[faces]
        boxes = detections.boxes[rows]
        drawn = _draw(image, boxes[right], dataset.faces.boxes[faces][missed], boxes[false])
        pictures.append(Picture(record.key, int(right.sum()), int(missed.sum()), int(false.sum()), _data_uri(drawn)))
    return pictures


def _choose(dataset: Dataset, detections: DetectionSet, found: Fates, count: int) -> list[int]:
    present = dataset.images_present()
    totals = [
        _per_image(flags, offsets)
        for flags, offsets in (
            (found.missed, dataset.faces.offsets),
            (found.false, detections.offsets),
            (found.right, detections.offsets),
        )
    ]
    rankings = [sorted(present, key=lambda i, total=total: (-total[i], i)) for total in totals]  # type: ignore[misc]
    chosen: list[int] = []
    for turn in range(len(present)):
        for ranking in rankings:
            if len(chosen) < count and ranking[turn] not in chosen:
                chosen.append(ranking[turn])
    return chosen


def _per_image(flags: BoolArray, offsets: Sequence[int] | np.ndarray) -> list[int]:
    running = np.concatenate(([0], np.cumsum(flags)))
    return [int(n) for n in np.diff(running[np.asarray(offsets)])]


def _draw(image: Image, right: FloatArray, missed: FloatArray, false: FloatArray) -> Image:
    scale = min(1.0, _WIDTH / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for boxes, colour, dashed in ((false, _FALSE, False), (missed, _MISSED, True), (right, _RIGHT, False)):
        # A box far outside the picture would overflow OpenCV's integers.
        for x1, y1, x2, y2 in np.nan_to_num(np.clip(boxes * scale, -10_000, 10_000)).round().astype(int).tolist():
            _box(canvas, (x1, y1), (x2, y2), colour, dashed)
    return np.asarray(canvas, dtype=np.uint8)


def _box(
    canvas: cv2.typing.MatLike, a: tuple[int, int], b: tuple[int, int], colour: tuple[int, int, int], dashed: bool
) -> None:
    # A dark line below keeps the colour visible on any ground, thin where it would cover a small face; dashes tell
    # missed from false without colour.
    small = min(b[0] - a[0], b[1] - a[1]) < 24
    width = 1 if small else 2
    if not small:
        cv2.rectangle(canvas, a, b, (30, 30, 30), 3)
    if not dashed:
        cv2.rectangle(canvas, a, b, colour, width)
        return
    dash = 2 if small else 4
    for start, end in (((a[0], a[1]), (b[0], a[1])), ((b[0], a[1]), b), (b, (a[0], b[1])), ((a[0], b[1]), a)):
        length = max(1, int(np.hypot(end[0] - start[0], end[1] - start[1])))
        for at in range(0, length, 2 * dash):
            points = [
                tuple(round(s + (e - s) * min(t, length) / length) for s, e in zip(start, end, strict=True))
                for t in (at, at + dash)
            ]
            cv2.line(canvas, points[0], points[1], colour, width)


def _data_uri(image: Image) -> str:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
