"""Time detectors in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from sshbench.detectors.contract import SettingValue
from sshbench.detectors.sizes import parse_resize_list
from sshbench.errors import UsageError
from sshbench.progress import progress_bar
from sshbench.timing import job as jobs_of
from sshbench.timing.job import Job
from sshbench.timing.record import TimingRecord
from sshbench.timing.workers import run_interleaved

Scope = Literal["paper", "detect", "end-to-end", "forward"]


def time_detector(
    detector: str,
    *,
    sizes: str | Sequence[str] = ("400x800", "600x1000", "800x1200", "1200x1600"),
    scope: Scope = "paper",
    settings: Mapping[str, SettingValue] | None = None,
    weights: str | Path | None = None,
    images: str | Path | None = None,
    count: int = 6,
    image_size: str = "",
    batch: int = 1,
    threads: int | None = None,
    min_time: float = 5.0,
    min_count: int = 12,
    floor: bool = False,
    out: str | Path | None = None,
    progress: bool = False,
) -> TimingRecord:
    """Measure the latency of a detector at several input sizes, stage by stage; see docs/timing.md for the method.

    Args:
        detector: Name of the detector.
        sizes: Input sizes, as for `Settings.resize`: shorter x longer side, `fit=WxH` or `original`.
        scope: What `total` covers: the paper's stages (without reading and NMS), all but reading, everything, or the
            network.
        settings: Settings of the detector other than its size, instead of its published ones.
        weights: Its weights file.
        images: Folder of images, or one image; default: the bundled sample.
        count: Number of images, which are taken in turn.
        image_size: Cut and resize the images to this size before, `WxH` in pixels, so that every detector gets the
            same pixels.
        batch: Images per pass.
        threads: CPU threads; default: all.
        min_time: Seconds to measure at each size.
        min_count: Passes to measure at each size.
        floor: Compare SSH's network with the measured limit of this machine.
        out: File that keeps the record; it is written after every size.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        Every measured value, medians with 95 % intervals, the verdict on stability, versions and machine.

    Raises:
        UsageError: Detector, size or setting are unknown or invalid.
        MissingDataError: Weights or images are missing.

    >>> record = time_detector("haar", sizes="90x120", count=1, min_time=0, min_count=2)
    >>> record.sizes[0].size, record.to_pandas()["stage"].tolist()
    ('90x120', ['read', 'preprocess', 'forward', 'postprocess', 'total'])
    """
    options = dict(settings or {})
    if "resize" in options:
        raise UsageError(f"resize={options['resize']} is no setting of a timing", remedy="Use sizes")
    if weights is not None:
        options["weights"] = str(Path(weights).expanduser())
    job = Job(
        detector=detector,
        options=options,
        sizes=parse_resize_list(sizes if isinstance(sizes, str) else ",".join(sizes)),
        scope=scope,
        batch=batch,
        threads=threads,
        images=None if images is None else str(Path(images).expanduser()),
        count=count,
        image_size=image_size,
        min_time=min_time,
        min_count=min_count,
        floor=floor,
    )
    return time_jobs([job], None if out is None else Path(out).expanduser(), progress=progress)[0]


def time_jobs(jobs: Sequence[Job], out: Path | None = None, *, progress: bool = False) -> list[TimingRecord]:
    """Time one detector in this process, or several in turn in processes of their own.

    Args:
        jobs: What to time, all with the same sizes.
        out: Where the record of one detector is kept after every size; a folder for several.
        progress: Draw a progress bar where standard error is a terminal.

    Raises:
        UsageError: A job is invalid.
    """
    jobs_of.check(jobs[0])
    done: dict[str, float] = {}
    with progress_bar("timing", len(jobs[0].sizes), "sizes", enabled=progress) as bar:

        def report(size: str, fraction: float) -> None:
            before = done.get(size, 0.0)
            done[size] = max(before, fraction)
            bar.update(done[size] - before, size)

        if len(jobs) == 1:
            return [jobs_of.run(jobs[0], report, lambda record: _keep([record], out))]
        records = run_interleaved(jobs, report)
    _keep(records, out)
    return records


def paths_of(records: Sequence[TimingRecord], out: Path | None) -> list[Path]:
    """Return where records are kept: one in the file `out`, several (or one in a folder that exists) below it."""
    if out is None:
        return []
    if len(records) == 1 and not out.is_dir():
        return [out]
    return [out / f"timing-{record.detector}.json" for record in records]


def _keep(records: Sequence[TimingRecord], out: Path | None) -> None:
    for record, path in zip(records, paths_of(records, out), strict=out is not None):
        record.save(path)
