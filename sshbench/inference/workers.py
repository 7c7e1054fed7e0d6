"""Supervised worker processes: each gets batches of images, and costs no more than one image if it ends.

A worker that is killed, hangs or crashes is replaced. Images that it had not begun go to others, and so do those of a
batch, one by one, to find the one to blame.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from sshbench.detectors.guard import CrashLog
from sshbench.errors import DetectorError, SshbenchError
from sshbench.inference.plan import batches
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.worker import WorkerJob
from sshbench.records import ImageRecord
from sshbench.runs import StoredImage

_AHEAD = 4  # images that a worker has been sent: the one in hand, and those that it reads ahead
_FEWEST = 2  # batches, for the same reason
_GRACE = 20.0  # seconds beyond the time limit of an image after which a worker that does not end itself is killed
_KILLS = 3  # workers that ended on one image without a trace before it is left out
_STARTS = 5  # workers in a row that ended before they were ready
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Workers:
    """Worker processes with a detector each; a context manager, which ends them when it is left.

    Args:
        spec: The detector.
        count: How many processes.
        threads: CPU threads of each.
        image_timeout: Seconds after which an image counts as a failure; None for no limit.
        batch: Maximum number of images of one size that a detector gets at once.

    >>> from sshbench import load_dataset
    >>> sample = load_dataset("sample")
    >>> with Workers(DetectorSpec("haar", settings={"resize": "144x192"}), 2, threads=1) as workers:
    ...     sorted(stored.key for stored in workers.detect(list(sample)[:3])) == sorted(sample.keys[:3])
    True
    """

    def __init__(
        self, spec: DetectorSpec, count: int, *, threads: int, image_timeout: float | None = None, batch: int = 1
    ) -> None:
        self._job = WorkerJob(spec, image_timeout, threads)
        self._batch = batch
        self._count = count
        self._workers: list[_Worker] = []
        self._messages: SimpleQueue[tuple[_Worker, object]] = SimpleQueue()
        self._starts = 0  # in a row that failed
        self._looked = time.monotonic()  # for workers that hang
        self._kills: Counter[str] = Counter()

    def __enter__(self) -> Workers:
        self._folder = tempfile.TemporaryDirectory(prefix="sshbench-", ignore_cleanup_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._folder.cleanup()

    def detect(self, records: Sequence[ImageRecord]) -> Iterator[StoredImage]:
        """Yield the result of every image, as they come.

        Args:
            records: Images, in the order in which work on them begins.

        Raises:
            SshbenchError: The detector cannot be loaded, or cannot work with its settings.
        """
        waiting = deque(batches(records, self._batch))
        left = len(records)
        while left:
            self._start_missing(left)
            self._send(waiting)
            for stored in self._next(waiting):
                left -= 1
                yield stored

    def _start_missing(self, left: int) -> None:
        """Start workers where there are fewer than asked for, and than images left."""
        while len(self._workers) < min(self._count, left):
            self._workers.append(self._start())

    def _send(self, waiting: deque[list[ImageRecord]]) -> None:
        """Keep every worker busy."""
        # Near the end nobody keeps images that another worker could begin.
        most = _AHEAD if self._batch == 1 and len(waiting) > _AHEAD * self._count else _FEWEST
        for held in range(most):
            for worker in self._workers:
                if waiting and len(worker.in_hand) <= held:
                    worker.send(waiting.popleft())

    def _start(self) -> _Worker:
        used = {worker.place for worker in self._workers}
        place = next(place for place in range(self._count) if place not in used)
        log = Path(self._folder.name) / f"crash-{time.monotonic_ns()}.log"
        job = replace(self._job, first_core=place * self._job.threads, crash_log=str(log))
        return _Worker(job, place, self._messages)

    def _next(self, waiting: deque[list[ImageRecord]]) -> list[StoredImage]:
        """Wait for news; return the results that it holds."""
        if time.monotonic() - self._looked > 1:
            self._kill_hanging()
        try:
            worker, message = self._messages.get(timeout=1)
        except Empty:
            return []
        if isinstance(message, SshbenchError):
            raise message
        if isinstance(message, _Ended):
            self._workers.remove(worker)
            worker.end()
            return self._after_end(worker, waiting)
        self._starts = 0
        return worker.take(message if isinstance(message, list) else [])

    def _kill_hanging(self) -> None:
        limit, self._looked = self._job.image_timeout, time.monotonic()
        for worker in self._workers:
            if limit and worker.overdue(limit):
                worker.hung = True
                worker.process.kill()

    def _after_end(self, worker: _Worker, waiting: deque[list[ImageRecord]]) -> list[StoredImage]:
        """Give back what a worker that ended had not done; return the failure of its image, if that is to blame."""
        code, stack = worker.process.wait(), CrashLog(Path(worker.job.crash_log)).last()
        if not worker.ready:
            waiting.extendleft(reversed(worker.in_hand))
            self._starts += 1
            if self._starts >= _STARTS:
                text = f"workers of detector '{worker.job.spec.name}' end while they load it ({_ending(code)})"
                raise DetectorError(text, remedy="Check the memory, or use fewer --workers", details=stack)
            return []
        if not worker.in_hand:
            return []
        batch = worker.in_hand.popleft()
        waiting.extendleft(reversed(worker.in_hand))
        if len(batch) > 1:
            waiting.extendleft([record] for record in reversed(batch))
            return []
        (record,) = batch
        self._kills[record.key] += 1
        if stack or worker.hung or self._kills[record.key] >= _KILLS:
            error = f"the worker process ended on this image ({'it hung' if worker.hung else _ending(code)})"
            return [StoredImage.crashed(record.key, error, stack or None)]
        waiting.append(batch)
        return []


class _Ended:
    """The message that a worker's output ended."""


