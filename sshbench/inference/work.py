"""What a run still has to do: the images that it does not hold, without those that ended a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sshbench.datasets.base import Dataset
from sshbench.detectors.guard import CrashLog
from sshbench.inference.plan import batches
from sshbench.records import ImageRecord
from sshbench.runs import CRASH_LOG, Run, StoredImage

ENDS = 5
"""Processes in a row that ended on an image without a trace and stored none, before the image is left out."""


@dataclass(frozen=True, slots=True)
class Work:
    """The images that a run does not hold yet.

    Attributes:
        records: The images, in the order of the dataset.
        ends: Images on which a process ended, by key: how many in a row ended without a trace; 0 if the image was in a
            batch, of which another image may be to blame.
    """

    records: list[ImageRecord]
    ends: Mapping[str, int] = field(default_factory=dict)

    def batches(self, most: int) -> list[list[ImageRecord]]:
        """Return the images in batches of one size, in the order in which a single process works on them.

        Images on which a process ended are alone: first those of a batch, so that the one to blame is found at once;
        at the end those that may end the process again.

        Args:
            most: Maximum number of images per batch.
        """
        suspects = sorted((record for record in self.records if record.key in self.ends), key=self._ends_on)
        others = [record for record in self.records if record.key not in self.ends]
        first = [[record] for record in suspects if self._ends_on(record) == 0]
        last = [[record] for record in suspects if self._ends_on(record) > 0]
        return [*first, *batches(others, most), *last]

    def _ends_on(self, record: ImageRecord) -> int:
        return self.ends[record.key]


def work_left(dataset: Dataset, run: Run) -> Work:
    """Return what a run still has to do; images on which a process crashed are stored as failed.

    Args:
        dataset: Images that are all there (`Dataset.with_images`).
        run: Open for writing.
    """
    ends = _leave_out_crashed(run, CrashLog(run.folder / CRASH_LOG))
    done = run.done()
    return Work([dataset.image(i) for i, key in enumerate(dataset.keys) if key not in done], ends)


def _leave_out_crashed(run: Run, log: CrashLog) -> dict[str, int]:
    """Store images that ended a process as failed; return on which ones a process ended for an unknown reason."""
    ends = run.interrupted()
    of_batch = [key for key, count in ends.items() if count == 0]
    run.put_back(of_batch)
    stack = "" if of_batch else log.last()  # that of a batch does not say which image it was
    for key, count in list(ends.items()):
        if key in of_batch:
            continue
        if stack or count >= ENDS:
            error = "the process crashed on this image" if stack else f"{count} processes in a row ended on this image"
            run.add(StoredImage.crashed(key, error, stack or None))
            del ends[key]
    log.clear()
    return ends
