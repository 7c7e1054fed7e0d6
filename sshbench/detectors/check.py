"""Try a detector on images that tell its mistakes: what `sshbench detectors check` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.detectors.contract import Detector, FollowsImages, SettingValue, detect
from sshbench.detectors.function import DetectorLike
from sshbench.detectors.guard import contained, time_limit
from sshbench.detectors.registry import load_detector
from sshbench.errors import SshbenchError, UsageError
from sshbench.files import sample_dir
from sshbench.flat import counted
from sshbench.images import read_image
from sshbench.records import Detections, Image

_SECONDS = 60.0  # per image


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """One thing that was tried.

    Attributes:
        what: What was tried.
        ok: Whether it worked.
        message: What is wrong, or what came out.
        details: Traceback; empty if there is none.
    """

    what: str
    ok: bool
    message: str
    details: str = ""


def check_detector(
    detector: DetectorLike,
    *,
    weights: str | Path | None = None,
    tta: str | Path | None = None,
    spec: str | Path | None = None,
    **settings: SettingValue | None,
) -> list[CheckedPart]:
    """Load a detector and try it on images of unusual sizes and contents.

    Args:
        detector: As for `load_detector`.
        weights: As for `load_detector`.
        tta: As for `load_detector`.
        spec: As for `load_detector`.
        **settings: As for `load_detector`.

    Returns:
        One item for the loading, one per image, and one for whether the same image gives the same boxes twice.

    Raises:
        UsageError: It replays detections of a dataset, so that it has none for other images.

    >>> [item.ok for item in check_detector(lambda image: ([], []))]
    [True, True, True, True, True, True, True, True]
    """
    try:
        loaded = load_detector(detector, weights=weights, tta=tta, spec=spec, **settings)
    except SshbenchError as error:
        return [CheckedPart("loading", False, str(error), error.details)]
    if isinstance(loaded, FollowsImages):
        raise UsageError(f"'{loaded.info.name}' has detections of a dataset's images alone", remedy="Evaluate it")
    items = [CheckedPart("loading", True, f"'{loaded.info.name}'")]
    for what, image in _images():
        items.append(_tried(loaded, what, image)[0])
    (tried, first), (_, again) = (_tried(loaded, "the same image twice", _sample()) for _ in range(2))
    same = (
        first is not None
        and again is not None
        and np.array_equal(first.boxes, again.boxes)
        and np.array_equal(first.scores, again.scores)
    )
    message = "the same detections" if same else "other detections the second time: a run cannot be repeated"
    items.append(CheckedPart("the same image twice", same, tried.message if first is None else message))
    return items


def _tried(detector: Detector, what: str, image: Image) -> tuple[CheckedPart, Detections | None]:
    name = detector.info.name
    try:
        with time_limit(name, _SECONDS), contained(name, "the detection"):
            found = detect(detector, image.copy())
    except SshbenchError as error:
        return CheckedPart(what, False, str(error), error.details), None
    return CheckedPart(what, True, counted(len(found), "detection")), found


def _images() -> Iterator[tuple[str, Image]]:
    yield "a photograph", _sample()
    yield "a black image, 640 x 480", np.zeros((480, 640, 3), dtype=np.uint8)
    yield "a grey image, 641 x 479", np.full((479, 641, 3), 127, dtype=np.uint8)
    yield "one pixel", np.full((1, 1, 3), 127, dtype=np.uint8)
    yield "a tall image, 20 x 900", np.full((900, 20, 3), 200, dtype=np.uint8)
    yield "a wide image of noise, 900 x 20", np.random.default_rng(0).integers(0, 256, (20, 900, 3), dtype=np.uint8)


def _sample() -> Image:
    return read_image(sorted((sample_dir() / "WIDER_val" / "images" / "1--Group").iterdir())[0])