class _Worker:
    """One process, and the batches that it was sent and has not answered."""

    def __init__(self, job: WorkerJob, place: int, messages: SimpleQueue[tuple[_Worker, object]]) -> None:
        self.job = job
        self.place = place
        self.in_hand: deque[list[ImageRecord]] = deque()
        self.ready = False
        self.hung = False
        self._since = time.monotonic()
        threads = dict.fromkeys(_LIBRARIES, str(job.threads))
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sshbench.inference.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTHONPATH": paths},
        )
        self._write(job)
        threading.Thread(target=self._listen, args=(messages,), daemon=True).start()

    def send(self, batch: list[ImageRecord]) -> None:
        """Send one batch."""
        if not self.in_hand:
            self._since = time.monotonic()
        self.in_hand.append(batch)
        self._write(batch)

    def take(self, stored: list[StoredImage]) -> list[StoredImage]:
        """Take an answer into account: the results of a batch, or none for being ready; return it."""
        self.ready = True
        self._since = time.monotonic()
        if stored:
            self.in_hand.popleft()
        return stored

    def overdue(self, limit: float) -> bool:
        """Return whether its batch in hand takes longer than it may, if an image may take `limit` seconds."""
        if not (self.ready and self.in_hand):
            return False
        images = len(self.in_hand[0])
        rounds = 1 if images == 1 else 2  # a batch may fail at last, and is then done one by one
        return time.monotonic() - self._since > limit * images * rounds + _GRACE

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _write(self, content: object) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended: its last message says so
            pickle.dump(content, self.process.stdin)
            self.process.stdin.flush()

    def _listen(self, messages: SimpleQueue[tuple[_Worker, object]]) -> None:
        assert self.process.stdout is not None
        with suppress(EOFError, OSError, ValueError, pickle.UnpicklingError):
            while True:
                messages.put((self, pickle.load(self.process.stdout)))
        messages.put((self, _Ended()))


def _ending(code: int) -> str:
    """Return how a process ended, in words.

    >>> _ending(-9), _ending(1)
    ('signal SIGKILL', 'exit code 1')
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
