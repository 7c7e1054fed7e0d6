"""A timing on disk: everything that made it, every raw value, and the figures."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from sshbench.detectors.contract import Settings
from sshbench.detectors.pixels import Pixels, mean_pixels
from sshbench.errors import InputError, MissingDataError
from sshbench.files import write_atomic
from sshbench.models import StrictModel
from sshbench.timing.harness import Measurement
from sshbench.timing.statistics import summarise, unstable_because


class SeriesSummary(StrictModel):
    """See `statistics.Summary`; milliseconds."""

    count: int
    median: float
    mean: float
    deviation: float
    cov: float
    p90: float | None
    p99: float | None
    interval: tuple[float, float] | None


class Floor(StrictModel):
    """How far from this machine's limit a network ran.

    Attributes:
        gflop: Of one pass, two for a multiplication and its addition.
        gigabytes: Moved at least: parameters, and every feature map written and read once.
        matmul_gflops: Measured rate of a large matrix product at this precision.
        copy_gigabytes: Measured rate of copying, bytes read and written, a second.
        limit_ms: The larger of the two times.
        over: Measured median of the forward stage over `limit_ms`.
    """

    gflop: float
    gigabytes: float
    matmul_gflops: float
    copy_gigabytes: float
    limit_ms: float
    over: float


class SizeTiming(StrictModel):
    """One input size.

    Attributes:
        size: `MxN`, or `original`.
        stages: By stage, nanoseconds of each pass.
        images: The image of each pass.
        detections: Detections of each pass.
        faces: Annotated faces of each pass, -1 where not known.
        warmup: Nanoseconds of the passes before.
        summary: By stage, and `total` for the record's scope.
        images_per_second: At the batch size, by the median.
        stable: Whether the series can be trusted.
        reasons: Why not.
        peak_memory_mib: Of the process (of the device on CUDA) up to the end of this size.
        error: Why it ended early; empty where it did not.
        floor: Where it was asked for.
        pixels: Means over the images of the measured passes; None in files of format 1.
    """

    size: str
    stages: dict[str, list[int]]
    images: list[str]
    detections: list[int]
    faces: list[int]
    warmup: list[int]
    summary: dict[str, SeriesSummary]
    images_per_second: float
    stable: bool
    reasons: list[str]
    peak_memory_mib: int | None
    error: str = ""
    floor: Floor | None = None
    pixels: Pixels | None = None

    def total(self, scope: str) -> list[int]:
        """Nanoseconds of each pass within a scope."""
        return Measurement(stages=self.stages).total(scope)


class TimingRecord(StrictModel):
    """What `sshbench timing --json` prints and `--out` keeps.

    Attributes:
        format: Of this file; 2 says how many pixels the network got at each size.
        detector: Name.
        settings: Effective, without the size.
        weights_sha256: None where a library carries them.
        scope: What `total` covers.
        batch: Images a pass.
        threads: Of the CPU.
        image_source: Which images.
        min_time: Seconds asked for.
        min_count: Passes asked for.
        sizes: In the order asked for.
        versions: Of code and libraries.
        machine: Hardware and system, with clocks and load before and after.
        created: UTC.
        clock: What measured, and for CUDA how far its events were from the host's clock.
    """

    format: Literal[1, 2] = 2
    detector: str
    settings: dict[str, Any]
    weights_sha256: str | None
    scope: str
    batch: int
    threads: int
    image_source: str
    min_time: float
    min_count: int
    sizes: tuple[SizeTiming, ...]
    versions: dict[str, str]
    machine: dict[str, Any]
    created: str
    clock: str

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_atomic(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> TimingRecord:
        """Read a record.

        Raises:
            MissingDataError: There is no such file.
            InputError: It is no record; the text names the field.
        """
        if not path.is_file():
            raise MissingDataError(f"there is no timing in {path}", remedy="Make one by `sshbench timing --out`")
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read ({error})", file=path, remedy="Check the file") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or None
            raise InputError(first["msg"], file=path, field=where, remedy="Make the timing again") from error


def summary_of(timing: SizeTiming, scope: str) -> SeriesSummary:
    """Figures of a size within any scope, from its raw values."""
    return SeriesSummary(**asdict(summarise(timing.total(scope))))


def pixels_of(record: TimingRecord, timing: SizeTiming) -> Pixels:
    """Return the mean pixels that a timing is of, as far as its file says.

    A file of format 1 says it only for images that were cut to one size (`12 of AFW at 640x480`), and for networks
    with a fixed input.
    """
    if timing.pixels is not None:
        return timing.pixels
    cut = re.search(r" at (\d+)x(\d+)$", record.image_source)
    sizes = [(int(cut[1]), int(cut[2]))] if cut else None
    return mean_pixels(record.detector, Settings(**record.settings, resize=timing.size), sizes)


def size_timing(
    size: str,
    measured: Measurement,
    scope: str,
    batch: int,
    memory: int | None,
    floor: Floor | None = None,
    pixels: Pixels | None = None,
) -> SizeTiming:
    """Figures and verdict of a series.

    Raises:
        InputError: Nothing was measured.
    """
    total = measured.total(scope)
    series = {**measured.stages, "total": total}
    summary = {name: SeriesSummary(**asdict(summarise(values))) for name, values in series.items()}
    reasons = unstable_because(total, measured.images)
    if measured.error:
        reasons.append(f"ended early: {measured.error}")
    return SizeTiming(
        size=size,
        stages=measured.stages,
        images=measured.images,
        detections=measured.detections,
        faces=measured.faces,
        warmup=measured.warmup,
        summary=summary,
        images_per_second=1000 * batch / summary["total"].median,
        stable=not reasons,
        reasons=reasons,
        peak_memory_mib=memory,
        error=measured.error,
        floor=floor,
        pixels=pixels,
    )
