"""Clocks that mark the moments between stages and return the nanoseconds between marks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol


class Clock(Protocol):
    """Marks moments, and returns the time between them."""

    def mark(self) -> Any:
        """Return a mark of this moment."""

    def elapsed(self, marks: Sequence[Any]) -> list[int]:
        """Return the nanoseconds between each mark and the next."""


class HostClock:
    """`time.perf_counter_ns`: for work that is done when a call returns."""

    def mark(self) -> int:
        """Return a mark of this moment."""
        return time.perf_counter_ns()

    def elapsed(self, marks: Sequence[int]) -> list[int]:
        """Return the nanoseconds between each mark and the next."""
        return [after - before for before, after in pairwise(marks)]


class CudaClock:
    """CUDA events for stages, with the host's clock as a check of their sum.

    Work on a GPU goes on after the call that asked for it: a host clock alone would time the asking. Events lie in the
    device's own order of work; they are read after one synchronisation at the end.

    Attributes:
        worst_disagreement: Largest relative difference so far between the events' sum and the host's clock.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.worst_disagreement = 0.0

    def mark(self) -> Any:
        """Return a mark of this moment on the device and on the host."""
        import torch

        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event, time.perf_counter_ns()

    def elapsed(self, marks: Sequence[Any]) -> list[int]:
        """Return the nanoseconds between each mark and the next, by the device."""
        import torch

        torch.cuda.synchronize(self._device)
        host = time.perf_counter_ns() - marks[0][1]
        found = [round(before[0].elapsed_time(after[0]) * 1e6) for before, after in pairwise(marks)]
        if host > 0:
            self.worst_disagreement = max(self.worst_disagreement, abs(sum(found) - host) / host)
        return found


def clock_for(device: str) -> Clock:
    """Return the clock for a device: `cpu`, `cuda`, `cuda:1` or `mps`."""
    return CudaClock(device) if device.startswith("cuda") else HostClock()
