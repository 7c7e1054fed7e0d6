"""The work on one image, or on one batch: read the file, detect, and turn every failure into a record of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from sshbench.detectors.batches import detect_batch_timed
from sshbench.detectors.contract import Detector, FollowsImages, detect_timed
from sshbench.detectors.guard import CrashLog, contained, time_limit
from sshbench.errors import DetectorError, MissingDataError, SshbenchError, UsageError
from sshbench.flat import counted
from sshbench.images import read_identified
from sshbench.records import Detections, Image, ImageRecord
from sshbench.runs import OnError, Run, StoredImage, image_size

Loaded = tuple[Image, str, float]
"""The image, what identifies its file, and the seconds that reading took."""
Reading = tuple[ImageRecord, Future[Loaded]]
"""An image with its content, which is being read."""

_READ_AHEAD = 4  # enough to hide the decoding of a photograph behind a detector, few enough to stay small in memory

_FAILURES, _FAILED_SHARE = 3, 0.01  # of a detector's failures, that many do not stop a run


def read(record: ImageRecord) -> Loaded:
    """Read one image.

    Raises:
        MissingDataError: It has no file.
        InputError: The file cannot be read.
    """
    if record.path is None:
        raise MissingDataError(f"no image folder for {record.key}")
    began = time.perf_counter()
    image, content = read_identified(record.path, upright=record.upright, annotated=record.annotated)
    return image, content, time.perf_counter() - began


def read_ahead(records: Iterable[ImageRecord], batch: int = 1) -> Iterator[Reading]:
    """Yield images with their content, which another thread reads ahead.

    Args:
        records: The images.
        batch: How many of them are worked on together; as many are read ahead, if that is more than the usual number.
    """
    coming = iter(records)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sshbench-read") as reader:
        waiting = [(record, reader.submit(read, record)) for record in islice(coming, max(_READ_AHEAD, batch))]
        try:
            while waiting:
                waiting += [(record, reader.submit(read, record)) for record in islice(coming, 1)]
                yield waiting.pop(0)
        finally:
            for _, future in waiting:
                future.cancel()


def detect_in(
    detector: Detector, batch: Sequence[Reading], image_timeout: float | None, log: CrashLog
) -> list[StoredImage]:
    """Detect faces in one image, or in several of one size at once.

    Where several cannot be worked on together, each is tried alone, so that only the one to blame fails.

    Args:
        detector: A loaded detector, with `forward_batch` if there are several images.
        batch: The images with their content, as `read_ahead` gives them.
        image_timeout: Seconds per image after which the detector counts as failed; None for no limit.
        log: Ends a process that hangs.

    Returns:
        For each image the detections, or why there are none.

    Raises:
        UsageError: The detector cannot work with its settings, on any image.
    """
    together = _detect_together(detector, batch, image_timeout, log) if len(batch) > 1 else None
    return together or [_detect_alone(detector, *one, image_timeout, log) for one in batch]


def _detect_together(
    detector: Detector, batch: Sequence[Reading], image_timeout: float | None, log: CrashLog
) -> list[StoredImage] | None:
    """Return the results of a batch; None where an image cannot be read or has another size, or the detector fails."""
    try:
        loaded = [content.result() for _, content in batch]
        if len({image.shape for image, _, _ in loaded}) > 1:
            return None
        with _limited(detector.info.name, image_timeout and image_timeout * len(batch), log):
            found = detect_batch_timed(detector, [image for image, _, _ in loaded])
    except UsageError:
        raise
    except SshbenchError:
        return None
    return [
        StoredImage(record.key, detections, *image_size(image), {"read": seconds, **stages}, content=content)
        for (record, _), (image, content, seconds), (detections, stages) in zip(batch, loaded, found, strict=True)
    ]


def _detect_alone(
    detector: Detector, record: ImageRecord, loaded: Future[Loaded], image_timeout: float | None, log: CrashLog
) -> StoredImage:
    """Return the result of one image."""
    try:
        image, content, read_seconds = loaded.result()
    except SshbenchError as error:
        return StoredImage(record.key, Detections.empty(), error=str(error), failure="image")
    width, height = image_size(image)
    try:
        with _limited(detector.info.name, image_timeout, log):
            if isinstance(detector, FollowsImages):
                detector.seek(record.key)
            detections, stages = detect_timed(detector, image)
    except UsageError:  # a wrong setting fails on every image
        raise
    except SshbenchError as error:
        details = getattr(error, "details", None) or None
        return StoredImage(
            record.key, Detections.empty(), width, height, None, str(error), "detector", details, content
        )
    return StoredImage(record.key, detections, width, height, {"read": read_seconds, **stages}, content=content)


@contextmanager
def _limited(detector: str, seconds: float | None, log: CrashLog) -> Iterator[None]:
    """Turn what a detector does wrong in a block into an error, and end it if it takes too long."""
    log.limit(seconds)
    try:
        with time_limit(detector, seconds), contained(detector, "the detection"):
            yield
    finally:
        log.limit(None)


class FailureLimit:
    """Counts images on which the detector failed, and stops the run when they are too many.

    Args:
        on_error: `stop` at the first; `record` all; None: up to three, or 1 % of the images if that is more.
        run: The run.
    """

    def __init__(self, on_error: OnError | None, run: Run) -> None:
        self._run = run
        self._failed = 0
        allowed = max(_FAILURES, _FAILED_SHARE * run.identity.images)
        self._allowed = {"stop": 0.0, "record": float("inf"), None: allowed}[on_error]

    def check(self, image: StoredImage) -> None:
        """Take one more result into account.

        Raises:
            DetectorError: Too many have failed.
        """
        self._failed += image.failure == "detector"
        if self._failed > self._allowed:
            raise DetectorError(
                f"stopped after {counted(self._failed, 'failed image')}; the last was {image.key}: {image.error}",
                remedy=f"Finished images are kept in {self._run.folder}: fix the detector and run the same command, or "
                "record all failures with --on-error record",
                details=image.details or "",
            )
