"""A resumable loop from images to a run that reads the next images while the detector works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain, islice

from sshbench.detectors.contract import Detector
from sshbench.detectors.guard import CrashLog
from sshbench.errors import SshbenchError
from sshbench.inference.image import FailureLimit, detect_in, read_ahead
from sshbench.inference.work import Work
from sshbench.runs import CRASH_LOG, OnError, Run, StoredImage


def run_detector(
    detector: Detector,
    work: Work,
    run: Run,
    *,
    batch: int = 1,
    on_error: OnError | None = None,
    image_timeout: float | None = None,
    on_image: Callable[[StoredImage], None] | None = None,
) -> None:
    """Detect faces in the images that a run does not hold yet.

    An image that fails is stored with its error. An image on which a process ended without a trace, as if killed, comes
    last, and is given up when five in a row ended on it.

    Args:
        detector: A loaded detector.
        work: The images, from `work_left`.
        run: Open for writing; every image, or batch, is stored as soon as it is done.
        batch: Maximum number of images of one size that the detector gets at once.
        on_error: `stop` at the first failure of the detector; `record` every failure and go on; None: record up to
            three, or 1 % of the images if that is more, then stop. An image file that cannot be read never stops.
        image_timeout: Seconds after which an image counts as a failure; None for no limit.
        on_image: Called after each image is stored.

    Raises:
        DetectorError: The detector failed on more images than allowed; what is done is stored.
        UsageError: The detector cannot work with its settings.
    """
    limit = FailureLimit(on_error, run)
    batches = work.batches(batch)
    coming = read_ahead(chain.from_iterable(batches), batch)
    with CrashLog(run.folder / CRASH_LOG).watch() as log:
        for records in batches:
            keys = [record.key for record in records]
            loaded = list(islice(coming, len(records)))
            run.begin(keys)
            try:
                stored = detect_in(detector, loaded, image_timeout, log)
            except BaseException:
                with suppress(SshbenchError):
                    run.put_back(keys)
                raise
            run.add_many(stored)
            for image in stored:
                if on_image is not None:
                    on_image(image)
                limit.check(image)
