"""Compare timings: only of equal machines and settings, and by confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.errors import CheckFailedError, UsageError
from sshbench.timing.record import SizeTiming, TimingRecord
from sshbench.timing.statistics import ratio_interval

# What two timings must share before their ratio says anything about the code.
_MACHINE = ("processor", "cores", "architecture", "system", "device", "gpu")
_RECORD = ("detector", "scope", "batch", "threads", "image_source", "settings", "weights_sha256")


@dataclass(frozen=True, slots=True)
class Ratio:
    """New/old latency ratio at one input size.

    Attributes:
        size: Input size.
        ratio: Ratio of the medians; above 1 is slower.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end of the interval.
    """

    size: str
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.size}: {self.ratio:.3f} [{self.low:.3f}, {self.high:.3f}] of the old time"


def differences(new: TimingRecord, old: TimingRecord) -> list[str]:
    """Return the fields in which two timings differ, each with both values."""
    found = [
        f"{name}: {getattr(old, name)!r} and {getattr(new, name)!r}"
        for name in _RECORD
        if getattr(old, name) != getattr(new, name)
    ]
    for name in _MACHINE:
        before, after = old.machine.get(name), new.machine.get(name)
        if before != after:
            found.append(f"machine.{name}: {before!r} and {after!r}")
    return found


def compare_timings(
    new: TimingRecord | str | Path, old: TimingRecord | str | Path, *, force: bool = False
) -> list[Ratio]:
    """Return the ratio of two timings for each input size that both have.

    Args:
        new: A timing, or the file that keeps it.
        old: The timing to compare with, or its file.
        force: Compare although machine or settings differ.

    Raises:
        UsageError: Machine or settings differ (the text names the fields), or no size is in both.
        MissingDataError: There is no such file.
        InputError: A file is not a timing.

    >>> from sshbench.timing import time_detector
    >>> record = time_detector("haar", sizes="90x120", count=1, min_time=0, min_count=5)
    >>> (ratio,) = compare_timings(record, record)
    >>> ratio.size, ratio.ratio
    ('90x120', 1.0)
    """
    new, old = TimingRecord.of(new), TimingRecord.of(old)
    unlike = differences(new, old)
    if unlike and not force:
        raise UsageError(
            "these timings cannot be compared: " + "; ".join(unlike), remedy="Use --force to compare them anyway"
        )
    before = {timing.size: timing for timing in old.sizes}
    ratios = [
        _ratio(timing, before[timing.size], new.scope, old.scope) for timing in new.sizes if timing.size in before
    ]
    if not ratios:
        raise UsageError("these timings have no size in common")
    return ratios


def check_not_slower(ratios: Sequence[Ratio], percent: float) -> None:
    """Raise an error if a ratio's whole interval is slower than allowed; one slow value is not enough.

    Raises:
        CheckFailedError: At a size, the new time is certainly more than `percent` over the old one.
    """
    slower = [ratio for ratio in ratios if ratio.low > 1 + percent / 100]
    if slower:
        raise CheckFailedError(f"slower by more than {percent:g} %: " + "; ".join(map(str, slower)))


def paired_ratios(a: SizeTiming, b: SizeTiming, scope: str) -> tuple[float, float, float]:
    """Return the median ratio a / b of alternating passes, pair by pair, and its 95 % bootstrap interval."""
    tops, bottoms = np.asarray(a.total(scope), dtype=float), np.asarray(b.total(scope), dtype=float)
    count = min(len(tops), len(bottoms))
    ratios = tops[:count] / bottoms[:count]
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (2000, count)), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def _ratio(new: SizeTiming, old: SizeTiming, new_scope: str, old_scope: str) -> Ratio:
    tops, bottoms = np.asarray(new.total(new_scope), dtype=float), np.asarray(old.total(old_scope), dtype=float)
    return Ratio(new.size, *ratio_interval(tops, bottoms))
