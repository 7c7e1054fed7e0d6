"""Verdicts on claims, from measured numbers by stated rules."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from sshbench.records import FloatArray
from sshbench.ssh_paper.record import HEAD_SHARE, MEMORY, MS, Claim, ClaimRow, Place, Ruling, Span, Verdict
from sshbench.timing.statistics import median_interval, ratio_interval

MEMORY_TOLERANCE = 0.05
"""Peak memory is one number of a process. It is taken as known to 5 %."""
HEAD = ("forward: roi pooling", "forward: head")
"""Stages of a two-stage detector that a headless one does not have."""
FEW = 5
"""Passes below which a time has no interval."""
RULES = (
    "A claim is met at a size where the whole 95 % interval of the measured quantity lies where the rule asks for. It "
    "holds where it is met at every measured size, holds at some sizes where it is met at one at least, and else is "
    "not supported here. Times: bootstrap interval of the ratio of medians. Parameters are exact. Peak memory is taken "
    "as known to 5 % for each of the two processes."
)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A row with the nanoseconds of each pass.

    Attributes:
        row: The figures.
        totals: Nanoseconds of each pass in the scope, float64 (n,).
        shares: Share of the head in each pass, float64 (n,); empty for a detector without a head.
    """

    row: ClaimRow
    totals: FloatArray
    shares: FloatArray = field(default_factory=lambda: np.empty(0))


@cache
def claims() -> tuple[Claim, ...]:
    """Return the claims of `claims.toml`, in its order.

    >>> claims()[0].rule
    'parameters of faster-rcnn-vgg16 / ssh above 1'
    """
    content = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))
    return tuple(Claim.model_validate(one) for one in content["claim"])


def judge(claim: Claim, rows: Iterable[Measured]) -> Verdict:
    """Return the verdict on a claim.

    Args:
        claim: The claim.
        rows: All that was measured, in the order of sizes.
    """
    by_size: dict[str, dict[str, Measured]] = {}
    for one in rows:
        if one.row.table == claim.table:
            # By their protocols detectors have different inputs: all of them are one place.
            size = one.row.size if claim.table == "same input" else "own protocol"
            by_size.setdefault(size, {})[one.row.detector] = one
    places = [_place(claim, size, found) for size, found in by_size.items()]
    known = tuple(place for place in places if place is not None)
    return Verdict(claim=claim, rule=claim.rule, ruling=ruling_of([place.met for place in known]), places=known)


def ruling_of(met: Sequence[bool]) -> Ruling:
    """Return the ruling from what was found at each size.

    >>> ruling_of([True, True]), ruling_of([True, False]), ruling_of([False]), ruling_of([])
    ('holds', 'holds at some sizes', 'not supported here', 'not measured')
    """
    if not met:
        return "not measured"
    return "holds" if all(met) else "holds at some sizes" if any(met) else "not supported here"


def lies(span: Span, above: float, below: float | None = None) -> bool:
    """Return whether a whole interval lies above a limit and below another; False without an interval.

    >>> lies(Span(value=1.2, low=1.1, high=1.3), 1.0), lies(Span(value=1.2, low=0.9, high=1.5), 1.0)
    (True, False)
    """
    if span.low is None or span.high is None:
        return False
    return span.low > above and (below is None or span.high < below)


def _place(claim: Claim, size: str, found: Mapping[str, Measured]) -> Place | None:
    if claim.of not in found or (claim.than and claim.than not in found):
        return None
    first, second = found[claim.of], found.get(claim.than)
    span = _span(claim.measure, first, second)
    if span is None:
        return None
    unstable = [one.row.detector for one in (first, second) if one is not None and not one.row.stable]
    note = f"unstable: {', '.join(unstable)}" if unstable and claim.measure in (MS, HEAD_SHARE) else ""
    if span.low is None:
        note = f"fewer than {FEW} passes"
    return Place(size=size, span=span, met=lies(span, claim.above, claim.below), note=note)


def _span(measure: str, first: Measured, second: Measured | None) -> Span | None:
    if measure == HEAD_SHARE:
        return share_span(first.shares) if len(first.shares) else None
    assert second is not None, "only a share stands alone"
    if measure == MS:
        return time_ratio(first.totals, second.totals)
    if measure == MEMORY:
        memory = first.row.peak_memory_mib, second.row.peak_memory_mib
        return None if not memory[0] or not memory[1] else memory_ratio(memory[0], memory[1])
    counts = first.row.parameters, second.row.parameters
    if not counts[0] or not counts[1]:
        return None
    ratio = counts[0] / counts[1]
    return Span(value=ratio, low=ratio, high=ratio)


def time_ratio(first: FloatArray, second: FloatArray) -> Span:
    """Return the ratio of two medians with its interval, none below five passes.

    >>> found = time_ratio(np.full(5, 4.0), np.full(5, 2.0))
    >>> found.value, found.low, found.high
    (2.0, 2.0, 2.0)
    """
    if min(len(first), len(second)) < FEW:
        return Span(value=float(np.median(first) / np.median(second)))
    ratio, low, high = ratio_interval(first, second)
    return Span(value=ratio, low=low, high=high)


def share_span(shares: FloatArray) -> Span:
    """Return the median share with its interval, none below five passes."""
    low, high = median_interval(shares) if len(shares) >= FEW else (None, None)
    return Span(value=float(np.median(shares)), low=low, high=high)


def memory_ratio(first: float, second: float) -> Span:
    """Return the ratio of two peak memories, each known to `MEMORY_TOLERANCE`."""
    ratio = first / second
    apart = (1 + MEMORY_TOLERANCE) / (1 - MEMORY_TOLERANCE)
    return Span(value=ratio, low=ratio / apart, high=ratio * apart)
