"""Detect faces in the images of a run in several processes, of which only this one writes to the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import Field

from sshbench.flat import counted
from sshbench.inference.image import FailureLimit
from sshbench.inference.plan import largest_first, stratified
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.models import StrictModel
from sshbench.provenance import usable_cores
from sshbench.records import ImageRecord
from sshbench.runs import OnError, Run, StoredImage

_TRIAL = 4  # images per core in a trial
_WORTH_IT = 500  # images per core for which a trial pays: it takes as long as a few dozen of them


class Plan(StrictModel):
    """How the work of a run is shared.

    Attributes:
        workers: Processes that detect; 1 is the calling process itself.
        threads: CPU threads of each.
        chosen: Who chose: `user`, or `trial` for `--workers auto`.
        trial: Images per second by `<workers>x<threads>`, where a trial chose; of single images.
        batch: Maximum number of images of one size that a detector gets at once.
    """

    workers: int
    threads: int
    chosen: Literal["user", "trial"] = "user"
    trial: dict[str, float] = Field(default_factory=dict)
    batch: int = 1

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.1f}" for name, rate in self.trial.items())
        why = f" (images/s in a trial: {rates})" if rates else ""
        together = f", batches of up to {self.batch}" if self.batch > 1 else ""
        return f"{counted(self.workers, 'worker')} of {counted(self.threads, 'thread')}{together}{why}"


def plan_for(spec: DetectorSpec, asked: int | Literal["auto"], records: Sequence[ImageRecord], batch: int = 1) -> Plan:
    """Return how many workers a run gets, and how many threads each of them.

    Args:
        spec: The detector.
        asked: A number of workers, which share the cores; or `auto`, which tries one worker of all cores, one worker
            per core, and what lies between, on some images of all sizes. With few images left it takes one.
        records: The images that are left to do.
        batch: Maximum number of images that a detector gets at once.

    Raises:
        SshbenchError: The detector cannot be loaded.
    """
    cores = usable_cores()
    if asked != "auto":
        return Plan(workers=asked, threads=max(1, cores // asked), batch=batch)
    choices = sorted({1, max(1, cores // 2), cores})
    if len(records) < _WORTH_IT * cores or len(choices) == 1:
        return Plan(workers=1, threads=cores, batch=batch)
    sample = stratified(records, _TRIAL * cores)
    rates = {count: _rate(spec, count, max(1, cores // count), sample) for count in choices}
    best = max(rates, key=lambda count: rates[count])
    trial = {f"{count}x{max(1, cores // count)}": round(rate, 3) for count, rate in rates.items()}
    return Plan(workers=best, threads=max(1, cores // best), chosen="trial", trial=trial, batch=batch)


def run_parallel(
    results: Callable[[Sequence[ImageRecord]], Iterable[StoredImage]],
    records: Sequence[ImageRecord],
    run: Run,
    *,
    on_error: OnError | None = None,
    on_image: Callable[[StoredImage], None] | None = None,
) -> None:
    """Detect faces in images that a run does not hold yet, elsewhere; store results as they come.

    Args:
        results: Detects faces in images and yields the result of each, in any order: `Workers.detect`, for example.
        records: The images.
        run: Open for writing.
        on_error: As for `run_detector`.
        on_image: Called after each image is stored.

    Raises:
        DetectorError: The detector failed on more images than allowed; what is done is stored.
        SshbenchError: The detector cannot be loaded, or cannot work with its settings.
    """
    limit = FailureLimit(on_error, run)
    for stored in results(largest_first(records)):
        run.add(stored)
        if on_image is not None:
            on_image(stored)
        limit.check(stored)


def _rate(spec: DetectorSpec, count: int, threads: int, sample: Sequence[ImageRecord]) -> float:
    """Return images per second of some workers, without the time that they take to load."""
    with Workers(spec, count, threads=threads) as workers:
        for _ in workers.detect(sample[-count:]):
            pass
        began = time.perf_counter()
        for _ in workers.detect(sample):
            pass
        return len(sample) / (time.perf_counter() - began)
