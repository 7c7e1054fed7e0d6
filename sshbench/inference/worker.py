"""Process that detects faces in the images it is sent: `python -m sshbench.inference.worker`.

It reads pickled objects from standard input: first a `WorkerJob`, then a list of `ImageRecord` per batch, then None. It
writes pickled answers to standard output: None as soon as the detector is loaded, then a list of `StoredImage` per
batch, in order; or the error that ends the run. It ends when its input does, which is also so when its parent was
killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from sshbench.detectors.contract import Detector
from sshbench.detectors.guard import CrashLog
from sshbench.errors import SshbenchError
from sshbench.inference.image import Reading, detect_in, read
from sshbench.inference.spec import DetectorSpec
from sshbench.records import ImageRecord
from sshbench.threads import limited_threads


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """What a worker process needs to know.

    Attributes:
        spec: The detector.
        image_timeout: Seconds after which an image counts as a failure; None for no limit.
        threads: CPU threads of the worker.
        first_core: Position of its first core among those of the parent.
        crash_log: File for the stack of a crash.
    """

    spec: DetectorSpec
    image_timeout: float | None
    threads: int
    first_core: int = 0
    crash_log: str = ""


def main() -> None:
    """Work until there are no more images."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the answers

    def answer(content: object) -> None:
        pickle.dump(content, answers)
        answers.flush()

    job: WorkerJob = pickle.load(sys.stdin.buffer)
    with CrashLog(Path(job.crash_log)).watch() as log, ThreadPoolExecutor(max_workers=1) as reader:
        try:
            detector = _loaded(job)
            answer(None)
            for batch in _arriving(reader):
                answer(detect_in(detector, batch, job.image_timeout, log))
        except BrokenPipeError:  # the parent has ended
            os._exit(0)
        except SshbenchError as error:
            answer(error)


def _loaded(job: WorkerJob) -> Detector:
    """Load the detector; libraries count the cores then, and are free to use any of them afterwards."""
    import cv2

    with limited_threads(job.threads, first_core=job.first_core) as threads:
        detector = job.spec.make()
    cv2.setNumThreads(threads)
    return detector


def _arriving(reader: ThreadPoolExecutor) -> Iterator[list[Reading]]:
    """Yield batches as they arrive; each is read while the detector works on those before it."""
    arrived: SimpleQueue[list[Reading] | None] = SimpleQueue()

    def receive() -> None:
        try:
            records: list[ImageRecord] | None
            while (records := pickle.load(sys.stdin.buffer)) is not None:
                arrived.put([(record, reader.submit(read, record)) for record in records])
        except (EOFError, OSError, RuntimeError, pickle.UnpicklingError):  # the parent, or this process, ends
            pass
        arrived.put(None)

    threading.Thread(target=receive, daemon=True).start()
    while (batch := arrived.get()) is not None:
        yield batch


if __name__ == "__main__":
    main()
