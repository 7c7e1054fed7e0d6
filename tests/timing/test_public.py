"""What the command does, a Python user does in one call."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import cv2
import numpy as np
import pytest

import sshbench
from sshbench.detectors.contract import Prepared
from sshbench.detectors.cost import NetworkCost
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.records import Image
from sshbench.timing.job import Job
from sshbench.timing.public import SIZES, TimingOptions


class Quick(TypedDict):
    min_time: float
    min_count: int
    count: int


QUICK: Quick = {"min_time": 0, "min_count": 2, "count": 1}


def whole_image(image: Image) -> tuple[list[list[int]], list[float]]:
    height, width = image.shape[:2]
    return [[0, 0, width, height]], [0.5]


def test_defaults_are_those_of_a_job() -> None:
    stated = inspect.signature(sshbench.time_detector).parameters
    of_job = {name: field.default for name, field in Job.model_fields.items()}
    shared = stated.keys() & of_job.keys() - {"detector", "sizes"}
    assert {name: stated[name].default for name in shared} == {name: of_job[name] for name in shared}
    assert TimingOptions.__annotations__.keys() == shared | {"sizes", "settings", "weights"}
    assert stated["sizes"].default == SIZES


def test_a_function_and_a_loaded_detector_are_timed() -> None:
    record = sshbench.time_detector(whole_image, sizes="original,90x120", **QUICK)
    assert record.detector == "whole_image"
    assert [timing.detections[:1] for timing in record.sizes] == [[1], [1]]
    pixels = record.sizes[1].pixels
    assert pixels is not None
    assert pixels.input == 90 * 90  # 250 000 pixels of a square image, shrunk
    detector = sshbench.load_detector("haar", resize="120x160", min_neighbors=2)
    before = detector.settings
    record = sshbench.time_detector(detector, sizes="90x120", **QUICK)
    assert record.settings["extra"]["min_neighbors"] == 2
    assert record.sizes[0].size == "90x120"
    pixels = record.sizes[0].pixels
    assert pixels is not None
    assert pixels.input is not None
    assert detector.settings == before


@pytest.mark.parametrize("change", [{"settings": {"min_neighbors": 2}}, {"weights": "w.onnx"}])
def test_settings_of_a_loaded_detector_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="takes no settings or weights"):
        sshbench.time_detector(sshbench.load_detector("haar"), **change)
    with pytest.raises(UsageError, match="'int' is of type int, not a detector"):
        sshbench.time_detector(3)  # type: ignore[arg-type]


def test_a_timing_leaves_threads_and_settings_as_they_were() -> None:
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    seen: list[int] = []

    def counts(image: Image) -> tuple[list[list[int]], list[float]]:
        seen.append(len(os.sched_getaffinity(0)))
        return whole_image(image)

    assert sshbench.time_detector(counts, sizes="90x120", threads=1, **QUICK).threads == 1
    assert set(seen) == {1}
    assert (os.sched_getaffinity(0), cv2.getNumThreads()) == (cores, threads)

    def fails(image: Image) -> tuple[list[list[int]], list[float]]:
        raise MemoryError("too large")

    detector = sshbench.FunctionDetector(fails)
    before = replace(detector.settings)
    with pytest.raises(sshbench.SshbenchError, match="too large"):
        sshbench.time_detector(detector, sizes="90x120", threads=1, **QUICK)
    assert detector.settings == before
    with pytest.raises(MissingDataError):
        sshbench.time_detector(whole_image, images="/nowhere", threads=1, **QUICK)
    assert (os.sched_getaffinity(0), cv2.getNumThreads()) == (cores, threads)


def test_several_are_timed_alternately_compared_and_drawn(tmp_path: Path) -> None:
    first, second = sshbench.time_detectors(["haar", "haar"], sizes=["90x120"], out=tmp_path, **QUICK)
    assert len(first.sizes[0].images) == len(second.sizes[0].images)
    kept = tmp_path / "timing-haar.json"
    assert sshbench.TimingRecord.load(kept) == first
    assert sshbench.TimingRecord.load(tmp_path / "timing-haar-2.json") == second
    (ratio,) = sshbench.compare_timings(kept, str(kept))
    assert (ratio.ratio, ratio.size) == (1.0, "90x120")
    files = sshbench.plot_timings([kept, first], tmp_path / "plots")
    assert {file.name for file in files} == {
        f"latency-{k}.{s}" for k in ("size", "faces") for s in ("csv", "svg", "png")
    }
    with pytest.raises(UsageError, match="name a detector"):
        sshbench.time_detectors([])
    with pytest.raises(TypeError, match="'size'"):
        sshbench.time_detectors(["haar"], size="90x120")  # type: ignore[call-arg]
    kept.write_text("[]")
    with pytest.raises(InputError, match=r"timing-haar\.json"):
        sshbench.compare_timings(first, kept)


def test_the_command_reads_the_older_timing_before_it_measures(sshbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sshbench.timing import job

    monkeypatch.setattr(job, "run", lambda *_: pytest.fail("measured first"))
    code, _, err = sshbench("timing", "--detector", "haar", "--compare", "nothing.json")
    assert (code, "nothing.json" in err) == (2, True)
    code, _, err = sshbench("timing", "--detector", "haar", "--detector", "mtcnn", "--compare", "nothing.json")
    assert (code, "one detector" in err) == (2, True)


class Counting(sshbench.FunctionDetector):
    """Notes every input whose work is counted."""

    def __init__(self) -> None:
        super().__init__(whole_image, name="counting")
        self.counted: list[tuple[int, ...]] = []

    def cost(self, prepared: Prepared[Image]) -> NetworkCost:
        self.counted.append(prepared.data.shape)
        return NetworkCost(parameters=1, gflop=prepared.data.size / 1e9)


def test_the_work_is_counted_once_per_image_size(tmp_path: Path) -> None:
    shapes = [(40, 60, 3), (40, 60, 3), (40, 60, 3), (80, 60, 3)]
    for i, shape in enumerate(shapes):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros(shape, dtype=np.uint8))
    detector = Counting()
    record = sshbench.time_detector(
        detector, sizes="original", images=tmp_path, min_time=0, min_count=4, count=4, scope="detect"
    )
    assert sorted(detector.counted) == [(40, 60, 3), (80, 60, 3)]
    assert record.sizes[0].cost is not None
    assert record.sizes[0].cost.gflop == pytest.approx(np.mean([np.prod(shape) for shape in shapes]) / 1e9)
