"""What the claims are checked with: which detectors, with which settings, at which sizes, and how long that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sshbench.detectors.contract import SettingValue
from sshbench.detectors.pixels import mean_pixels
from sshbench.detectors.recipe import RECIPE, RECIPE_HASH, load_recipe
from sshbench.detectors.registry import detector_info
from sshbench.detectors.sizes import parse_image_size, parse_resize
from sshbench.errors import UsageError, did_you_mean
from sshbench.files import safe_name
from sshbench.ssh.random_weights import RANDOM
from sshbench.ssh_paper.record import Table
from sshbench.timing.job import Job

SCOPE = "paper"
"""What a pass covers: all but reading and NMS, as the paper's own times."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One detector of the tables.

    Attributes:
        name: Of the detector.
        gflop_per_megapixel: Operations in 1e9 of its network per 1e6 pixels of its input; for the estimate alone.
        gflop_of_head: Those that do not depend on the size.
        own_size: Input size of its published protocol.
        protocol: That protocol in words.
        single: Settings for one pass over an input of a stated size.
        own: Settings of its protocol.
        tta: Recipe of its protocol.
        backends: Whether it has a choice of backends.
    """

    name: str
    gflop_per_megapixel: float
    own_size: str
    protocol: str
    gflop_of_head: float = 0.0
    single: Mapping[str, SettingValue] = field(default_factory=dict)
    own: Mapping[str, SettingValue] = field(default_factory=dict)
    tta: str | None = None
    backends: bool = True


_HR: dict[str, SettingValue] = {"protocol": "single"}
_LEVELS = "0.25, 0.5, 1 and 2 times the image"
SUBJECTS = (
    Subject("ssh", 651.0, "1200x1600", "one scale, 1200 x 1600"),
    Subject("s3fd", 633.1, "original", "recipe s3fd-wider: several scales, a mirror image, voting", tta="s3fd-wider"),
    Subject("faster-rcnn-vgg16", 630.4, "600x1000", "one scale, 600 x 1000, 300 proposals", 71.7, backends=False),
    Subject("cms-rcnn-shape", 635.4, "600x1000", "guessed: that of Faster R-CNN", 182.0, backends=False),
    Subject("hr-resnet101", 275.4, "original", _LEVELS, single=_HR),
    Subject("hr-resnet50", 127.4, "original", _LEVELS, single=_HR),
    Subject("hr-vgg16", 614.2, "original", f"{_LEVELS}; a guessed graph", single=_HR),
)


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure; `check_claims` explains the fields."""

    sizes: tuple[str, ...]
    tables: tuple[Table, ...]
    detectors: tuple[str, ...]
    weights: Mapping[str, Path]
    images: Path | None
    image_size: str
    count: int
    min_time: float
    min_count: int
    device: str
    threads: int | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One timing to make.

    Attributes:
        table: Of which table.
        size: Input size as the table shows it.
        subject: The detector.
        job: The timing.
    """

    table: Table
    size: str
    subject: Subject
    job: Job

    @property
    def file(self) -> str:
        """Name of the file that keeps it."""
        size = f"-{self.size}" if self.table == "same input" else ""
        return safe_name(f"{self.table.replace(' ', '-')}{size}-{self.subject.name}") + ".json"

    @property
    def gflop(self) -> float:
        """Operations of a pass in 1e9, roughly."""
        own = self.table == "protocol"
        subject, defaults = self.subject, detector_info(self.subject.name).defaults
        extra = {**defaults.extra, **(subject.own if own else subject.single)}
        if own and subject.tta is not None:
            extra |= {RECIPE: subject.tta, RECIPE_HASH: load_recipe(subject.tta).hash}
        settings = replace(defaults, resize=self.job.sizes[0], extra=extra)
        pixels = mean_pixels(subject.name, settings, [parse_image_size(self.job.image_size)]).input
        assert pixels is not None, "all of these count their pixels"
        return subject.gflop_per_megapixel * pixels / 1e6 + subject.gflop_of_head


def subject_of(name: str) -> Subject:
    """Return a detector of the tables.

    Raises:
        UsageError: It is none of them.
    """
    known = {one.name: one for one in SUBJECTS}
    if name not in known:
        raise UsageError(f"'{name}' is not a detector of the claims", remedy=did_you_mean(name, known))
    return known[name]


def cells(options: Options) -> list[Cell]:
    """Return all timings, by table and size.

    Raises:
        UsageError: A detector is none of the tables', a size is not `SHORTERxLONGER`, or weights are named for a
            detector that is not measured.
    """
    subjects = [subject_of(name) for name in options.detectors]
    if unknown := sorted(options.weights.keys() - {one.name for one in subjects}):
        raise UsageError(f"weights for '{unknown[0]}', which is not measured", remedy="Name a detector of the claims")
    found = []
    if "same input" in options.tables:
        for size in options.sizes:
            found += [Cell("same input", size, one, _job(one, options, size)) for one in subjects]
    if "protocol" in options.tables:
        found += [Cell("protocol", one.protocol, one, _job(one, options, None)) for one in subjects]
    return found


def image_of(size: str) -> str:
    """Return the size to which images are cut so that an input of a size needs no resizing, `WIDTHxHEIGHT`.

    Raises:
        UsageError: The size is not the shorter and the longer side.

    >>> image_of("400x800")
    '800x400'
    """
    sides = parse_resize(size)
    if sides is None or sides.rule != "short":
        raise UsageError(f"invalid size '{size}' of the table", remedy="Use the two sides, such as 400x800")
    return f"{sides.second}x{sides.first}"


def seconds(planned: Sequence[Cell], gflops: float) -> float:
    """Return about how long timings take.

    Args:
        planned: The timings.
        gflops: Operations in 1e9 that a network gets done per second.
    """
    passes = (3 + max(cell.job.min_count, 2 * cell.job.count) for cell in planned)
    return sum(cell.gflop / gflops * count for cell, count in zip(planned, passes, strict=True))


def _job(subject: Subject, options: Options, size: str | None) -> Job:
    """Return a timing: at an input size, or by the detector's own protocol."""
    settings: dict[str, SettingValue | None] = dict(subject.own if size is None else subject.single)
    settings |= {"precision": "fp32", "device": options.device}
    if subject.backends:
        settings["backend"] = "torch"  # one library for all: the two-stage networks have no other
    settings["weights"] = str(options.weights.get(subject.name, RANDOM))
    if size is None and subject.tta is not None:
        settings["tta"] = subject.tta
    return Job(
        detector=subject.name,
        options=settings,
        sizes=(subject.own_size if size is None else size,),
        scope=SCOPE,
        threads=options.threads,
        images=None if options.images is None else str(options.images),
        count=options.count,
        image_size=options.image_size if size is None else image_of(size),
        min_time=options.min_time,
        min_count=options.min_count,
    )
