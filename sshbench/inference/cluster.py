"""Detect faces on a Dask cluster: chunks of images go to its workers, results come back as they are done.

The workers need sshbench, the detector and its weights, and the images under the same paths as here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from sshbench.errors import MissingDataError, SshbenchError, UsageError
from sshbench.inference.parallel import Plan
from sshbench.inference.spec import DetectorSpec
from sshbench.inference.workers import Workers
from sshbench.records import ImageRecord
from sshbench.runs import StoredImage

_CHUNKS = 16  # per thread of the cluster, so that its workers end at about the same time
_LARGEST = 64  # images of a chunk, so that the loss of a worker costs little
_LOSSES = 3  # workers that were lost on one image alone before it is left out


class Cluster:
    """A connection to a Dask scheduler; a context manager.

    Args:
        address: Of the scheduler, for example `tcp://host:8786`.
        spec: The detector.
        image_timeout: Seconds after which an image counts as a failure; None for no limit.
        batch: Maximum number of images of one size that a detector gets at once.

    Attributes:
        plan: How many images are worked on at once, one per thread of the cluster's workers.

    Raises:
        UsageError: Dask is not installed.
        MissingDataError: There is no scheduler at the address, or it has no workers.
    """

    def __init__(self, address: str, spec: DetectorSpec, *, image_timeout: float | None = None, batch: int = 1) -> None:
        try:
            import distributed
        except ImportError as error:
            text = "a cluster needs the package distributed"
            raise UsageError(text, remedy="pip install 'sshbench[cluster]'") from error
        try:
            make: Any = distributed.Client  # without annotations
            self._client = make(address, timeout="20s", set_as_default=False)
        except (OSError, ValueError) as error:
            text = f"no Dask scheduler answers at {address} ({error})"
            raise MissingDataError(
                text, remedy="Start one with `dask scheduler`, and workers with `dask worker`"
            ) from error
        self._spec, self._timeout, self._batch = spec, image_timeout, batch
        threads = [int(worker["nthreads"]) for worker in self._client.scheduler_info(n_workers=-1)["workers"].values()]
        if not threads:
            self._client.close()
            raise MissingDataError(f"the Dask scheduler at {address} has no workers", remedy=f"`dask worker {address}`")
        self._slots = sum(threads)
        self.plan = Plan(workers=self._slots, threads=1, batch=batch)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def detect(self, records: Sequence[ImageRecord]) -> Iterator[StoredImage]:
        """Yield the result of every image, chunk by chunk, as they come.

        A chunk whose workers are lost again and again is cut into single images; an image on which workers are lost
        alone is a failure.

        Raises:
            SshbenchError: The detector cannot be loaded, or cannot work with its settings.
        """
        import distributed
        from distributed.client import FutureCancelledError

        size = max(self._batch, min(_LARGEST, len(records) // (_CHUNKS * self._slots)))
        losses: Counter[str] = Counter()
        chunks = {self._submit(chunk): chunk for chunk in _cut(records, size)}
        as_completed: Any = distributed.as_completed
        finished = as_completed(chunks, loop=self._client.loop)
        for future in finished:
            chunk = chunks.pop(future)
            try:
                yield from future.result()
            except (distributed.KilledWorker, FutureCancelledError) as error:
                for record in chunk:
                    losses[record.key] += len(chunk) == 1
                    if losses[record.key] >= _LOSSES:
                        yield _lost(record, error)
                        continue
                    again = self._submit([record])
                    chunks[again] = [record]
                    finished.add(again)
            finally:
                future.release()

    def _submit(self, chunk: Sequence[ImageRecord]) -> Any:
        return self._client.submit(detect_chunk, self._spec, list(chunk), self._timeout, self._batch, pure=False)


def detect_chunk(
    spec: DetectorSpec, records: Sequence[ImageRecord], image_timeout: float | None, batch: int
) -> list[StoredImage]:
    """Detect faces in some images, on a worker of the cluster.

    A supervised process does the work, which is kept for the next chunk: a crash or a hang costs one image, and not
    the worker.

    Raises:
        SshbenchError: The detector cannot be loaded, or cannot work with its settings.
    """
    key = (spec.key, image_timeout, batch)
    if getattr(_kept, "key", None) != key:
        _kept.workers = Workers(spec, 1, threads=1, image_timeout=image_timeout, batch=batch).__enter__()
        _kept.key = key
    return list(_kept.workers.detect(records))


_kept = threading.local()  # a cluster's worker runs one chunk per thread


def _cut(records: Sequence[ImageRecord], size: int) -> Iterator[Sequence[ImageRecord]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _lost(record: ImageRecord, error: SshbenchError | Exception) -> StoredImage:
    text = f"{_LOSSES} workers of the cluster ended on this image"
    return StoredImage.crashed(record.key, text, str(error))
