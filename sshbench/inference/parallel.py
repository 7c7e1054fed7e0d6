"""Detect faces in the images of a run in several processes, of which only this one writes to the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import Field

from sshbench.datasets.base import Dataset
from sshbench.detectors.guard import CrashLog
from sshbench.flat import counted
from sshbench.inference.image import FailureLimit
from sshbench.inference.loop import leave_out_crashed
from sshbench.inference.plan import largest_first, stratified
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.models import StrictModel
from sshbench.provenance import usable_cores
from sshbench.records import ImageRecord
from sshbench.runs import CRASH_LOG, OnError, Run, StoredImage

_TRIAL = 4  # images per core in a trial
_WORTH_IT = 500  # images per core for which a trial pays: it takes as long as a few dozen of them


class Plan(StrictModel):
    """How the work of a run is shared.

    Attributes:
        workers: Processes that detect; 1 is the calling process itself.
        threads: CPU threads of each.
        chosen: Who chose: `user`, or `trial` for `--workers auto`.
        trial: Images per second by `<workers>x<threads>`, where a trial chose.
    """

    workers: int
    threads: int
    chosen: Literal["user", "trial"] = "user"
    trial: dict[str, float] = Field(default_factory=dict)

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.1f}" for name, rate in self.trial.items())
        why = f" (images/s in a trial: {rates})" if rates else ""
        return f"{counted(self.workers, 'worker')} of {counted(self.threads, 'thread')}{why}"


def plan_for(spec: DetectorSpec, asked: int | Literal["auto"], records: Sequence[ImageRecord]) -> Plan:
    """Return how many workers a run gets, and how many threads each of them.

    Args:
        spec: The detector.
        asked: A number of workers, which share the cores; or `auto`, which tries one worker of all cores, one worker
            per core, and what lies between, on some images of all sizes. With few images left it takes one.
        records: The images that are left to do.

    Raises:
        SshbenchError: The detector cannot be loaded.
    """
    cores = usable_cores()
    if asked != "auto":
        return Plan(workers=asked, threads=max(1, cores // asked))
    choices = sorted({1, max(1, cores // 2), cores})
    if len(records) < _WORTH_IT * cores or len(choices) == 1:
        return Plan(workers=1, threads=cores)
    sample = stratified(records, _TRIAL * cores)
    rates = {count: _rate(spec, count, max(1, cores // count), sample) for count in choices}
    best = max(rates, key=lambda count: rates[count])
    trial = {f"{count}x{max(1, cores // count)}": round(rate, 3) for count, rate in rates.items()}
    return Plan(workers=best, threads=max(1, cores // best), chosen="trial", trial=trial)


def run_parallel(
    results: Callable[[Sequence[ImageRecord]], Iterable[StoredImage]],
    dataset: Dataset,
    run: Run,
    *,
    on_error: OnError | None = None,
    on_image: Callable[[StoredImage], None] | None = None,
) -> int:
    """Detect faces in every image of a dataset that the run does not hold yet, elsewhere; store results as they come.

    Args:
        results: Detects faces in images and yields the result of each, in any order: `Workers.detect`, for example.
        dataset: Images that are all there (`Dataset.with_images`).
        run: Open for writing.
        on_error: As for `run_detector`.
        on_image: Called after each image is stored.

    Returns:
        Number of images that were processed.

    Raises:
        DetectorError: The detector failed on more images than allowed; what is done is stored.
        SshbenchError: The detector cannot be loaded, or cannot work with its settings.
    """
    leave_out_crashed(run, CrashLog(run.folder / CRASH_LOG))
    todo = remaining(dataset, run)
    limit = FailureLimit(on_error, run, len(dataset.keys))
    for stored in results(largest_first(todo)):
        run.add(stored)
        if on_image is not None:
            on_image(stored)
        limit.check(stored)
    return len(todo)


def remaining(dataset: Dataset, run: Run) -> list[ImageRecord]:
    """Return the images that the run does not hold yet."""
    done = run.done()
    return [dataset.image(i) for i, key in enumerate(dataset.keys) if key not in done]


def _rate(spec: DetectorSpec, count: int, threads: int, sample: Sequence[ImageRecord]) -> float:
    """Return images per second of some workers, without the time that they take to load."""
    with Workers(spec, count, threads=threads) as workers:
        for _ in workers.detect(sample[-count:]):
            pass
        began = time.perf_counter()
        for _ in workers.detect(sample):
            pass
        return len(sample) / (time.perf_counter() - began)
