"""Time detectors, compare timings and draw them, each in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from sshbench.detectors.contract import Detector, SettingValue
from sshbench.detectors.function import DetectorLike
from sshbench.detectors.registry import load_detector
from sshbench.detectors.sizes import parse_resize_list
from sshbench.detectors.source import source_of
from sshbench.errors import UsageError, did_you_mean
from sshbench.files import safe_name
from sshbench.progress import progress_bar
from sshbench.timing import job as jobs_of
from sshbench.timing.job import Job
from sshbench.timing.record import TimingRecord
from sshbench.timing.sweep import CHOICES, Sweep, combinations, settings_of, sweep
from sshbench.timing.workers import run_interleaved

Scope = Literal["paper", "detect", "end-to-end", "forward"]
SIZES = ("400x800", "600x1000", "800x1200", "1200x1600")
"""Default input sizes: those of the paper's timings (Najibi et al., SSH, ICCV 2017, table 2)."""


class TimingOptions(TypedDict, total=False):
    """The options of `time_detector`, which explains them and states their defaults."""

    sizes: str | Sequence[str]
    scope: Scope
    settings: Mapping[str, SettingValue] | None
    weights: str | Path | None
    images: str | Path | None
    count: int
    image_size: str
    batch: int
    threads: int | None
    min_time: float
    min_count: int
    floor: bool


