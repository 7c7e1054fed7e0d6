"""A timing on disk: everything that made it, every raw value, and the figures."""

from __future__ import annotations

import re
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sshbench.detectors.contract import Settings
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


class TimingRecord(FileModel):
    """What `sshbench timing --json` prints and `--out` keeps.

    Attributes:
        format: Format of the file. 2 adds the pixels that the network gets at each size, 3 the floor's `tf32`.
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

    FORMAT: ClassVar[int] = 3

    format: int = 3
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

    def save(self, path: str | Path) -> Path:
        """Write the record as JSON, atomically, and return the path."""
        return self.write(Path(path))

    @classmethod
    def load(cls, path: Path) -> TimingRecord:
        """Read a record.

        Raises:
            MissingDataError: There is no such file.
            InputError: The file is not a record, or one of a newer version; the text names the field.
        """
        if not path.is_file():
            raise MissingDataError(f"there is no timing in {path}", remedy="Measure one with `sshbench timing --out`")
        return cls.read(path, remedy="Measure the timing again")

    @classmethod
    def of(cls, record: TimingRecord | str | Path) -> TimingRecord:
        """Return a record, read from its file where a path is given; errors as for `load`."""
        return record if isinstance(record, TimingRecord) else cls.load(Path(record).expanduser())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per size and stage, and the total of the scope: milliseconds, interval, passes, verdict."""
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
