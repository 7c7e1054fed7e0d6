"""Comparison of runs: identical, mirrored, adjusted, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.analysis.compare import PointCounts, exchange_tests, pairs, ranks, verdict
from sshbench.analysis.intervals import Intervals, intervals
from sshbench.analysis.pvalues import two_sided_p
from sshbench.analysis.resample import Resampling
from sshbench.errors import UsageError
from sshbench.protocols import load_protocol
from sshbench.records import DetectionSet
from tests.analysis.sets import outcome_of, random_set

WIDER = load_protocol("wider")


def sure(seed: int, drop: float = 0.0, images: int = 60) -> Intervals:
    detections, faces = random_set(seed, images=images)
    keep = np.random.default_rng(99).random(detections.total) >= drop
    counts = np.bincount(detections.image_rows[keep], minlength=images)
    fewer = DetectionSet(
        detections.keys, np.append(0, np.cumsum(counts)), detections.boxes[keep], detections.scores[keep]
    )
    return intervals(outcome_of(fewer, faces, WIDER), Resampling(images, 500))


def test_a_run_against_itself() -> None:
    one = sure(1)
    (pair,) = pairs({"a": one, "b": one}, "AP/hard", identical=[("a", "b")])
    assert (pair.difference, pair.low, pair.high, pair.p, pair.p_adjusted, pair.words) == (0, 0, 0, 1, 1, "identical")


def test_swapping_two_runs_mirrors_everything() -> None:
    runs = {"a": sure(1), "b": sure(1, drop=0.5)}
    (there,) = pairs(runs, "AP/hard")
    (back,) = pairs(dict(reversed(runs.items())), "AP/hard")
    assert there.difference is not None
    assert there.low is not None
    assert there.high is not None
    assert there.share is not None
    assert back.difference == -there.difference
    assert back.low == pytest.approx(-there.high, abs=1e-15)
    assert back.high == pytest.approx(-there.low, abs=1e-15)
    assert back.p == pytest.approx(there.p)
    assert back.share == pytest.approx(1 - there.share)
    assert (back.se, back.se_jackknife) == pytest.approx((there.se, there.se_jackknife))
    assert "a is better by" in there.words
    assert there.words == back.words


@given(st.integers(0, 50), st.floats(0.0, 0.5))
def test_p_is_small_where_the_interval_leaves_zero_out(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    replicates = rng.normal(shift, 0.1, 999)
    low, high = np.quantile(replicates, [0.025, 0.975])
    p = two_sided_p(replicates)
    if low > 0 or high < 0:
        assert p <= 0.052
    else:
        assert p >= 0.048


def test_ranks_leave_open_what_cannot_be_told() -> None:
    runs = {"best": sure(4), "same": sure(4, drop=0.004), "worst": sure(4, drop=0.6)}
    found = pairs(runs, "AP/hard")
    assert len(found) == 3
    places = {rank.run: (rank.best, rank.worst) for rank in ranks(found, list(runs))}
    assert places["worst"] == (3, 3)
    assert places["best"] == places["same"] == (1, 2)
    alone = pairs({name: runs[name] for name in ("best", "worst")}, "AP/hard")[0]
    together = next(pair for pair in found if (pair.a, pair.b) == ("best", "worst"))
    assert together.low_adjusted is not None
    assert alone.low is not None
    assert together.low_adjusted < alone.low  # more pairs, wider intervals


def test_only_the_baseline() -> None:
    runs = {"a": sure(4), "b": sure(4, drop=0.2), "c": sure(4, drop=0.3)}
    assert [(pair.a, pair.b) for pair in pairs(runs, "AP/easy", baseline="b")] == [("a", "b"), ("c", "b")]


@pytest.mark.parametrize(
    ("low", "high", "margin", "words"),
    [
        (0.01, 0.03, None, "a is better by 2.00 points (1.00 to 3.00)"),
        (-0.03, -0.01, None, "b is better by 2.00 points (1.00 to 3.00)"),
        (-0.01, 0.02, None, "not told apart: between -1.00 and +2.00 points; differences under 1.20 need more images"),
        (-0.001, 0.002, 0.005, "equal within 0.5 points: between -0.10 and +0.20 points"),
        (-0.01, 0.02, 0.005, "not told apart: between -1.00 and +2.00 points; differences under 1.20 need more images"),
    ],
)
def test_words(low: float, high: float, margin: float | None, words: str) -> None:
    assert verdict("a", "b", 0.02 if high > abs(low) else -0.02, low, high, 0.012, margin) == words


def test_exchange_of_counts() -> None:
    found = np.random.default_rng(1).integers(0, 4, 200)
    same = PointCounts(found, np.ones(200, dtype=np.int64), np.empty(0, np.bool_))
    more = PointCounts(found + 1, np.ones(200, dtype=np.int64), np.empty(0, np.bool_))
    resampling = Resampling(200, 500)
    assert {one.p for one in exchange_tests([("a", "b")], {"a": same, "b": same}, 1000, resampling)} == {1.0}
    recall, precision = exchange_tests([("a", "b")], {"a": more, "b": same}, 1000, resampling)
    assert recall.difference == pytest.approx(0.2)
    assert recall.p == pytest.approx(1 / 501)
    assert precision.difference > 0


def test_compare_of_evaluations() -> None:
    sample = sshbench.load_dataset("sample")
    truth = {key: (faces.boxes, faces.boxes[:, 2] / 1000) for key, faces in zip(sample.keys, sample.faces, strict=True)}
    half = {key: (boxes[::2], scores[::2]) for key, (boxes, scores) in truth.items()}
    all_found, half_found = sshbench.evaluate("sample", truth), sshbench.evaluate("sample", half)
    found = sshbench.compare(all_found, half_found, names=["all", "half"], replicates=200)
    record = found.record
    whole = next(row for row in record.faces if row.axis == "all")
    assert whole.only_b == 0
    assert whole.both + whole.only_a + whole.neither == all_found.record.counted[record.subset]
    assert found.worse_than("all")
    assert not found.worse_than("half")
    assert not found.worse_than("all", margin=0.99)
    assert len(found.to_pandas()) == len(record.pairs)
    assert record.images_moving
    with pytest.raises(UsageError, match="two runs"):
        sshbench.compare(all_found)
    with pytest.raises(UsageError, match="no run named 'x'"):
        sshbench.compare(all_found, half_found, names=["all", "half"], baseline="x")
    smaller = sshbench.evaluate(sample.limited(12), truth, protocol="sample")
    with pytest.raises(UsageError, match="cannot be compared"):
        sshbench.compare(all_found, smaller)


def test_an_evaluator_that_exposes_nothing_has_no_intervals() -> None:
    sample = sshbench.load_dataset("sample")
    truth = {key: (faces.boxes, faces.boxes[:, 2] / 1000) for key, faces in zip(sample.keys, sample.faces, strict=True)}
    found = sshbench.evaluate("sample", truth)
    bare = replace(found, outcome=replace(found.outcome, measures={}, ledgers={}))
    assert dict(bare.intervals()) == {}
    for ask in (lambda: sshbench.analyze(bare), lambda: sshbench.compare(bare, bare, names=["a", "b"])):
        with pytest.raises(UsageError, match="adds up per image"):
            ask()
