"""A resumable loop from images to a run that reads the next images while the detector works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sshbench.datasets.base import Dataset
from sshbench.detectors.contract import Detector
from sshbench.detectors.guard import CrashLog
from sshbench.errors import SshbenchError
from sshbench.inference.image import FailureLimit, detect_in, read_ahead
from sshbench.runs import CRASH_LOG, OnError, Run, StoredImage

ENDS = 5
"""Processes in a row that ended on an image without a trace and stored none, before the image is left out."""


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
    ends = leave_out_crashed(run, log)
    done = run.done()
    todo = [dataset.image(i) for i, key in enumerate(dataset.keys) if key not in done]
    todo.sort(key=lambda record: ends.get(record.key, 0))
    limit = FailureLimit(on_error, run, len(dataset.keys))
    with log.watch():
        for record, loaded in read_ahead(todo):
            run.begin(record.key)
            try:
                log.limit(image_timeout)
                stored = detect_in(detector, record, loaded, image_timeout)
                log.limit(None)
            except BaseException:
                with suppress(SshbenchError):
                    run.put_back(record.key)
                raise
            run.add(stored)
            if on_image is not None:
                on_image(stored)
            limit.check(stored)
    return len(todo)


def leave_out_crashed(run: Run, log: CrashLog) -> dict[str, int]:
    """Store images that ended a process as failed; return on which ones a process ended for an unknown reason."""
    ends = run.interrupted()
    stack = log.last()
    for key, count in list(ends.items()):
        if stack or count >= ENDS:
            error = "the process crashed on this image" if stack else f"{count} processes in a row ended on this image"
            run.add(StoredImage.crashed(key, error, stack or None))
            del ends[key]
    return ends
