"""The work on one image: read the file, detect, and turn every failure into a record of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from sshbench.detectors.contract import Detector, FollowsImages, detect_timed
from sshbench.detectors.guard import contained, time_limit
from sshbench.errors import DetectorError, MissingDataError, SshbenchError, UsageError
from sshbench.flat import counted
from sshbench.images import read_identified
from sshbench.records import Detections, Image, ImageRecord
from sshbench.runs import OnError, Run, StoredImage, image_size

Loaded = tuple[Image, str, float]
"""The image, what identifies its file, and the seconds that reading took."""

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
    image, content = read_identified(record.path)
    return image, content, time.perf_counter() - began


def read_ahead(records: Iterable[ImageRecord]) -> Iterator[tuple[ImageRecord, Future[Loaded]]]:
    """Yield images with their content, which another thread reads ahead."""
    coming = iter(records)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sshbench-read") as reader:
        waiting = [(record, reader.submit(read, record)) for record in islice(coming, _READ_AHEAD)]
        try:
            while waiting:
                waiting += [(record, reader.submit(read, record)) for record in islice(coming, 1)]
                yield waiting.pop(0)
        finally:
            for _, future in waiting:
                future.cancel()


def detect_in(
    detector: Detector, record: ImageRecord, loaded: Future[Loaded], image_timeout: float | None
) -> StoredImage:
    """Detect faces in one image.

    Args:
        detector: A loaded detector.
        record: The image.
        loaded: Its content, as `read_ahead` gives it.
        image_timeout: Seconds after which the detector counts as failed; None for no limit.

    Returns:
        The detections, or why there are none.

    Raises:
        UsageError: The detector cannot work with its settings, on any image.
    """
    name = detector.info.name
    try:
        image, content, read_seconds = loaded.result()
    except SshbenchError as error:
        return StoredImage(record.key, Detections.empty(), error=str(error), failure="image")
    width, height = image_size(image)
    try:
        with time_limit(name, image_timeout), contained(name, "the detection"):
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


class FailureLimit:
    """Counts images on which the detector failed, and stops the run when they are too many.

    Args:
        on_error: `stop` at the first; `record` all; None: up to three, or 1 % of the images if that is more.
        run: The run, for the message.
        images: Images of the run.
    """

    def __init__(self, on_error: OnError | None, run: Run, images: int) -> None:
        self._run = run
        self._failed = 0
        self._allowed = {"stop": 0.0, "record": float("inf"), None: max(_FAILURES, _FAILED_SHARE * images)}[on_error]

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
