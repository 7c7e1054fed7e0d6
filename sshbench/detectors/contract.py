"""The contract that every detector follows.

A detector works in four stages, each timed on its own: `load` (once), `preprocess`, `forward`, `postprocess`.
`detect` runs the last three on one image.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from typing_extensions import TypeVar

from sshbench.detectors.built_in import BUILT_IN
from sshbench.detectors.sizes import canonical_resize, parse_resize
from sshbench.display import short_repr
from sshbench.errors import DetectorError, UsageError
from sshbench.images import check_image
from sshbench.records import Detections, Finding, Image

if TYPE_CHECKING:
    from sshbench.datasets.base import Dataset

SettingValue = float | int | str
"""The value of a setting that only one detector has."""

Data = TypeVar("Data", default=Any)
"""What `preprocess` makes and `forward` takes."""
Outputs = TypeVar("Outputs", default=Any)
"""What `forward` makes and `postprocess` takes."""
_Result = TypeVar("_Result")

PROBABILITY: Mapping[str, tuple[float, float]] = {"score_threshold": (0.0, 1.0)}
"""`DetectorInfo.ranges` of a detector whose scores are probabilities."""

MAX_DETECTIONS = 1_000_000
"""Most detections of one image that are accepted; more come from a missing threshold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that changes a detector's output, apart from its weights.

    Attributes:
        resize: Input size: `original`, `short=M,long=N` or `MxN` (shorter side M, longer side at most N), or
            `fit=WxH` (as large as width W and height H allow). Stored in one canonical form, `MxN` for the second.
        score_threshold: Detections with a lower score are dropped.
        nms_iou: Detections whose IoU with a better one exceeds this are suppressed; None: no NMS of this package.
        top_k: Maximum number of detections per image; None: no limit.
        extra: Settings that only this detector has, by name.

    Raises:
        UsageError: A value is malformed or out of range.

    >>> Settings(resize="short=480,long=640").resize
    '480x640'
    """

    resize: str = "original"
    score_threshold: float = 0.0
    nms_iou: float | None = None
    top_k: int | None = None
    extra: Mapping[str, SettingValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", canonical_resize(self.resize))
        if self.nms_iou is not None and not 0 <= self.nms_iou <= 1:
            raise UsageError(f"nms_iou must be between 0 and 1, not {self.nms_iou}")
        if not math.isfinite(self.score_threshold):
            raise UsageError(f"score_threshold must be a finite number, not {self.score_threshold}")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k must be at least 1, not {self.top_k}")

    def scale(self, height: int, width: int) -> float:
        """Return the network's pixels per original pixel for an image of this height and width.

        >>> Settings(resize="600x1000").scale(300, 400), Settings().scale(300, 400)
        (2.0, 1.0)
        """
        size = parse_resize(self.resize)
        return 1.0 if size is None else size.scale(height, width)

    def as_dict(self) -> dict[str, object]:
        """Return all settings as a dictionary that JSON can hold."""
        return {**asdict(self), "extra": dict(self.extra)}


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """What a user should know of a detector.

    Attributes:
        name: Name on the command line.
        title: Name for readers.
        source: Paper or project.
        licence: Licence of code and weights.
        weights: File name of its weights in the weights registry; None: the package or a library carries them.
        training_data: What its weights were trained on, for readers.
        defaults: Its published settings. The type of each value in `defaults.extra` is the type that users must give.
        defaults_source: Where the settings are published.
        trained_on: Benchmarks (dataset names of this package) whose training images were used, so that results on
            them are `in domain`; empty: none of them; None: the training data are not published.
        ranges: Smallest and largest value of numbers in `defaults.extra`, and of `score_threshold`, by name.
        fixed_size: Width and height, if the network accepts one input size only; `resize` must be `original` then.
        draw_threshold: Minimum score of the boxes that `sshbench detect` draws: the published operating point, else
            half of the range of a probability; None draws all, for scores that are not probabilities.
        timing_only: Why its detections mean nothing, so that it can be timed and not evaluated; empty for detectors.

    >>> info = DetectorInfo(name="mine", trained_on=("wider",), defaults=Settings(resize="fit=640x480"))
    >>> info.name, info.defaults.resize, info.fixed_size
    ('mine', 'fit=640x480', None)
    """

    __repr__ = short_repr

    name: str
    title: str = ""
    source: str = ""
    licence: str = "not stated"
    weights: str | None = None
    training_data: str = "not stated"
    defaults: Settings = field(default_factory=Settings)
    defaults_source: str = "not stated"
    trained_on: tuple[str, ...] | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed_size: tuple[int, int] | None = None
    draw_threshold: float | None = 0.5
    timing_only: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared(Generic[Data]):
    """An image made ready for a network.

    Attributes:
        data: The input of `forward`.
        scale: Network pixels per original pixel.
    """

    __repr__ = short_repr

    data: Data
    scale: float


@runtime_checkable
class Detector(Protocol[Data, Outputs]):
    """A face detector.

    The registry calls the class with the keyword arguments `settings` (`Settings` or None) and `weights` (a path or
    None); this must be quick, and `load` does the heavy work.

    Attributes:
        info: What a user should know of it.
        settings: The settings in effect.
        weights_sha256: Hash of its weights file, part of the identity of a run; None if it has no such file.

    >>> class WholeImage:
    ...     info = DetectorInfo(name="whole-image")
    ...     weights_sha256 = None
    ...     def __init__(self, *, settings=None, weights=None):
    ...         self.settings = settings or self.info.defaults
    ...     def load(self):
    ...         pass
    ...     def preprocess(self, image):
    ...         return Prepared(image, scale=1.0)
    ...     def forward(self, prepared):
    ...         height, width = prepared.data.shape[:2]
    ...         return [[0, 0, width, height]], [1.0]
    ...     def postprocess(self, outputs, prepared):
    ...         return Detections(*outputs)
    >>> isinstance(WholeImage(), Detector)
    True
    >>> detect(WholeImage(), np.zeros((48, 64, 3), dtype=np.uint8)).boxes.tolist()
    [[0.0, 0.0, 64.0, 48.0]]
    """

    info: DetectorInfo
    settings: Settings
    weights_sha256: str | None

    def load(self) -> None:
        """Read the weights and build what `forward` needs; called once, before anything else."""

    def preprocess(self, image: Image) -> Prepared[Data]:
        """Turn an image, uint8 (height, width, 3) BGR, into the network's input."""

    def forward(self, prepared: Prepared[Data]) -> Outputs:
        """Run the network."""

    def postprocess(self, outputs: Outputs, prepared: Prepared[Data]) -> Detections:
        """Turn the network's outputs into detections in pixels of the original image."""


