"""Record of a timing: its settings and machine, every raw value, and the figures."""

from __future__ import annotations

import re
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from sshbench.detectors.contract import Settings
from sshbench.detectors.cost import NetworkCost
from sshbench.detectors.pixels import Pixels, mean_pixels
from sshbench.errors import MissingDataError, shorten
from sshbench.models import FileModel, StrictModel
from sshbench.timing.harness import Measurement
from sshbench.timing.statistics import summarise, unstable_because

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SHOWN = 10  # sizes in the short texts of a record


class SeriesSummary(StrictModel):
    """The fields of `statistics.Summary` in JSON, in milliseconds."""

    count: int
    median: float
    mean: float
    deviation: float
    cov: float
    p90: float | None
    p99: float | None
    interval: tuple[float, float] | None


class Floor(StrictModel):
    """Comparison of a network's forward time with this machine's limit.

    Attributes:
        gflop: Operations of one pass in 1e9, two per multiplication and addition.
        gigabytes: Memory traffic, at least: parameters, and every feature map written and read once.
        matmul_gflops: Measured rate of a large matrix product at this precision, in 1e9 operations per second.
        copy_gigabytes: Measured rate of copying, read and written gigabytes per second.
        limit_ms: The larger of the times for operations and for memory traffic.
        over: Measured median of the forward stage divided by `limit_ms`.
        tf32: Whether CUDA computed the matrix product in TF32, read back from torch; None on other devices and in files
            before format 3.
    """

    gflop: float
    gigabytes: float
    matmul_gflops: float
    copy_gigabytes: float
    limit_ms: float
    over: float
    tf32: bool | None = None


class SizeTiming(StrictModel):
    """Timing at one input size.

    Attributes:
        size: `MxN`, or `original`.
        stages: By stage, nanoseconds of each pass.
        images: Name of the image of each pass.
        detections: Number of detections of each pass.
        faces: Annotated faces of each pass; -1 if unknown.
        warmup: Nanoseconds of the warm-up passes.
        summary: Figures by stage, and `total` for the record's scope.
        images_per_second: Throughput at the batch size, from the median.
        stable: Whether the series passed the stability check.
        reasons: Why it did not.
        peak_memory_mib: Peak memory of the process (of the device on CUDA) up to the end of this size.
        error: Why the series ended early; empty if it did not.
        floor: Comparison with the machine's limit, if requested.
        pixels: Means over the images of the measured passes; None in files of format 1.
        cost: Size and mean work of the network; None where it depends on what an image shows, and in files of format 3
            and below.
        joules_per_image: Mean energy of the measured passes by image, of all that the machine did meanwhile; None
            where no counter can be read (`TimingRecord.energy` says why), and in files of format 4 and below.
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
    cost: NetworkCost | None = None
    joules_per_image: float | None = None

    def total(self, scope: str) -> list[int]:
        """Return the nanoseconds of each pass within a scope."""
        return Measurement(stages=self.stages).total(scope)


class TimingRecord(FileModel):
    """Record that `sshbench timing --json` prints and `--out` stores.

    Attributes:
        format: Format of the file. 2 adds the pixels that the network gets at each size, 3 the floor's `tf32`, 4 the
            network's cost, 5 the energy and `code`.
        detector: Name of the detector.
        settings: Effective settings, without the size.
        weights_sha256: Hash of the weights; None if they are part of a library.
        code: sha256 of the source of a model of the user's own, by file; empty for other detectors.
        scope: Stages that `total` covers.
        batch: Images per pass.
        threads: CPU threads.
        image_source: Description of the images.
        min_time: Requested seconds per size.
        min_count: Requested passes per size.
        sizes: Timings, in the requested order.
        versions: Versions of sshbench and the libraries.
        machine: Hardware and system, with clocks and load before and after.
        created: Time of creation, UTC.
        clock: Name of the clock, and for CUDA how far its events were from the host's clock.
        energy: Which energy counters were read, or why none.
    """

    FORMAT: ClassVar[int] = 5

    format: int = 5
    detector: str
    settings: dict[str, Any]
    weights_sha256: str | None
    code: dict[str, str] = Field(default_factory=dict)
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
    energy: str = "not read"

    def save(self, path: str | Path) -> Path:
        """Write the record as JSON, atomically, and return the path."""
        return self.write(Path(path))

    @classmethod
    def load(cls, path: Path) -> TimingRecord:
        """Read a record from a JSON file.

        Raises:
            MissingDataError: There is no such file.
            InputError: The file is not a record, or a newer version wrote it; the message names the field.
        """
        if not path.is_file():
            raise MissingDataError(f"there is no timing file {path}", remedy="Measure one with `sshbench timing --out`")
        return cls.read(path, remedy="Measure the timing again")

    @classmethod
    def of(cls, record: TimingRecord | str | Path) -> TimingRecord:
        """Return a record, read from its file where a path is given; errors as for `load`."""
        return record if isinstance(record, TimingRecord) else cls.load(Path(record).expanduser())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per size and stage, and the total of the scope: milliseconds, interval, passes, stability."""
        import pandas as pd

        rows = []
        for timing in self.sizes:
            for stage in (*timing.stages, "total"):
                if stage in timing.summary:
                    found = timing.summary[stage]
                    low, high = found.interval or (None, None)
                    rows.append(
                        {
                            "detector": self.detector,
                            "size": timing.size,
                            "stage": stage,
                            "scope": self.scope,
                            "median_ms": found.median,
                            "low_ms": low,
                            "high_ms": high,
                            "count": found.count,
                            "stable": timing.stable,
                        }
                    )
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Draw the latency against the input size, and return the matplotlib figure; notebooks show it."""
        from sshbench.timing.plots import size_figure

        return size_figure([self])

    def __repr__(self) -> str:
        figures = [
            f"{size} {median:.3g} ms{'' if stable else ' (unstable)'}" for size, median, stable in self._shown_sizes()
        ]
        more = f", {self._more_sizes} more sizes" if self._more_sizes else ""
        return f"<TimingRecord of {shorten(self.detector)}, scope {shorten(self.scope)}: {', '.join(figures)}{more}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(size)}</td><td>{median:.3g}</td><td>{'stable' if stable else 'unstable'}</td></tr>"
            for size, median, stable in self._shown_sizes()
        )
        more = f"<tr><td colspan='3'>{self._more_sizes} more sizes</td></tr>" if self._more_sizes else ""
        head = f"<tr><th>{escape(shorten(self.detector))}</th><th>ms</th><th></th></tr>"
        return f"<table>{head}{rows}{more}</table>"

    def _shown_sizes(self) -> list[tuple[str, float, bool]]:
        """Return size, median in milliseconds and verdict of the first sizes, for a short text."""
        return [
            (shorten(timing.size, 40), timing.summary["total"].median, timing.stable) for timing in self.sizes[:_SHOWN]
        ]

    @property
    def _more_sizes(self) -> int:
        return max(0, len(self.sizes) - _SHOWN)


def summary_of(timing: SizeTiming, scope: str) -> SeriesSummary:
    """Return the figures of a size within any scope, from its raw values."""
    return SeriesSummary(**asdict(summarise(timing.total(scope))))


def pixels_of(record: TimingRecord, timing: SizeTiming) -> Pixels:
    """Return the mean pixels of the images that were timed, as far as the file says.

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
    cost: NetworkCost | None = None,
) -> SizeTiming:
    """Return the figures of a series and the result of the stability check.

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
        cost=cost,
        joules_per_image=None if measured.joules is None else measured.joules / batch / len(measured.images),
    )
