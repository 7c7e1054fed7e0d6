"""Measure one series: warm up until stable, then rotate real images until time and count are reached; keep every value.

Method after MLPerf's load generator, pyperf, trtexec and torch.utils.benchmark: see docs/timing.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from sshbench.detectors.augmented import Augmented
from sshbench.detectors.batches import WorksInBatches, check_batch
from sshbench.detectors.contract import Detector, checked_detections
from sshbench.detectors.guard import contained
from sshbench.detectors.parts import FORWARD, WorksInParts
from sshbench.errors import SshbenchError, UsageError
from sshbench.images import check_image, read_image
from sshbench.records import Image
from sshbench.timing.clock import Clock, HostClock
from sshbench.timing.energy import EnergyMeter
from sshbench.timing.images import TimedImage

SCOPES = ("paper", "detect", "end-to-end", "forward")
_WARM_LEAST, _WARM_MOST, _WARM_SAME = 3, 12, 0.05
_WARM_ENOUGH = 10e9  # nanoseconds


@dataclass(slots=True, eq=False)
class Measurement:
    """Raw values of one series.

    Attributes:
        stages: By stage, nanoseconds of each pass, in order.
        images: Name of the image (of the first, for a batch) of each pass.
        detections: Number of detections of each pass; counting them forces lazy outputs to be computed.
        faces: Annotated faces in the images of each pass; -1 if unknown.
        warmup: Nanoseconds of the warm-up passes.
        error: Why the series ended early; empty if it did not.
        joules: Energy of the measured passes; None where it cannot be read.
    """

    stages: dict[str, list[int]] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    detections: list[int] = field(default_factory=list)
    faces: list[int] = field(default_factory=list)
    warmup: list[int] = field(default_factory=list)
    error: str = ""
    joules: float | None = None

    def total(self, scope: str) -> list[int]:
        """Return the nanoseconds of each pass within a scope."""
        return [sum(values) for values in zip(*(self.stages[name] for name in self.within(scope)), strict=True)]

    def within(self, scope: str) -> list[str]:
        """Return the stages that a scope covers, of those measured.

        `paper` is the release's own timer: mean, resize, network, decoding, best thousand; not reading, not NMS. A
        detector that does not separate decoding from NMS counts with all its postprocessing. `detect` is all but
        reading the image, so that both kinds of detectors can be compared. Fitting an image, where a recipe does it, is
        done beforehand as reading is.
        """
        if scope == FORWARD:
            return [name for name in self.stages if name == FORWARD or name.startswith(f"{FORWARD}: ")]
        left_out = {"paper": ("read", "fit", "nms"), "detect": ("read", "fit")}.get(scope, ())
        return [name for name in self.stages if name not in left_out]


def measure(
    detector: Detector,
    images: Sequence[TimedImage],
    *,
    min_time: float = 5.0,
    min_count: int = 12,
    batch: int = 1,
    clock: Clock | None = None,
    meter: EnergyMeter | None = None,
    on_pass: Callable[[float], None] | None = None,
) -> Measurement:
    """Time a loaded detector on images, stage by stage.

    Args:
        detector: A loaded detector; its settings give the input size.
        images: Images to time on; they alternate, so that no pass finds the data of the last one in a cache.
        min_time: Seconds of measured time to reach, over all stages.
        min_count: Number of passes to reach; each image is timed at least twice.
        batch: Images per pass; more than one needs a detector with `forward_batch`.
        clock: Clock; default: the host's.
        meter: Energy counters to read before and after each pass.
        on_pass: Called after each measured pass with the finished fraction of the work.

    Returns:
        Raw values. If the detector raises an error, the series ends; the values so far are kept, with the error.

    Raises:
        UsageError: There is no image, or the detector cannot work in batches.
        SshbenchError: The first pass already failed.
    """
    series = Series(detector, images, batch=batch, clock=clock, meter=meter)
    series.warm_up()
    least = series.least(min_count)
    while series.spent < min_time * 1e9 or series.count < least:
        if not series.step():
            break
        if on_pass is not None:
            on_pass(min(1.0, series.spent / max(min_time * 1e9, 1), series.count / least))
    return series.result


class Series:
    """A series that is being measured; each has its own values and marks, so that none can leak into another.

    Args:
        detector: As for `measure`.
        images: As for `measure`.
        batch: As for `measure`.
        clock: As for `measure`.
        meter: As for `measure`.

    Attributes:
        result: Values so far.
        spent: Nanoseconds of the measured passes.
        count: Number of measured passes.

    Raises:
        UsageError: There is no image, or the detector cannot work in batches.
    """

    def __init__(
        self,
        detector: Detector,
        images: Sequence[TimedImage],
        *,
        batch: int = 1,
        clock: Clock | None = None,
        meter: EnergyMeter | None = None,
    ) -> None:
        if not images:
            raise UsageError("no image to time on", remedy="Give --images DIR")
        check_batch(detector, detector.info.name, batch)
        self._detector, self._clock = detector, clock or HostClock()
        self._meter = meter
        # A batch is one image several times: all of it has one size then.
        self._groups = [[image] * batch for image in images]
        self.result = Measurement()
        self.spent = self.count = 0

    def least(self, min_count: int) -> int:
        """Number of passes to reach; each image is timed at least twice."""
        return max(min_count, 2 * len(self._groups))

    def warm_up(self) -> None:
        """Run passes on one image until the median of three is stable, or the limit of passes or time is reached.

        Raises:
            SshbenchError: The detector raised it.
        """
        warm = self.result.warmup
        while len(warm) < _WARM_MOST:
            with contained(self._detector.info.name, f"the warm-up on {self._groups[0][0].name}"):
                stages, _ = _one_pass(self._detector, self._groups[0], self._clock)
            warm.append(sum(stages.values()))
            if len(warm) >= 2 * _WARM_LEAST:
                before, last = median(warm[-6:-3]), median(warm[-3:])
                if abs(last - before) <= _WARM_SAME * before:
                    return
            elif len(warm) >= _WARM_LEAST and sum(warm) > _WARM_ENOUGH:
                return  # a slow network is warm after three passes, and six would take minutes

    def step(self) -> bool:
        """Measure one pass; return False if the detector raised an error, which is kept in the result."""
        group = self._groups[self.count % len(self._groups)]
        before = None if self._meter is None else self._meter.joules()
        try:
            with contained(self._detector.info.name, f"the measurement on {group[0].name}"):
                stages, found = _one_pass(self._detector, group, self._clock)
        except SshbenchError as error:
            self.result.error = str(error)
            return False
        if self._meter is not None and before is not None:
            self.result.joules = (self.result.joules or 0.0) + (self._meter.joules() or 0.0) - before
        for name, value in stages.items():
            self.result.stages.setdefault(name, []).append(value)
        self.result.images.append(group[0].name)
        self.result.detections.append(found)
        self.result.faces.append(sum(image.faces for image in group) if group[0].faces >= 0 else -1)
        self.spent += sum(stages.values())
        self.count += 1
        return True


def _one_pass(detector: Detector, group: list[TimedImage], timer: Clock) -> tuple[dict[str, int], int]:
    """Time one image, or one batch, by stage; return the times and the number of detections."""
    names: list[str] = []
    marks = [timer.mark()]

    def stage(name: str, work: Callable[[], Any]) -> Any:
        done = work()
        marks.append(timer.mark())
        names.append(name)
        return done

    pixels: list[Image] = stage("read", lambda: [check_image(read_image(image.path)) for image in group])
    if isinstance(detector, Augmented) and detector.recipe.fit is not None:
        fit = detector.fit
        pixels = stage("fit", lambda: [fit(image) for image in pixels])
    prepared = stage("preprocess", lambda: [detector.preprocess(image) for image in pixels])
    if len(group) > 1 and isinstance(detector, WorksInBatches):
        outputs = stage("forward", lambda: detector.forward_batch(prepared))
    elif isinstance(detector, WorksInParts):
        value = None
        for name, work in detector.forward_parts(prepared[0]):
            value = stage(f"{FORWARD}: {name}", partial(work, value))
        outputs = [value]
    else:
        outputs = stage("forward", lambda: [detector.forward(prepared[0])])
    pairs = list(zip(outputs, prepared, strict=True))
    if hasattr(detector, "decode_boxes"):
        decoded = stage("decode", lambda: [detector.decode_boxes(out, put) for out, put in pairs])
        found = stage("nms", lambda: [detector.suppress(boxes) for boxes in decoded])  # type: ignore[attr-defined]
    else:
        found = stage("postprocess", lambda: [detector.postprocess(out, put) for out, put in pairs])
    times = dict(zip(names, timer.elapsed(marks), strict=True))
    return times, sum(len(checked_detections(one, detector.info.name)) for one in found)
