"""The harness on detectors whose times are known."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.detectors.registry import detector_info
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.records import Detections, Image
from sshbench.timing import Measurement, measure
from sshbench.timing.compare import check_not_slower, compare_timings, differences, paired_ratios
from sshbench.timing.images import TimedImage, images_from
from sshbench.timing.job import Job, check
from sshbench.timing.record import SizeTiming, TimingRecord, size_timing

SLEEPS = {"preprocess": 0.04, "forward": 0.06, "postprocess": 0.05}


class Sleeper:
    """Takes a known time in each stage."""

    info: DetectorInfo = replace(detector_info("haar"), name="sleeper")

    def __init__(self, fail_at: int = -1) -> None:
        self.slept: dict[str, list[float]] = {stage: [] for stage in SLEEPS}
        self.settings = Settings()
        self.weights_sha256: str | None = None
        self.passes, self.fail_at = 0, fail_at

    def sleep(self, stage: str) -> None:
        # What it really slept: a busy machine wakes a sleeper late, and that is not the harness's doing.
        began = time.perf_counter()
        time.sleep(SLEEPS[stage])
        self.slept[stage].append(time.perf_counter() - began)

    def load(self) -> None: ...

    def preprocess(self, image: Image) -> Prepared:
        self.sleep("preprocess")
        return Prepared(image, 1.0)

    def forward(self, prepared: Prepared) -> Any:
        self.passes += 1
        if self.passes == self.fail_at:
            raise RuntimeError("out of memory")
        self.sleep("forward")
        return prepared.data

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        self.sleep("postprocess")
        return Detections(np.zeros((2, 4)), np.zeros(2))


class FakeClock:
    """Says what it was told: nanoseconds for one mark after the other, whatever the time is."""

    def __init__(self, stages: Sequence[Sequence[int]]) -> None:
        self.stages, self.passes = stages, 0

    def mark(self) -> int:
        return 0

    def elapsed(self, marks: Sequence[int]) -> list[int]:
        self.passes += 1
        return list(self.stages[min(self.passes - 1, len(self.stages) - 1)])[: len(marks) - 1]


class Quick(Sleeper):
    """Takes no time: for fake clocks."""

    def preprocess(self, image: Image) -> Prepared:
        return Prepared(image, 1.0)

    def forward(self, prepared: Prepared) -> Any:
        self.passes += 1
        if self.passes == self.fail_at:
            raise RuntimeError("out of memory")
        return prepared.data

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        return Detections.empty()


@pytest.fixture(scope="module")
def images() -> list[TimedImage]:
    return images_from(None, 3)[0]


def test_known_stages_are_measured_right(images: list[TimedImage]) -> None:
    sleeper = Sleeper()
    measured = measure(sleeper, images, min_time=0, min_count=9)
    assert measured.within("end-to-end") == ["read", "preprocess", "forward", "postprocess"]
    assert measured.detections == [2] * 9
    # Of every pass what it took beyond its sleep; on a busy machine, of the pass that was disturbed least.
    slept = {stage: np.array(seconds[-9:]) for stage, seconds in sleeper.slept.items()}
    slept["paper"] = slept["preprocess"] + slept["forward"] + slept["postprocess"]
    for what, seconds in slept.items():
        nanoseconds = measured.total("paper") if what == "paper" else measured.stages[what]
        beyond = np.array(nanoseconds) / 1e9 - seconds
        assert beyond.min() >= 0
        assert beyond[int(np.argmin(beyond))] <= 0.03 * seconds[int(np.argmin(beyond))]
    assert list(measured.total("forward")) == list(measured.stages["forward"])


def test_images_are_taken_in_turn_and_at_least_twice(images: list[TimedImage]) -> None:
    measured = measure(Quick(), images, min_time=0, min_count=1)
    assert measured.images == [image.name for image in images] * 2
    assert measured.faces == [image.faces for image in images] * 2


def test_it_goes_on_until_time_and_count_suffice(images: list[TimedImage]) -> None:
    ticks = [1_000_000, 2_000_000, 3_000_000, 4_000_000]  # 10 ms a pass by this clock
    measured = measure(Quick(), images, min_time=0.5, min_count=5, clock=FakeClock([ticks]))
    assert len(measured.images) == 50
    measured = measure(Quick(), images, min_time=0.01, min_count=20, clock=FakeClock([ticks]))
    assert len(measured.images) == 20
    assert set(measured.stages["forward"]) == {3_000_000}


def test_warm_up_lasts_until_it_is_stable(images: list[TimedImage]) -> None:
    cold = [[0, 0, value, 0] for value in (900, 500, 400, 300, 200, 100, 100, 100, 100, 100, 100, 100)]
    measured = measure(Quick(), images, min_time=0, min_count=6, clock=FakeClock(cold))
    assert measured.warmup[:6] == [900, 500, 400, 300, 200, 100]
    assert len(measured.warmup) == 10  # the median of the last three is that of the three before
    assert set(measured.stages["forward"]) == {100}


def test_an_injected_slow_third_is_unstable_with_its_reason(images: list[TimedImage]) -> None:
    fast, slow = [0, 0, 100_000, 0], [0, 0, 110_000, 0]
    clock = FakeClock([fast] * 6 + [fast] * 20 + [slow] * 10 + [fast] * 100)
    measured = measure(Quick(), images[:1], min_time=0, min_count=30, clock=clock)
    timing = size_timing("original", measured, "paper", 1, None)
    assert not timing.stable
    assert any(reason.startswith("drift") for reason in timing.reasons)


def test_nothing_leaks_from_one_detector_into_the_next(images: list[TimedImage]) -> None:
    """A published table was wrong because two models shared an accumulator: here there is none to share."""
    first = measure(Quick(), images, min_time=0, min_count=6, clock=FakeClock([[0, 0, 5, 0]]))
    kept = {name: list(values) for name, values in first.stages.items()}
    second = measure(Quick(), images, min_time=0, min_count=6, clock=FakeClock([[0, 0, 7, 0]]))
    assert first.stages == kept
    assert set(first.stages["forward"]) == {5}
    assert set(second.stages["forward"]) == {7}
    assert Measurement().stages is not Measurement().stages


def test_a_detector_that_raises_halfway_keeps_what_was_measured(images: list[TimedImage]) -> None:
    measured = measure(Quick(fail_at=16), images, min_time=0, min_count=30, clock=FakeClock([[1, 1, 1, 1]]))
    assert len(measured.images) == 16 - 1 - len(measured.warmup)
    assert "'sleeper' failed during the measurement on " in measured.error
    assert "(RuntimeError: out of memory, in test_harness.py:" in measured.error
    timing = size_timing("original", measured, "paper", 1, None)
    assert not timing.stable
    assert any(reason.startswith("ended early: detector 'sleeper' failed") for reason in timing.reasons)


def test_wrong_use(images: list[TimedImage]) -> None:
    with pytest.raises(UsageError, match="no image"):
        measure(Quick(), [])
    with pytest.raises(UsageError, match="cannot work in batches"):
        measure(Quick(), images, batch=2)
    with pytest.raises(UsageError, match="at least 1"):
        images_from(None, 0)
    for change, says in (
        ({"sizes": ("800",)}, "invalid input size"),
        ({"sizes": ("1200x800",)}, "invalid input size"),
        ({"sizes": ()}, "at least one size"),
        ({"scope": "best"}, "unknown scope 'best'"),
        ({"batch": 0}, "--batch"),
        ({"min_time": -1.0}, "--min-time"),
    ):
        with pytest.raises(UsageError, match=says):
            check(Job.model_validate({"detector": "haar", "sizes": ("original",), **change}))


def record(times: Sequence[int], **changes: Any) -> TimingRecord:
    measured = Measurement({"forward": list(times)}, ["a"] * len(times), [0] * len(times), [-1] * len(times), [1])
    content: dict[str, Any] = {
        "detector": "x",
        "settings": {"nms_iou": 0.3},
        "weights_sha256": None,
        "scope": "forward",
        "batch": 1,
        "threads": 2,
        "image_source": "3 of sample",
        "min_time": 1.0,
        "min_count": 5,
        "sizes": (size_timing("400x800", measured, "forward", 1, 100),),
        "versions": {},
        "machine": {"processor": "P", "cores": 2},
        "created": "2026-01-01T00:00:00+00:00",
        "clock": "host",
    }
    return TimingRecord(**{**content, **changes})


def noisy(median_ns: float, seed: int) -> list[int]:
    return [int(value) for value in np.random.default_rng(seed).normal(median_ns, median_ns / 50, 40)]


def test_records_round_trip_and_say_what_is_wrong(tmp_path: Path) -> None:
    made = record(noisy(1e6, 0))
    made.save(tmp_path / "t.json")
    assert TimingRecord.load(tmp_path / "t.json") == made
    content = json.loads((tmp_path / "t.json").read_text())
    content["batch"] = "many"
    (tmp_path / "t.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="batch"):
        TimingRecord.load(tmp_path / "t.json")
    with pytest.raises(MissingDataError):
        TimingRecord.load(tmp_path / "nothing.json")


def test_any_record_shows_itself_in_few_words() -> None:
    one = record(noisy(1e6, 0)).sizes[0]
    sizes = tuple(one.model_copy(update={"size": f"<b>{'long ' * 50}{i}"}) for i in range(200))
    long = record(noisy(1e6, 0), sizes=sizes, detector="<b>" * 1000, scope="s" * 5000)
    for text in (repr(long), long._repr_html_()):
        assert len(text) < 2500
        assert "190 more sizes" in text
    assert len(repr(long)) < 1500
    assert repr(long).count("\n") == 0
    assert "<b>" not in long._repr_html_()
    assert "more sizes" not in repr(record(noisy(1e6, 0)))


def test_unlike_timings_are_refused_with_the_fields_that_differ() -> None:
    old = record(noisy(1e6, 0))
    new = record(noisy(1e6, 1), threads=1, machine={"processor": "Q", "cores": 2}, settings={"nms_iou": 0.5})
    assert [text.partition(":")[0] for text in differences(new, old)] == ["threads", "settings", "machine.processor"]
    with pytest.raises(UsageError, match=r"threads: 2 and 1.*machine\.processor: 'P' and 'Q'"):
        compare_timings(new, old)
    (ratio,) = compare_timings(new, old, force=True)
    assert ratio.ratio == pytest.approx(1, abs=0.02)
    with pytest.raises(UsageError, match="no size in common"):
        compare_timings(record(noisy(1e6, 1), sizes=(_renamed(old.sizes[0]),)), old)


def _renamed(timing: SizeTiming) -> SizeTiming:
    return timing.model_copy(update={"size": "600x1000"})


def test_slower_means_certainly_slower() -> None:
    old = record(noisy(1e6, 0))
    check_not_slower(compare_timings(record(noisy(1.02e6, 1)), old), 5)
    with pytest.raises(Exception, match=r"slower by more than 5 %.*400x800"):
        check_not_slower(compare_timings(record(noisy(1.2e6, 2)), old), 5)
    unlucky = noisy(1e6, 3)
    unlucky[0] *= 10
    check_not_slower(compare_timings(record(unlucky), old), 5)


def test_pairs_cancel_what_disturbs_both() -> None:
    rng = np.random.default_rng(0)
    common = rng.uniform(1, 3, 60)
    a, b = (record([int(1e6 * factor * c) for c in common]).sizes[0] for factor in (1.1, 1.0))
    ratio, low, high = paired_ratios(a, b, "forward")
    assert ratio == pytest.approx(1.1, rel=1e-3)
    assert high - low < 0.01
