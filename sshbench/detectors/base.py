"""What a detector is, and the pieces that adapters share.

An adapter is a small class with four stages, so that each can be timed on its own: `load` (once), `preprocess`,
`forward`, `postprocess`. `detect` runs the last three.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from sshbench.boxes import nms
from sshbench.errors import InputError, UsageError
from sshbench.records import Detections, Finding, FloatArray, Image

if TYPE_CHECKING:
    from sshbench.datasets.base import Dataset

_T = TypeVar("_T")
_PAIR = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that changes a detector's output, apart from its weights.

    Attributes:
        resize: `original` (scale 1), or `MxN`: the shorter side becomes M unless the longer one would pass N.
        score_threshold: Detections below it are dropped.
        nms_iou: Detections over this IoU with a better one are suppressed; None for a detector without NMS of ours.
        top_k: Most detections an image; None for all.
        extra: What only this detector has, by name.

    Raises:
        UsageError: A value is not of its form or out of range.
    """

    resize: str = "original"
    score_threshold: float = 0.0
    nms_iou: float | None = None
    top_k: int | None = None
    extra: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.size_pair()
        if self.nms_iou is not None and not 0 <= self.nms_iou <= 1:
            raise UsageError(f"the NMS threshold is an IoU between 0 and 1, not {self.nms_iou}")
        if not np.isfinite(self.score_threshold):
            raise UsageError(f"the score threshold must be a number, not {self.score_threshold}")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k must be at least 1, not {self.top_k}")

    def size_pair(self) -> tuple[int, int] | None:
        """The pair (M, N) of `MxN` in pixels, None for `original`."""
        if self.resize == "original":
            return None
        match = _PAIR.fullmatch(self.resize)
        if match is None or int(match[1]) > int(match[2]):
            raise UsageError(
                f"'{self.resize}' is no input size", remedy="Use 'original', or MxN with M <= N, for example 800x1200"
            )
        return int(match[1]), int(match[2])

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "extra": dict(self.extra)}


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """What a user should know of a detector.

    Attributes:
        name: As it is called on the command line.
        title: For people.
        source: Paper or project.
        licence: Of code and weights.
        weights: Name of its weights file, None where a library carries them.
        training_data: What its weights were trained on, for people.
        trained_on: Benchmarks (dataset names of this package) whose training images are in it, so that results on
            them are `in domain`; empty for none of them, None where the training data are not published.
        defaults: Its published settings, with where they are from in `defaults_source`.
        defaults_source: Where the settings are published.
    """

    name: str
    title: str
    source: str
    licence: str
    weights: str | None
    training_data: str
    defaults: Settings
    defaults_source: str
    trained_on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """An image made ready for a network.

    Attributes:
        data: What `forward` takes: an array, or what a detector of several inputs makes of it.
        scale: Network pixels per original pixel.
    """

    data: Any
    scale: float


