"""Time detectors as runs used them: the run's settings, on images of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.detectors.graphs import SPEC_FILE
from sshbench.detectors.overrides import setting_values
from sshbench.detectors.recipe import RECIPE
from sshbench.detectors.registry import detector_class
from sshbench.errors import MissingDataError, UsageError
from sshbench.evaluation.origin import check_images, dataset_of
from sshbench.evaluation.storing import stored_protocol
from sshbench.files import safe_name
from sshbench.inference.plan import stratified
from sshbench.progress import progress_bar
from sshbench.runs import Identity, Run, open_run
from sshbench.timing.job import Job, ListedImage, check
from sshbench.timing.record import TimingRecord
from sshbench.timing.workers import run_interleaved


def time_runs(
    runs: Sequence[str | Path],
    *,
    data: str | Path | None = None,
    weights: str | Path | None = None,
    count: int = 24,
    scope: str = "end-to-end",
    threads: int | None = None,
    min_time: float = 5.0,
    min_count: int = 12,
    out: str | Path | None = None,
    progress: bool = False,
) -> list[TimingRecord]:
    """Measure the latency of the detectors of runs, each with its run's settings on a sample of its run's images.

    So an accuracy and a latency are of one configuration and of the same pixels. Each detector is timed in a process of
    its own, one after the other.

    Args:
        runs: Folders of evaluated runs.
        data: The dataset's folder, where it is no longer where the runs say.
        weights: Weights file, where it is not found by name.
        count: Images of the sample: the middle ones of so many equal parts of the run's images by their pixels.
        scope: As for `time_detector`.
        threads: As for `time_detector`.
        min_time: As for `time_detector`.
        min_count: As for `time_detector`; every image is measured at least once.
        out: Folder for one JSON file per run, `timing-<dataset>-<run>.json`.
        progress: Draw a progress bar where standard error is a terminal.

    Returns:
        One record per run; its images are the sample.

    Raises:
        UsageError: The detector has other settings or weights here than in the run.
        MissingDataError: A folder holds no evaluated run, or images or weights are missing.
        IdentityError: Images changed since the run was made.

    >>> import tempfile, sshbench
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = sshbench.run("haar", "sample", out=folder, settings={"resize": "90x120"}, limit=2, progress=False)
    ...     (record,) = sshbench.time_runs([folder], count=2, min_time=0, min_count=2)
    >>> record.image_source
    '2 of 2 images of sample val, of all sizes'
    """
    folders = [Path(run) for run in runs]
    jobs = [
        _job(folder, data, weights, count).model_copy(
            update={"scope": scope, "threads": threads, "min_time": min_time, "min_count": max(count, min_count)}
        )
        for folder in folders
    ]
    records = []
    for folder, job in zip(folders, jobs, strict=True):
        check(job)
        with progress_bar(f"timing of {folder}", 100, "%", enabled=progress) as bar:
            done = 0

            def report(_: str, fraction: float, bar: Any = bar) -> None:
                nonlocal done
                bar.update(round(100 * fraction) - done)
                done = round(100 * fraction)

            records += run_interleaved([job], report)
        if out is not None:
            name = safe_name(f"timing-{job.dataset}-{folder.resolve().name}")
            records[-1].save(Path(out).expanduser() / f"{name}.json")
    return records


def _job(folder: Path, data: str | Path | None, weights: str | Path | None, count: int) -> Job:
    with open_run(folder) as run:
        identity = run.identity
        spec = run.folder / SPEC_FILE  # what to do with a graph, as the run did it
        options: dict[str, Any] = _changes(identity, str(spec) if spec.is_file() else None)
        if weights is not None:
            options["weights"] = str(Path(weights).expanduser())
        listed = _sample(run, None if data is None else Path(data), count)
    return Job(
        detector=identity.spelling or identity.detector,
        options=options,
        sizes=(str(identity.settings["resize"]),),
        listed=tuple(listed),
        listed_as=f"{len(listed)} of {identity.images} images of {identity.dataset} {identity.split}, of all sizes",
        dataset=identity.dataset,
        expected={
            "settings": _without_size(identity.settings),
            "weights_sha256": identity.weights_sha256,
            "code": identity.code,
        },
    )


def _changes(identity: Identity, spec: str | None) -> dict[str, Any]:
    """Return the settings of a run that a user can give."""
    if identity.predictions_sha256 is not None:
        raise UsageError(f"'{identity.detector}' is a prediction set: there is no detector to time")
    known = setting_values(detector_class(identity.spelling or identity.detector, spec=spec).info)
    settings = {**identity.settings, **identity.settings["extra"]}
    changed = {name: settings[name] for name in known if name != "resize" and settings.get(name) is not None}
    changed |= {} if spec is None else {"spec": spec}
    return {**changed, RECIPE: settings[RECIPE]} if RECIPE in settings else changed


def _without_size(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "resize"}


def _sample(run: Run, data: Path | None, count: int) -> list[ListedImage]:
    dataset = dataset_of(run, stored_protocol(run), data).restricted(run.stored_keys())
    check_images(run, dataset)
    faces = dict(zip(dataset.keys, np.diff(dataset.faces.offsets).tolist(), strict=True))
    records = stratified([record for record in dataset if record.path is not None and record.path.is_file()], count)
    if not records:
        raise MissingDataError(f"no image of the run in {run.folder} is there", remedy="Name their folder with --data")
    return [ListedImage(path=str(record.path), name=record.key, faces=faces[record.key]) for record in records]