class DetectorClass(Protocol):
    """A class, or another callable, that makes detectors; this is what the registry holds."""

    @property
    def info(self) -> DetectorInfo:
        """What a user should know of the detectors that it makes."""

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> Detector:
        """Make a detector; `load` is called afterwards."""


@runtime_checkable
class ExplainsItself(Protocol):
    """A detector whose result must say more of it, such as one whose way of use was guessed."""

    @property
    def findings(self) -> list[Finding]:
        """What a result must say."""

    def explain(self, folder: Path, images: Iterable[Path]) -> None:
        """Write what a user should look at into the folder of a run; files that are there stay as they are.

        Args:
            folder: The folder.
            images: The images of the run.
        """


@runtime_checkable
class FollowsImages(Protocol):
    """A detector that must know the name of each image, such as one that replays stored detections.

    Attributes:
        findings: What reading its source found.
    """

    findings: list[Finding]

    def attach(self, dataset: Dataset) -> None:
        """Prepare for the images of a dataset; called once, before the first image."""

    def seek(self, key: str) -> None:
        """Announce the key of the image that `detect` gets next."""


def detect(detector: Detector, image: npt.NDArray[np.generic]) -> Detections:
    """Detect faces in one image.

    Args:
        detector: A loaded detector.
        image: uint8 (height, width, 3) BGR; images with one or four channels are converted.

    Returns:
        Detections in pixels of the image, sorted by falling score.

    Raises:
        UsageError: The array is not an image.
        DetectorError: The detector returned something other than detections with finite boxes and scores.

    >>> import sshbench
    >>> detector = sshbench.FunctionDetector(lambda image: ([[1, 2, 30, 40]], [0.5]))
    >>> sshbench.detect(detector, np.zeros((48, 64, 3), dtype=np.uint8)).boxes.tolist()
    [[1.0, 2.0, 30.0, 40.0]]
    """
    return detect_timed(detector, image)[0]