@runtime_checkable
class Detector(Protocol):
    """A face detector. The constructor takes `settings` and `weights` (a path or None) and does nothing heavy.

    A class method `input_pixels(settings, width, height)`, as `WeightsAdapter` has it, lets the leaderboard show
    latencies beside accuracies: it says how many pixels the network gets for an image.
    """

    info: DetectorInfo
    settings: Settings
    weights_sha256: str | None

    def load(self) -> None:
        """Read weights and build what `forward` needs; called once, before anything else."""

    def preprocess(self, image: Image) -> Prepared:
        """Turn an image, uint8 (height, width, 3) BGR, into the network's input."""

    def forward(self, prepared: Prepared) -> Any:
        """Run the network."""

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Turn outputs into detections in pixels of the original image."""


@runtime_checkable
class FollowsImages(Protocol):
    """A detector that must know which images it is given: stored detections have no other way.

    Attributes:
        findings: What reading its source found.
    """

    findings: list[Finding]

    def attach(self, dataset: Dataset) -> None:
        """Make ready for the images of a dataset; called once, before the first one."""

    def seek(self, key: str) -> None:
        """Say which image `detect` gets next."""


class WeightsAdapter:
    """What adapters with settings and a weights file share; its constructor does nothing heavy.

    Attributes:
        fixed_size: Width and height of the only input that the network takes; None where it follows the settings.
    """

    info: ClassVar[DetectorInfo]
    fixed_size: ClassVar[tuple[int, int] | None] = None

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        self.settings = settings or self.info.defaults
        self.weights_sha256: str | None = None
        self._weights = weights

    @classmethod
    def input_pixels(cls, settings: Settings, width: int, height: int) -> int:
        """Return how many pixels the network gets for an image of this width and height, padding not counted."""
        size = cls.fixed_size or resized_size(width, height, settings)[0]
        return size[0] * size[1]


def detect(detector: Detector, image: npt.NDArray[Any]) -> Detections:
    """Detect faces in one image.

    Args:
        detector: A loaded detector.
        image: uint8 (height, width, 3) BGR; grey and four-channel images are converted.

    Returns:
        Detections in pixels of the image, by falling score.

    Raises:
        UsageError: The array is no image.
    """
    return detect_timed(detector, image)[0]


def detect_timed(detector: Detector, image: npt.NDArray[Any]) -> tuple[Detections, dict[str, float]]:
    """As `detect`, with the seconds that each stage took, by stage name."""
    seconds: dict[str, float] = {}
    bgr = check_image(image)

    def timed(stage: str, work: Callable[[], _T]) -> _T:
        began = time.perf_counter_ns()
        result = work()
        seconds[stage] = (time.perf_counter_ns() - began) / 1e9
        return result

    prepared = timed("preprocess", lambda: detector.preprocess(bgr))
    outputs = timed("forward", lambda: detector.forward(prepared))
    detections = timed("postprocess", lambda: detector.postprocess(outputs, prepared))
    return detections, seconds


def check_image(image: npt.NDArray[Any]) -> Image:
    """Return the image as uint8 (height, width, 3) BGR.

    Raises:
        UsageError: It is empty, not uint8, or has another number of channels than 1, 3 or 4.
    """
    remedy = "Give uint8 of shape (height, width, 3), channels in B, G, R order, as cv2.imread does"
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise UsageError(f"an image is an array of uint8, not {getattr(image, 'dtype', type(image))}", remedy=remedy)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or image.size == 0:
        raise UsageError(f"an array of shape {image.shape} is no image", remedy=remedy)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def read_image(path: Path) -> Image:
    """Read an image file as uint8 (height, width, 3) BGR.

    The orientation that a camera noted is **not** applied: the benchmarks' boxes are in stored pixels.

    Raises:
        InputError: The file cannot be read or is no image.
    """
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path, remedy="Check the path") from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags) if content else None
    except cv2.error as error:
        raise InputError(f"cannot be decoded ({error.msg})", file=path, remedy="Get the file again") from error
    if image is None:
        raise InputError("is no image that OpenCV can decode", file=path, remedy="Get the file again")
    return np.asarray(image, dtype=np.uint8)


def resize_image(image: Image, settings: Settings) -> tuple[Image, float]:
    """Resize by the settings' policy, bilinear; return the image and its scale (new pixels per old one).

    Source: `m x M` of the SSH release, SSH/test.py.
    """
    size, scale = resized_size(image.shape[1], image.shape[0], settings)
    if scale == 1.0:
        return image, 1.0
    import cv2

    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8), scale


def resized_size(width: int, height: int, settings: Settings) -> tuple[tuple[int, int], float]:
    """Return width and height after `resize_image`, and the scale (new pixels per old one).

    >>> resized_size(640, 480, Settings(resize="600x1000"))
    ((800, 600), 1.25)
    """
    pair = settings.size_pair()
    if pair is None:
        return (width, height), 1.0
    short, long = sorted((width, height))
    scale = pair[0] / short
    if round(scale * long) > pair[1]:
        scale = pair[1] / long
    # A side of a very long and thin image must not vanish.
    return (max(1, round(width * scale)), max(1, round(height * scale))), scale


def fixed_input(image: Image, width: int, height: int, settings: Settings) -> Image:
    """Squash an image to the only size a network takes, bilinear.

    Raises:
        UsageError: The settings ask for another size.
    """
    if settings.resize != "original":
        raise UsageError(f"this network takes {width} x {height} pixels only: --resize does not go with it")
    import cv2

    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def select(boxes: FloatArray, scores: FloatArray, settings: Settings) -> Detections:
    """Apply score threshold, NMS and top_k to boxes; the result is by falling score.

    Args:
        boxes: float64 (n, 4) corners in pixels of the original image.
        scores: float64 (n,).
        settings: Gives the three limits.
    """
    above = np.flatnonzero(scores >= settings.score_threshold)
    boxes, scores = boxes[above], scores[above]
    kept = np.argsort(-scores, kind="stable") if settings.nms_iou is None else nms(boxes, scores, settings.nms_iou)
    kept = kept[: settings.top_k]
    return Detections(boxes[kept], scores[kept])
