"""Verdicts follow from measured numbers by the stated rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.ssh_paper.judging import (
    MEMORY_TOLERANCE,
    Measured,
    claims,
    judge,
    lies,
    memory_ratio,
    ruling_of,
    share_span,
    time_ratio,
)
from sshbench.ssh_paper.plan import SUBJECTS
from sshbench.ssh_paper.record import Claim, ClaimRow, Span, Table

TIMES = st.lists(st.floats(1e6, 1e9), min_size=5, max_size=12).map(np.array)
BY_ID = {claim.id: claim for claim in claims()}


def row(
    detector: str, ms: float, *, size: str = "400x800", table: Table = "same input", passes: int = 6, **changes: Any
) -> Measured:
    totals = 1e6 * ms * (1 + 0.001 * np.arange(passes, dtype=np.float64))
    content: dict[str, Any] = {
        "table": table,
        "detector": detector,
        "title": detector,
        "size": size,
        "weights": "random, seed 0, 1000 candidates",
        "parameters": 10,
        "gflop": 1.0,
        "weights_bytes": 40,
        "peak_memory_mib": 100,
        "total": Span(value=ms),
        "stages": {},
        "passes": passes,
        "stable": True,
        "file": "timings/x.json",
    }
    shares = np.full(passes, float(changes.pop("share"))) if "share" in changes else np.empty(0)
    return Measured(ClaimRow(**(content | changes)), totals, shares)


def test_every_claim_is_of_detectors_that_are_measured_and_names_its_source() -> None:
    names = {one.name for one in SUBJECTS}
    assert len(BY_ID) == len(claims()) == 12
    for claim in claims():
        assert {claim.of, claim.than} - {""} <= names
        assert claim.source
        assert (claim.measure == "head share") is (claim.than == "")
    assert {claim.origin for claim in claims()} == {"paper", "arithmetic"}
    assert [BY_ID[f"{more}faster-than-hr-protocol"].above for more in ("", "five-times-")] == [1.0, 5.0]


@pytest.mark.parametrize(
    ("ms", "ruling"),
    [
        ({"400x800": 2.0, "800x1200": 1.5}, "holds"),
        ({"400x800": 2.0, "800x1200": 0.9}, "holds at some sizes"),
        ({"400x800": 0.5}, "not supported here"),
        ({}, "not measured"),
    ],
)
def test_a_claim_of_time(ms: dict[str, float], ruling: str) -> None:
    rows = [
        row(name, 100 * (1 if name == "ssh" else f), size=s) for s, f in ms.items() for name in ("ssh", "hr-resnet101")
    ]
    verdict = judge(BY_ID["faster-than-hr-same-input"], rows)
    assert verdict.ruling == ruling
    assert [place.size for place in verdict.places] == list(ms)
    for place, factor in zip(verdict.places, ms.values(), strict=True):
        assert place.span.value == pytest.approx(factor)


def test_rows_of_the_other_table_and_without_a_partner_do_not_count() -> None:
    claim = BY_ID["faster-than-hr-same-input"]
    assert judge(claim, [row("hr-resnet101", 200)]).ruling == "not measured"
    other = [row("hr-resnet101", 200, table="protocol"), row("ssh", 100, table="protocol")]
    assert judge(claim, other).ruling == "not measured"
    apart = [row("hr-resnet101", 200, size="640x640"), row("ssh", 100)]
    assert judge(claim, apart).ruling == "not measured"


def test_protocols_are_compared_although_their_inputs_differ() -> None:
    rows = [
        row("ssh", 182, table="protocol", size="1200x1600"),
        row("hr-resnet101", 1010, table="protocol", size="four"),
    ]
    faster, five = (judge(BY_ID[f"{more}faster-than-hr-protocol"], rows) for more in ("", "five-times-"))
    assert (faster.ruling, five.ruling) == ("holds", "holds")
    assert five.places[0].span.value == pytest.approx(5.55, abs=0.01)
    rows[1] = row("hr-resnet101", 800, table="protocol", size="four")
    assert judge(BY_ID["five-times-faster-than-hr-protocol"], rows).ruling == "not supported here"


def test_few_passes_have_no_interval_and_decide_nothing() -> None:
    rows = [row("ssh", 100, passes=4), row("hr-resnet101", 900, passes=4)]
    verdict = judge(BY_ID["faster-than-hr-same-input"], rows)
    assert (verdict.ruling, verdict.places[0].note) == ("not supported here", "fewer than 5 passes")


def test_unstable_series_are_said() -> None:
    rows = [row("ssh", 100, stable=False), row("hr-resnet101", 900)]
    assert judge(BY_ID["faster-than-hr-same-input"], rows).places[0].note == "unstable: ssh"


def test_a_claim_of_equality_has_two_sides() -> None:
    claim = BY_ID["sibling-same-input"]
    for ms, ruling in ((97, "holds"), (126, "not supported here"), (79, "not supported here")):
        assert judge(claim, [row("ssh", 100), row("s3fd", ms)]).ruling == ruling


def test_the_share_of_the_head() -> None:
    claim = BY_ID["head-time"]
    small, large = row("faster-rcnn-vgg16", 9, share=0.3), row("faster-rcnn-vgg16", 9, share=0.05, size="1200x1600")
    assert judge(claim, [small]).ruling == "holds"
    assert judge(claim, [small, large]).ruling == "holds at some sizes"
    assert judge(claim, [row("faster-rcnn-vgg16", 9)]).ruling == "not measured", "a detector that is not timed in parts"


def test_parameters_are_exact_and_memory_is_not() -> None:
    exact = BY_ID["lighter-parameters"]
    assert judge(exact, [row("ssh", 1, parameters=100), row("faster-rcnn-vgg16", 1, parameters=101)]).ruling == "holds"
    memory = BY_ID["lighter-memory"]
    for mib, ruling in ((112, "holds"), (104, "not supported here"), (90, "not supported here")):
        rows = [row("ssh", 1, peak_memory_mib=100), row("faster-rcnn-vgg16", 1, peak_memory_mib=mib)]
        assert judge(memory, rows).ruling == ruling
    assert judge(memory, [row("ssh", 1, peak_memory_mib=None), row("faster-rcnn-vgg16", 1)]).ruling == "not measured"


@given(st.lists(st.booleans(), max_size=6))
def test_rulings(met: list[bool]) -> None:
    ruling = ruling_of(met)
    assert (ruling == "holds") is (bool(met) and all(met))
    assert (ruling == "not measured") is (not met)
    assert (ruling == "holds at some sizes") is (any(met) and not all(met))


@given(TIMES, TIMES)
def test_a_ratio_lies_in_its_interval_and_turns_over(first: np.ndarray, second: np.ndarray) -> None:
    one = time_ratio(first, second)
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.high
    assert one.value == pytest.approx(float(np.median(first) / np.median(second)))
    assert time_ratio(first, first).value == 1.0
    assert not lies(time_ratio(first, first), 1.0), "nothing is faster than itself"
    assert not (lies(one, 1.0) and lies(time_ratio(second, first), 1.0)), "not both are the faster one"


@given(TIMES, st.floats(1.001, 50))
def test_a_longer_time_by_every_pass_is_seen(times: np.ndarray, factor: float) -> None:
    spread = float(times.max() / times.min())
    assert lies(time_ratio(times * factor * spread, times), 1.0)


@given(st.integers(1, 10**6), st.floats(1.0, 3.0))
def test_memory_must_differ_by_more_than_both_tolerances(mib: int, factor: float) -> None:
    sure = factor > (1 + MEMORY_TOLERANCE) / (1 - MEMORY_TOLERANCE) * (1 + 1e-9)
    if abs(factor - (1 + MEMORY_TOLERANCE) / (1 - MEMORY_TOLERANCE)) > 1e-6:
        assert lies(memory_ratio(mib * factor, mib), 1.0) is sure


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12).map(np.array))
def test_shares(shares: np.ndarray) -> None:
    span = share_span(shares)
    assert span.value == float(np.median(shares))
    assert (span.low is None) is (len(shares) < 5)
    assert not lies(span, 1.0)


@given(st.floats(0.01, 100), st.floats(0, 10), st.floats(0, 10), st.floats(0, 100), st.floats(0, 100))
def test_the_whole_interval_decides(value: float, down: float, up: float, above: float, wide: float) -> None:
    span = Span(value=value, low=value - down, high=value + up)
    assert lies(span, above, above + wide) is (above < value - down and value + up < above + wide)
    assert lies(span, above) or not lies(span, above, above + wide)
    assert not lies(Span(value=value), above)


def test_rules_in_words() -> None:
    named: dict[str, Any] = {
        "id": "x",
        "words": "w",
        "source": "s",
        "certainty": "ours",
        "table": "protocol",
        "measure": "memory",
    }
    claim = Claim(**named, of="a", than="b", above=0.5, below=2)
    assert claim.rule == "peak memory of a / b above 0.5 and below 2"