def detect_timed(detector: Detector, image: npt.NDArray[np.generic]) -> tuple[Detections, dict[str, float]]:
    """Detect faces in one image; return the detections and the seconds of each stage, by its name.

    Raises:
        UsageError: The array is not an image.
        DetectorError: As `checked_detections` and `check_places`.
    """
    seconds: dict[str, float] = {}
    bgr = check_image(image)

    def timed(stage: str, work: Callable[[], _Result]) -> _Result:
        began = time.perf_counter_ns()
        result = work()
        seconds[stage] = (time.perf_counter_ns() - began) / 1e9
        return result

    prepared: object = timed("preprocess", lambda: detector.preprocess(bgr))
    if not isinstance(prepared, Prepared):
        made = type(prepared).__name__
        raise DetectorError(
            f"preprocess of detector '{detector.info.name}' returned {made} where Prepared is expected",
            remedy="Return sshbench.detectors.Prepared(data, scale)",
        )
    outputs = timed("forward", lambda: detector.forward(prepared))
    detections = timed("postprocess", lambda: detector.postprocess(outputs, prepared))
    found = checked_detections(detections, detector.info.name)
    check_places(found, detector, bgr)
    return found, seconds


def checked_detections(found: object, detector: str) -> Detections:
    """Return what a detector returned for an image, if it is usable.

    Args:
        found: What `postprocess` returned.
        detector: Name of the detector.

    Raises:
        DetectorError: It is not `Detections`, a value is not finite, or there are more than `MAX_DETECTIONS`.
    """
    if not isinstance(found, Detections):
        raise DetectorError(
            f"detector '{detector}' returned {type(found).__name__} where Detections are expected",
            remedy="Return sshbench.Detections(boxes, scores), or wrap a function with sshbench.FunctionDetector",
        )
    for what, values in (("boxes", found.boxes), ("scores", found.scores), ("ellipses", found.ellipses)):
        if values is not None and not np.isfinite(values).all():
            wrong = values[~np.isfinite(values)][0]
            raise DetectorError(f"detector '{detector}' returned {what} that are not finite ({wrong})")
    if len(found) > MAX_DETECTIONS:
        raise DetectorError(
            f"detector '{detector}' returned {len(found):,} detections for one image; at most {MAX_DETECTIONS:,} are "
            "accepted",
            remedy="Raise its score threshold",
        )
    return found


def check_places(found: Detections, detector: Detector, image: Image) -> None:
    """Refuse what no detector means: inverted boxes, and nothing but boxes far outside the image.

    Detectors of ours are left out: their published figures count what their networks return. So are stored detections.

    Args:
        found: The detections of the image.
        detector: The detector.
        image: The image.

    Raises:
        DetectorError: x2 < x1 or y2 < y1, or all boxes lie farther outside than the image is long.
    """
    name, boxes = detector.info.name, found.boxes
    if name in BUILT_IN or isinstance(detector, FollowsImages):
        return
    inverted = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if inverted.any():
        raise DetectorError(
            f"detector '{name}' returned an inverted box, x1 y1 x2 y2 = {boxes[inverted][0].tolist()}",
            remedy="Return corners with x2 >= x1 and y2 >= y1; for x y w h use sshbench.Detections.from_xywh",
        )
    height, width = image.shape[:2]
    far = max(height, width)
    outside = (boxes[:, 2:] < -far).any(axis=1) | (boxes[:, :2] > (width + far, height + far)).any(axis=1)
    if len(boxes) and outside.all():  # some networks add a few such boxes to good ones
        raise DetectorError(
            f"detector '{name}' returned only boxes far outside the image of {width} x {height} pixels, such as "
            f"x1 y1 x2 y2 = {boxes[0].tolist()}",
            remedy="Return pixels of the original image: divide by the scale of the network's input",
        )
