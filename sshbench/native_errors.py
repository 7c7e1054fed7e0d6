"""What C libraries write to standard error, which Python's `sys.stderr` does not see."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2
_one_at_a_time = threading.Lock()  # the descriptor is the process's


@contextmanager
def captured_lines(start: str) -> Iterator[list[str]]:
    """Collect the lines with a given start that native code writes to standard error in a block.

    Whatever else the process writes there meanwhile appears after the block. Without a standard error, the list stays
    empty.

    >>> with captured_lines("mine: ") as lines:
    ...     _ = os.write(2, b"mine: text")
    >>> lines
    ['mine: text']
    """
    lines: list[str] = []
    with _one_at_a_time, tempfile.TemporaryFile(buffering=0) as sink:
        try:
            kept = os.dup(_STDERR)
        except OSError:
            yield lines
            return
        os.dup2(sink.fileno(), _STDERR)
        try:
            yield lines
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            sink.seek(0)
            for line in sink.read().splitlines(keepends=True):
                if line.startswith(start.encode()):
                    lines.append(line.decode(errors="replace").strip())
                else:
                    with suppress(OSError):
                        os.write(_STDERR, line)
