"""A resumable loop from images to a run that reads the next images while the detector works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Literal

from sshbench.datasets.base import Dataset
from sshbench.detectors.contract import Detector, FollowsImages, detect_timed
from sshbench.detectors.guard import CrashLog, contained, time_limit
from sshbench.errors import DetectorError, MissingDataError, SshbenchError, UsageError
from sshbench.flat import counted
from sshbench.images import read_identified
from sshbench.records import Detections, Image, ImageRecord
from sshbench.runs import CRASH_LOG, Run, StoredImage, image_size

_Loaded = tuple[Image, str, float]  # the image, what identifies its file, and the seconds that reading took
OnError = Literal["stop", "record"]
_READ_AHEAD = 4  # enough to hide the decoding of a photograph behind a detector, few enough to stay small in memory
_FAILURES, _FAILED_SHARE = 3, 0.01  # of a detector's failures, that many do not stop a run
_ENDS = 5  # processes in a row that ended on an image without a trace and stored none, before it is left out


def run_detector(
    detector: Detector,
    dataset: Dataset,
    run: Run,
    *,
    on_error: OnError | None = None,
    image_timeout: float | None = None,
    on_image: Callable[[StoredImage], None] | None = None,
) -> int:
    """Detect faces in every image of a dataset that the run does not hold yet.

    An image that fails is stored with its error. An image on which an earlier process crashed is stored so too; one on
    which a process ended without a trace, as if killed, comes last, and is given up when it ended five in a row.

    Args:
        detector: A loaded detector.
        dataset: Images that are all there (`Dataset.with_images`).
        run: Open for writing; every image is stored as soon as it is done.
        on_error: `stop` at the first failure of the detector; `record` every failure and go on; None: record up to
            three, or 1 % of the images if that is more, then stop. An image file that cannot be read never stops.
        image_timeout: Seconds after which an image counts as a failure; None for no limit.
        on_image: Called after each image is stored.

    Returns:
        Number of images that were processed.

    Raises:
        DetectorError: The detector failed on more images than allowed; what is done is stored.
        UsageError: The detector cannot work with its settings.
    """
    log = CrashLog(run.folder / CRASH_LOG)
    ends = _leave_out_crashed(run, log)
    done = run.done()
    todo = [dataset.image(i) for i, key in enumerate(dataset.keys) if key not in done]
    todo.sort(key=lambda record: ends.get(record.key, 0))
    allowed = _allowed(on_error, len(dataset.keys))
    failed = 0
    with log.watch():
        for record, loaded in _read_ahead(todo):
            run.begin(record.key)
            try:
                log.limit(image_timeout)
                stored = _work(detector, record, loaded, image_timeout)
                log.limit(None)
            except BaseException:
                with suppress(SshbenchError):
                    run.put_back(record.key)
                raise
            run.add(stored)
            if on_image is not None:
                on_image(stored)
            failed += stored.failure == "detector"
            if failed > allowed:
                raise _too_many(failed, record.key, stored, run)
    return len(todo)


def _leave_out_crashed(run: Run, log: CrashLog) -> dict[str, int]:
    """Store images that ended a process as failed; return on which ones a process ended for an unknown reason."""
    ends = run.interrupted()
    stack = log.last()
    for key, count in list(ends.items()):
        if stack or count >= _ENDS:
            error = "the process crashed on this image" if stack else f"{count} processes in a row ended on this image"
            run.add(StoredImage(key, Detections.empty(), error=error, failure="crash", details=stack or None))
            del ends[key]
    return ends


def _allowed(on_error: OnError | None, images: int) -> float:
    if on_error is None:
        return max(_FAILURES, _FAILED_SHARE * images)
    return 0 if on_error == "stop" else float("inf")


def _too_many(failed: int, key: str, last: StoredImage, run: Run) -> DetectorError:
    return DetectorError(
        f"stopped after {counted(failed, 'failed image')}; the last was {key}: {last.error}",
        remedy=f"Finished images are kept in {run.folder}: fix the detector and run the same command, or record all "
        "failures with --on-error record",
        details=last.details or "",
    )


def _work(detector: Detector, record: ImageRecord, loaded: Future[_Loaded], image_timeout: float | None) -> StoredImage:
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


def _read_ahead(records: Sequence[ImageRecord]) -> Iterator[tuple[ImageRecord, Future[_Loaded]]]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sshbench-read") as reader:
        waiting = [reader.submit(_read, record) for record in records[:_READ_AHEAD]]
        try:
            for i, record in enumerate(records):
                if i + _READ_AHEAD < len(records):
                    waiting.append(reader.submit(_read, records[i + _READ_AHEAD]))
                yield record, waiting[i]
                waiting[i] = _DONE
        finally:
            for future in waiting:
                future.cancel()


_DONE: Future[_Loaded] = Future()


def _read(record: ImageRecord) -> _Loaded:
    if record.path is None:
        raise MissingDataError(f"no image folder for {record.key}")
    began = time.perf_counter()
    image, content = read_identified(record.path)
    return image, content, time.perf_counter() - began
