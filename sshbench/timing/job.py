"""Time one detector at several sizes, in this process or in one of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from pydantic import Field

from sshbench.detectors.contract import Detector, Settings
from sshbench.detectors.cost import HasCost, NetworkCost, mean_cost
from sshbench.detectors.pixels import mean_pixels
from sshbench.detectors.registry import load_detector
from sshbench.detectors.sizes import parse_image_size
from sshbench.detectors.source import source_of
from sshbench.errors import DetectorError, UsageError, did_you_mean
from sshbench.images import read_image
from sshbench.models import StrictModel
from sshbench.provenance import now, versions
from sshbench.runs import image_size
from sshbench.runtimes.plan import ONNX_BACKENDS
from sshbench.threads import limited_threads
from sshbench.timing import machine
from sshbench.timing.clock import Clock, CudaClock, clock_for
from sshbench.timing.energy import EnergyMeter
from sshbench.timing.harness import SCOPES, Measurement, Series, measure
from sshbench.timing.images import TimedImage, at_size, images_from
from sshbench.timing.record import Floor, SizeTiming, TimingRecord, size_timing


class ListedImage(StrictModel):
    """An image to time on.

    Attributes:
        path: Its file.
        name: Its name.
        faces: How many faces it has; -1 where not known.
    """

    path: str
    name: str
    faces: int = -1


class Job(StrictModel):
    """Settings of a timing, in a form that can be sent to another process as JSON.

    Attributes:
        detector: Name of the detector.
        options: Settings and weights for `load_detector`.
        sizes: `MxN` or `original`.
        scope: One of `SCOPES`.
        batch: Images per pass.
        threads: CPU threads; None for all.
        images: Folder of the images; None for the bundled sample.
        count: Number of images.
        image_size: `WxH` to which images are cropped and resized before; empty to leave them as they are.
        min_time: Seconds of measured time per size.
        min_count: Passes per size.
        floor: Whether to compare with the machine's limit.
        listed: The images, instead of those of a folder.
        listed_as: What they are, in words.
        dataset: The dataset that they are of.
        expected: `settings` (without the size), `weights_sha256` and `code` that the detector must have.
        code: sha256 of the source of a detector that was passed as an object.
    """

    detector: str
    options: dict[str, Any] = Field(default_factory=dict)
    sizes: tuple[str, ...]
    scope: str = "paper"
    batch: int = 1
    threads: int | None = None
    images: str | None = None
    count: int = 6
    image_size: str = ""
    min_time: float = 5.0
    min_count: int = 12
    floor: bool = False
    listed: tuple[ListedImage, ...] = ()
    listed_as: str = ""
    dataset: str = ""
    expected: dict[str, Any] = Field(default_factory=dict)
    code: dict[str, str] = Field(default_factory=dict)


def check(job: Job) -> None:
    """Check all values before anything is loaded.

    Raises:
        UsageError: A size, scope or number is invalid.
    """
    if job.scope not in SCOPES:
        raise UsageError(f"unknown scope '{job.scope}'", remedy=did_you_mean(job.scope, SCOPES))
    if not job.sizes:
        raise UsageError("name at least one size", remedy="--sizes 400x800,600x1000")
    for size in job.sizes:
        Settings(resize=size)
    if job.image_size:
        parse_image_size(job.image_size)
    for name, value in (
        ("batch", job.batch),
        ("min-count", job.min_count),
        ("threads", 1 if job.threads is None else job.threads),
    ):
        if value < 1:
            raise UsageError(f"--{name} must be at least 1, not {value}")
    if not 0 <= job.min_time < 86400:
        raise UsageError(f"--min-time must be seconds, not {job.min_time}")


class Bench:
    """A loaded detector with its images, ready to be timed, size by size or pass by pass.

    A context manager: leaving it removes the resized images and restores the number of threads and the settings of a
    detector that was passed in.

    Args:
        job: Settings of the timing.
        detector: A loaded detector to time instead of loading `job.detector` by name.

    Raises:
        SshbenchError: The detector cannot be loaded, or there are no images.
    """

    def __init__(self, job: Job, detector: Detector | None = None) -> None:
        check(job)
        self.job = job
        with ExitStack() as undo:
            self.threads = undo.enter_context(limited_threads(job.threads))
            self.before = machine.state()
            if job.listed:
                self.images = [TimedImage(Path(one.path), one.name, one.faces) for one in job.listed]
                self.image_source = job.listed_as
            else:
                source = None if job.images is None else Path(job.images)
                self.images, self.image_source = images_from(source, job.count)
            if job.image_size:
                # Kept until the end: the images are read in every pass.
                folder = undo.enter_context(TemporaryDirectory(prefix="sshbench-", ignore_cleanup_errors=True))
                size = parse_image_size(job.image_size)
                self.images = at_size(self.images, size, Path(folder))
                self.image_source += f" at {size[0]}x{size[1]}"
            self.detector = load_detector(job.detector, **job.options) if detector is None else detector
            self.code = dict(source_of(job.detector).code) if detector is None else job.code
            _check_expected(self.detector, self.code, job.expected)
            undo.callback(setattr, self.detector, "settings", self.detector.settings)
            self.device = str(self.detector.settings.extra.get("device", "cpu"))
            # ONNX Runtime and OpenVINO return when the work is done: the host's clock and memory are theirs.
            waits = self.detector.settings.extra.get("backend") in ONNX_BACKENDS
            self._measured_on = "cpu" if waits else self.device
            self.clock: Clock = clock_for(self._measured_on)
            self.meter = EnergyMeter.open(self.device)
            self._undo = undo.pop_all()

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def series(self, size: str) -> Series:
        """Return a series at one size, to be measured step by step; it sets the size of the detector."""
        self.detector.settings = replace(self.detector.settings, resize=size)
        return Series(self.detector, self.images, batch=self.job.batch, clock=self.clock, meter=self.meter)

    def measure(self, size: str, on_pass: Callable[[float], None] | None = None) -> Measurement:
        """Time the detector at one size."""
        self.detector.settings = replace(self.detector.settings, resize=size)
        return measure(
            self.detector,
            self.images,
            min_time=self.job.min_time,
            min_count=self.job.min_count,
            batch=self.job.batch,
            clock=self.clock,
            meter=self.meter,
            on_pass=on_pass,
        )

    def timing(self, size: str, measured: Measurement) -> SizeTiming:
        """Return the figures of a series.

        Raises:
            DetectorError: Nothing was measured.
        """
        if not measured.images:
            raise DetectorError(f"nothing was measured ({measured.error})")
        memory = machine.peak_memory_mib(self._measured_on)
        floor = self._floor(size, measured) if self.job.floor else None
        pixels = mean_pixels(self.detector, self.detector.settings, [self._size_of[name] for name in measured.images])
        return size_timing(size, measured, self.job.scope, self.job.batch, memory, floor, pixels, self._cost(measured))

    def _cost(self, measured: Measurement) -> NetworkCost | None:
        """Return size and mean work of the network for the images that were measured; None where it is unknown."""
        if not isinstance(self.detector, HasCost):
            return None
        paths = {image.name: image.path for image in self.images}
        seen = sorted(set(measured.images))
        # The work depends on the size alone, and a network that is run to count it takes its time.
        of_size = {self._size_of[name]: paths[name] for name in seen}
        costs = {size: self.detector.cost(self.detector.preprocess(read_image(path))) for size, path in of_size.items()}
        return mean_cost([cost for name in seen if (cost := costs[self._size_of[name]]) is not None])

    @cached_property
    def _size_of(self) -> dict[str, tuple[int, int]]:
        return {image.name: image_size(read_image(image.path)) for image in self.images}

    def record(self, sizes: list[SizeTiming]) -> TimingRecord:
        """Return the record of all sizes."""
        after = machine.state()
        notes = machine.noted(self.before, after)
        clock = "host, perf_counter_ns"
        if isinstance(self.clock, CudaClock):
            clock = f"CUDA events; the host's clock differed by at most {self.clock.worst_disagreement:.1%}"
        settings = {key: value for key, value in self.detector.settings.as_dict().items() if key != "resize"}
        return TimingRecord(
            detector=self.detector.info.name,
            settings=settings,
            weights_sha256=self.detector.weights_sha256,
            code=self.code,
            scope=self.job.scope,
            batch=self.job.batch,
            threads=self.threads,
            image_source=self.image_source,
            min_time=self.job.min_time,
            min_count=self.job.min_count,
            sizes=tuple(sizes),
            versions=versions(),
            machine={**machine.hardware(self.device), "before": self.before, "after": after, "notes": notes},
            created=now(),
            clock=clock,
            energy=self.meter.source,
        )

    def _floor(self, size: str, measured: Measurement) -> Floor:
        from sshbench.ssh.architecture import architecture
        from sshbench.timing.floor import floor_of

        name = self.detector.settings.extra.get("architecture")
        if name is None:
            raise UsageError(f"--floor works only for SSH, not for '{self.job.detector}'")
        inputs = [self.detector.preprocess(read_image(image.path)).data for image in self.images]
        heights, widths = zip(*((d.shape[2], d.shape[3]) for levels in inputs for d, _ in levels[:1]), strict=True)
        area = mean(height * width for height, width in zip(heights, widths, strict=True))
        # The work of an input of the mean area, in the first image's proportions.
        scale = (area / (heights[0] * widths[0])) ** 0.5
        return floor_of(
            architecture(str(name)),
            round(heights[0] * scale),
            round(widths[0] * scale),
            precision=str(self.detector.settings.extra["precision"]),
            device=self.device,
            forward_ms=median(measured.stages["forward"]) / 1e6 / self.job.batch,
        )


def run(
    job: Job,
    on_progress: Callable[[str, float], None] | None = None,
    on_record: Callable[[TimingRecord], None] | None = None,
    detector: Detector | None = None,
) -> TimingRecord:
    """Time one detector in this process, size by size.

    Args:
        job: Settings of the timing.
        on_progress: Called with the size and its finished fraction.
        on_record: Called after each size with the record so far, so that a failure at a later size loses nothing.
        detector: A loaded detector to time instead of loading `job.detector` by name.
    """
    with Bench(job, detector) as bench:
        sizes = []
        for size in job.sizes:
            report = None if on_progress is None else (lambda done, size=size: on_progress(size, done))
            sizes.append(bench.timing(size, bench.measure(size, report)))
            if on_record is not None:
                on_record(bench.record(sizes))
        return bench.record(sizes)


def _check_expected(detector: Detector, code: Mapping[str, str], expected: Mapping[str, Any]) -> None:
    """Refuse a detector that is not the one of the run whose accuracy its latency shall stand beside."""
    if not expected:
        return
    settings = {name: value for name, value in detector.settings.as_dict().items() if name != "resize"}
    here = {"settings": settings, "weights_sha256": detector.weights_sha256, "code": code}
    for name, value in expected.items():
        if here[name] != value:
            raise UsageError(
                f"'{detector.info.name}' is not what the run was made with: {name} is {here[name]!r} here, and "
                f"{value!r} in the run",
                remedy="Pass the run's weights with --weights, or run the detector again",
            )
