"""A resumable loop from images to a run that reads the next images while the detector works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sshbench.datasets.base import Dataset
from sshbench.detectors.contract import Detector, FollowsImages, detect_timed
from sshbench.errors import MissingDataError, SshbenchError
from sshbench.images import read_image
from sshbench.records import Detections, Image, ImageRecord
from sshbench.runs import Run, StoredImage, image_size

_READ_AHEAD = 4  # enough to hide the decoding of a photograph behind a detector, few enough to stay small in memory


def run_detector(
    detector: Detector, dataset: Dataset, run: Run, *, on_image: Callable[[StoredImage], None] | None = None
) -> int:
    """Detect faces in every image of a dataset that the run does not hold yet.

    Args:
        detector: A loaded detector.
        dataset: Images that are all there (`Dataset.with_images`).
        run: Open for writing; every image is stored as soon as it is done.
        on_image: Called after each image is stored.

    Returns:
        Number of images that were processed. An image that cannot be used is stored with its error.
    """
    done = run.done()
    todo = [dataset.image(i) for i, key in enumerate(dataset.keys) if key not in done]
    for record, loaded in _read_ahead(todo):
        stored = _work(detector, record, loaded)
        run.add(stored)
        if on_image is not None:
            on_image(stored)
    return len(todo)


def _work(detector: Detector, record: ImageRecord, loaded: Future[tuple[Image, float]]) -> StoredImage:
    try:
        image, read_seconds = loaded.result()
        if isinstance(detector, FollowsImages):
            detector.seek(record.key)
        detections, stages = detect_timed(detector, image)
    except SshbenchError as error:
        return StoredImage(record.key, Detections.empty(), error=str(error))
    width, height = image_size(image)
    return StoredImage(record.key, detections, width, height, {"read": read_seconds, **stages})


def _read_ahead(records: Sequence[ImageRecord]) -> Iterator[tuple[ImageRecord, Future[tuple[Image, float]]]]:
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


_DONE: Future[tuple[Image, float]] = Future()


def _read(record: ImageRecord) -> tuple[Image, float]:
    if record.path is None:
        raise MissingDataError(f"no image folder for {record.key}")
    began = time.perf_counter()
    image = read_image(record.path)
    return image, time.perf_counter() - began