def time_detector(
    detector: DetectorLike,
    *,
    sizes: str | Sequence[str] = SIZES,
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
        detector: As for `sshbench.run`. A loaded detector has its own settings again afterwards.
        sizes: Input sizes, as for `Settings.resize`: shorter x longer side in pixels, `fit=WxH` or `original`; a
            list, or a text with commas.
        scope: Which stages `total` covers: `paper` (all but reading and NMS), `detect` (all but reading),
            `end-to-end` (all) or `forward` (the network).
        settings: Settings instead of the detector's own ones, but for a loaded detector; not its size.
        weights: Weights file of the detector.
        images: Folder of images, or one image; default: the bundled sample.
        count: Number of images, used in turn.
        image_size: Crop and resize the images to this size first, `WxH` in pixels, so that every detector gets the
            same pixels.
        batch: Images per pass.
        threads: CPU threads; default: all.
        min_time: Minimum time to measure at each size, seconds.
        min_count: Minimum number of passes at each size.
        floor: Compare SSH's network with the measured limit of this machine.
        out: JSON file that keeps the record; it is written after each size.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        Every measured value in nanoseconds, medians in milliseconds with 95 % intervals, the verdict on stability,
        versions and machine.

    Raises:
        UsageError: Detector, size or setting are unknown or invalid.
        MissingDataError: Weights or images are missing.

    >>> record = time_detector("haar", sizes="90x120", count=1, min_time=0, min_count=2)
    >>> record.sizes[0].size, record.to_pandas()["stage"].tolist()
    ('90x120', ['read', 'preprocess', 'forward', 'postprocess', 'total'])
    """
    options: TimingOptions = {
        "sizes": sizes,
        "scope": scope,
        "settings": settings,
        "weights": weights,
        "images": images,
        "count": count,
        "image_size": image_size,
        "batch": batch,
        "threads": threads,
        "min_time": min_time,
        "min_count": min_count,
        "floor": floor,
    }
    path = None if out is None else Path(out).expanduser()
    if isinstance(detector, str):
        return _time([_job(detector, options)], path, progress=progress)[0]
    job = _job("", options)  # checks the settings
    loaded = load_detector(detector, **job.options)
    job = job.model_copy(update={"detector": loaded.info.name, "code": dict(source_of(detector).code)})
    return _time([job], path, progress=progress, detector=loaded)[0]


def time_detectors(
    detectors: Sequence[str],
    *,
    out: str | Path | None = None,
    progress: bool = False,
    **options: Unpack[TimingOptions],
) -> list[TimingRecord]:
    """Measure the latency of several detectors, alternating pass by pass, each in its own process.

    Whatever disturbs the machine then disturbs all of them alike: `sshbench.timing.paired_ratios` compares them pass by
    pass. A single detector is timed in this process.

    Args:
        detectors: Names of detectors.
        out: JSON file that keeps the record of one detector, written after each size; a folder for several.
        progress: Draw a progress bar where standard error is a terminal.
        **options: As for `time_detector`, the same for all detectors.

    Returns:
        One record per detector, in the order given.

    Raises:
        UsageError: A detector, size or setting is unknown or invalid, or there is no detector.
        MissingDataError: Weights or images are missing.
        TypeError: There is no such option.

    >>> (record,) = time_detectors(["haar"], sizes="90x120", count=1, min_time=0, min_count=2)
    >>> record.detector
    'haar'
    """
    if not detectors:
        raise UsageError("name a detector", remedy="--detector yunet; `sshbench timing --help` has examples")
    if unknown := sorted(options.keys() - TimingOptions.__annotations__):
        raise TypeError(f"time_detectors() got an unexpected keyword argument '{unknown[0]}'")
    path = None if out is None else Path(out).expanduser()
    return _time([_job(name, options) for name in detectors], path, progress=progress)


def sweep_detectors(
    detectors: Sequence[str],
    *,
    backends: Sequence[str] = (),
    precisions: Sequence[str] = (),
    thread_counts: Sequence[int | None] = (None,),
    batch_sizes: Sequence[int] = (1,),
    out: str | Path | None = None,
    progress: bool = False,
    **options: Unpack[TimingOptions],
) -> Sweep:
    """Measure the latency of detectors in every combination of backend, precision, threads and batch that can run here.

    Args:
        detectors: Names of detectors.
        backends: `torch`, `compile`, `onnxruntime`, `openvino`, or `all`; empty: each detector's own.
        precisions: `fp32`, `bf16`, `fp16`, `int8`, or `all`; empty: each detector's own.
        thread_counts: CPU threads to try; None for all.
        batch_sizes: Images per pass to try.
        out: Folder for one JSON file per combination, `sweep.csv` and the figure. What it holds already is not timed
            again.
        progress: Draw a progress bar where standard error is a terminal.
        **options: As for `time_detector`, without threads and batch.

    Returns:
        The timings by combination, and the reasons of combinations that cannot run.

    Raises:
        UsageError: There is no detector, a name is unknown, or no combination can run.

    >>> found = sweep_detectors(["haar"], thread_counts=(1,), sizes="90x120", count=1, min_time=0, min_count=2)
    >>> found.to_pandas()[["detector", "threads", "batch", "worth"]].values.tolist()
    [['haar', 1, 1, True]]
    """
    if not detectors:
        raise UsageError("name a detector", remedy="--detector yunet; `sshbench timing --help` has examples")
    for what, given in (("backend", backends), ("precision", precisions)):
        known = (*CHOICES[what], "all", "auto")
        if unknown := sorted(set(given) - set(known)):
            raise UsageError(f"unknown {what} '{unknown[0]}'", remedy=did_you_mean(unknown[0], known))
    jobs = {}
    for one in combinations(detectors, backends, precisions, thread_counts, batch_sizes):
        settings = {**(options.get("settings") or {}), **settings_of(one)}
        own: TimingOptions = {"settings": settings, "threads": one.threads, "batch": one.batch}
        jobs[one] = _job(one.detector, options | own)
    return sweep(jobs, None if out is None else Path(out).expanduser(), progress=progress)


def plot_timings(records: Sequence[TimingRecord | str | Path], out: str | Path) -> list[Path]:
    """Draw latency against input size and against the number of faces, and return the files written.

    Args:
        records: Timings, or the files that keep them.
        out: Folder for PNG, SVG and CSV files.

    Raises:
        MissingDataError: There is no such file.
        InputError: A file is not a timing.

    >>> import tempfile
    >>> record = time_detector("haar", sizes="90x120", count=1, min_time=0, min_count=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in plot_timings([record], folder))[:2]
    ['latency-faces.csv', 'latency-faces.png']
    """
    from sshbench.timing.plots import plot_faces, plot_sizes

    loaded = [TimingRecord.of(record) for record in records]
    folder = Path(out).expanduser()
    return [*plot_sizes(loaded, folder), *plot_faces(loaded, folder)]


def paths_of(records: Sequence[TimingRecord], out: Path | None) -> list[Path]:
    """Return where records are kept: one in the file `out`, several (or one in a folder that exists) below it."""
    if out is None:
        return []
    if len(records) == 1 and not out.is_dir():
        return [out]
    names = [safe_name(f"timing-{record.detector}") for record in records]
    later = [names[:i].count(name) for i, name in enumerate(names)]
    return [out / f"{name}{f'-{n + 1}' if n else ''}.json" for name, n in zip(names, later, strict=True)]


def _job(detector: str, options: TimingOptions) -> Job:
    """Return what to time; options left out have the defaults of `Job`, which are those of `time_detector`."""
    given = dict(options.get("settings") or {})
    if "resize" in given:
        raise UsageError(f"resize={given['resize']} is not a setting of a timing", remedy="Use sizes (--sizes)")
    weights, images = options.get("weights"), options.get("images")
    if weights is not None:
        given["weights"] = str(Path(weights).expanduser())
    sizes = options.get("sizes", SIZES)
    others = {name: value for name, value in options.items() if name not in ("settings", "weights", "images", "sizes")}
    return Job.model_validate(
        {
            **others,
            "detector": detector,
            "options": given,
            "images": None if images is None else str(Path(images).expanduser()),
            "sizes": parse_resize_list(sizes if isinstance(sizes, str) else ",".join(sizes)),
        }
    )


def _time(
    jobs: Sequence[Job], out: Path | None, *, progress: bool, detector: Detector | None = None
) -> list[TimingRecord]:
    """Time one detector in this process, or several alternately in processes of their own; all have the same sizes."""
    jobs_of.check(jobs[0])
    done: dict[str, float] = {}
    with progress_bar("timing", len(jobs[0].sizes), "sizes", enabled=progress) as bar:

        def report(size: str, fraction: float) -> None:
            before = done.get(size, 0.0)
            done[size] = max(before, fraction)
            bar.update(done[size] - before, size)

        if len(jobs) == 1:
            return [jobs_of.run(jobs[0], report, lambda record: _keep([record], out), detector)]
        return run_interleaved(jobs, report, lambda records: _keep(records, out))


def _keep(records: Sequence[TimingRecord], out: Path | None) -> None:
    for record, path in zip(records, paths_of(records, out), strict=out is not None):
        record.save(path)
