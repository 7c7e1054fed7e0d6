"""Time several detectors in processes of their own, alternating pass by pass, so that disturbances affect all alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, cast

from sshbench.errors import SshbenchError, UsageError
from sshbench.timing.job import Job
from sshbench.timing.record import TimingRecord

Progress = Callable[[str, float], None]


class Worker:
    """A worker process and the pipes to it.

    Args:
        job: Settings of its timing.

    Raises:
        SshbenchError: The worker could not load the detector or find images.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sshbench.timing.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self) -> None:
        """Send the job and wait until the worker is ready."""
        self._send(self.job.model_dump_json())
        self._receive()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            SshbenchError: The worker reported an error, or ended.
        """
        self._send(json.dumps(request))
        return self._receive()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise SshbenchError(f"the process that times '{self.job.detector}' ended") from error

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SshbenchError(f"the process that times '{self.job.detector}' ended")
        answer = cast("dict[str, Any]", json.loads(line))
        if "error" in answer:
            raised = UsageError if answer.get("exit_code") == 2 else SshbenchError
            raise raised(f"{self.job.detector}: {answer['error']}")
        return answer


def run_interleaved(
    jobs: Sequence[Job],
    on_progress: Progress | None = None,
    on_records: Callable[[list[TimingRecord]], None] | None = None,
) -> list[TimingRecord]:
    """Time several detectors at the same sizes, alternating pass by pass.

    Args:
        jobs: One per detector; sizes, times and counts of the first apply to all.
        on_progress: Called with the size and its finished fraction.
        on_records: Called after each size with the records so far, so that a failure at a later size loses nothing.

    Raises:
        SshbenchError: A detector cannot be timed.
    """
    first = jobs[0]
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(job)) for job in jobs]
        for worker in workers:
            worker.start()
        records: list[TimingRecord] = []
        for size in first.sizes:
            report = None if on_progress is None else (lambda done, size=size: on_progress(size, done))
            records = time_size(workers, size, report)
            if on_records is not None:
                on_records(records)
        return records


def time_size(
    workers: Sequence[Worker], size: str, on_progress: Callable[[float], None] | None = None
) -> list[TimingRecord]:
    """Time one size in started workers, alternating pass by pass, and return their records of all sizes so far.

    Args:
        workers: Started; the minimum time of the first applies to all.
        size: Input size.
        on_progress: Called with the finished fraction.

    Raises:
        SshbenchError: A worker reported an error, or ended.
    """
    least = max(int(worker.ask(size=size)["least"]) for worker in workers)
    interleave(workers, least, workers[0].job.min_time * 1e9, on_progress)
    for worker in workers:
        worker.ask(finish=True)
    return [TimingRecord.model_validate(worker.ask(record=True)["record"]) for worker in workers]


def interleave(
    workers: Sequence[Worker], least: int, min_spent: float, on_progress: Callable[[float], None] | None = None
) -> None:
    """Measure a series that the workers have begun, a pass of each in turn, as many for all.

    Args:
        workers: Each was asked for the same size.
        least: Passes of each.
        min_spent: Nanoseconds of each.
        on_progress: Called with the finished fraction.
    """
    spent = [0.0] * len(workers)
    count, going = 0, True
    # As many passes for all: ratios are taken pair by pair.
    while going and (count < least or min(spent) < min_spent):
        for i, worker in enumerate(workers):
            answer = worker.ask(step=True)
            going = going and bool(answer["going"])
            spent[i] = float(answer["spent"])
        count += 1
        if on_progress is not None:
            on_progress(min(1.0, count / least, min(spent) / max(min_spent, 1)))
