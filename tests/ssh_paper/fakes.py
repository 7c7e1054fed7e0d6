"""Timings that nobody measured, for tests of what is made of timings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sshbench.detectors.cost import NetworkCost
from sshbench.ssh_paper.plan import Cell
from sshbench.timing.harness import Measurement
from sshbench.timing.job import Job
from sshbench.timing.record import TimingRecord, size_timing

PARAMETERS = {
    "ssh": 19_766_372,
    "s3fd": 22_459_110,
    "faster-rcnn-vgg16": 136_689_024,
    "cms-rcnn-shape": 258_247_296,
    "hr-resnet101": 27_727_674,
    "hr-resnet50": 8_735_546,
    "hr-vgg16": 14_842_938,
}
TWO_STAGE = ("faster-rcnn-vgg16", "cms-rcnn-shape")


def record_of(job: Job, ms: float, *, memory: int = 1000, head: float = 0.0, **changes: Any) -> TimingRecord:
    """Return the record of a job that takes so many milliseconds, of which a share is spent in the head."""
    count = job.min_count
    whole = [round(1e6 * ms * (1 + 0.01 * (i % 3))) for i in range(count)]
    stages = {"read": [1_000_000] * count, "preprocess": [0] * count}
    if job.detector in TWO_STAGE:
        stages["forward: trunk"] = [round(one * (1 - head)) for one in whole]
        stages["forward: roi pooling"] = [0] * count
        stages["forward: head"] = [one - rest for one, rest in zip(whole, stages["forward: trunk"], strict=True)]
    else:
        stages["forward"] = whole
    stages["nms"] = [5_000_000] * count
    measured = Measurement(
        stages=stages, images=["a"] * count, detections=[3] * count, faces=[-1] * count, warmup=[1, 1, 1]
    )
    cost = NetworkCost(parameters=PARAMETERS[job.detector], gflop=ms / 3)
    extra = {"precision": "fp32", "device": "cpu", "parameters": "random, seed 0, 1000 candidates"}
    extra |= {} if job.detector in TWO_STAGE else {"backend": "torch"}
    content: dict[str, Any] = {
        "detector": job.detector,
        "settings": {"extra": extra},
        "weights_sha256": None,
        "scope": job.scope,
        "batch": 1,
        "threads": 2,
        "image_source": f"{job.count} of bundled sample at {job.image_size}",
        "min_time": job.min_time,
        "min_count": job.min_count,
        "sizes": (size_timing(job.sizes[0], measured, job.scope, 1, memory, cost=cost),),
        "versions": {},
        "machine": {"processor": "none", "cores": 2},
        "created": "2026-01-01T00:00:00+00:00",
        "clock": "none",
    }
    return TimingRecord(**(content | changes))


class Fake:
    """Stands for `run_interleaved`.

    Attributes:
        ms: By detector, milliseconds of a pass.
        groups: Detectors that were timed together.
        changes: Fields of records, by detector.
    """

    def __init__(self, ms: dict[str, float] | None = None) -> None:
        self.ms = ms or {}
        self.groups: list[list[str]] = []
        self.changes: dict[str, dict[str, Any]] = {}
        self.fails = ""

    def __call__(self, jobs: Sequence[Job]) -> list[TimingRecord]:
        """Return the records of jobs."""
        names = [job.detector for job in jobs]
        if self.fails in names:
            raise KeyboardInterrupt
        self.groups.append(names)
        return [
            record_of(
                job,
                self.ms.get(job.detector, 100.0),
                memory=PARAMETERS[job.detector] // 100_000,
                head=0.3,
                **self.changes.get(job.detector, {}),
            )
            for job in jobs
        ]


def cell_of(cells: Sequence[Cell], name: str) -> Cell:
    """Return the first cell of a detector."""
    return next(cell for cell in cells if cell.subject.name == name)
