"""Limit the CPU threads of all libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sshbench.provenance import usable_cores


@contextmanager
def limited_threads(threads: int | None, *, first_core: int = 0) -> Iterator[int]:
    """Limit the CPU threads of all libraries in a block, and undo it at the end.

    On Linux, the process is bound to as many cores: every library counts these, whatever its own option is called.

    Args:
        threads: How many; None for all cores that the process may use, without binding.
        first_core: Position of the first of these cores among those that the process may use.

    Yields:
        The number of threads.

    >>> with limited_threads(1) as count:
    ...     count
    1
    """
    import cv2

    available = usable_cores()
    count = min(threads or available, available)
    before = cv2.getNumThreads()
    bound = threads is not None and hasattr(os, "sched_setaffinity")
    cores = os.sched_getaffinity(0) if bound else set()
    try:
        cv2.setNumThreads(count)
        if bound:
            order = sorted(cores)
            os.sched_setaffinity(0, {order[(first_core + i) % available] for i in range(count)})
        yield count
    finally:
        cv2.setNumThreads(before)
        if bound:
            os.sched_setaffinity(0, cores)
