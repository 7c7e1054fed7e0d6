"""A progress bar with rate and remaining time, on standard error, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY, _AT_LEAST = 60.0, 10.0  # seconds between two lines of a log: at most, and at least
_PATIENCE = 1.0  # seconds: shorter work needs no bar, and not the import of the library that draws it


class Bar(Protocol):
    """The receiver of progress reports."""

    def update(self, n: float, note: str = "") -> None:
        """Add `n` units to what is done; a note, if given, is shown behind the bar."""


class _Silent:
    def update(self, n: float, note: str = "") -> None:
        """Do nothing."""


class _Shown:
    """A bar that appears with the first report after a moment."""

    def __init__(self, description: str, total: float | None, unit: str, done: float) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._began = time.monotonic()
        self._done = self._before = done
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def update(self, n: float, note: str = "") -> None:
        self._done += n
        if self._progress is None:
            if time.monotonic() - self._began < _PATIENCE:
                return
            self._progress = _new_progress(self._unit)
            self._progress.start()
            before = int(self._before)
            self._task = self._progress.add_task(self._description, total=self._total, completed=before, note="")
        assert self._task is not None
        self._progress.update(self._task, completed=self._done)
        if note:
            self._progress.update(self._task, note=note)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


class _Logged:
    """Lines in a log: the first after a while, then one every 60 seconds or 10 %."""

    def __init__(self, description: str, total: float | None, unit: str, done: float) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done = self._before = self._shown = done
        self._began = self._last = time.monotonic()

    def update(self, n: float, note: str = "") -> None:
        self._done += n
        now = time.monotonic()
        step = self._total is not None and self._done - self._shown >= self._total / 10
        if now - self._last >= _EVERY or (step and now - self._last >= _AT_LEAST):
            speed = (self._done - self._before) / (now - self._began)
            text = count_text(self._done, self._total, speed, self._unit)
            print(f"{self._description}: {text}{f'  {note}' if note else ''}", file=sys.stderr, flush=True)
            self._shown, self._last = self._done, now


@contextmanager
def progress_bar(
    description: str, total: float | None, unit: str, *, done: float = 0, enabled: bool = True
) -> Iterator[Bar]:
    """Show progress while the block runs: bar, count, rate and remaining time.

    Args:
        description: What the block does.
        total: How much there is to do, in units, None where not known.
        unit: What is counted, for example `images`; `B` counts bytes and shows MB (10^6 bytes).
        done: How much of `total` was done before, for work that is resumed.
        enabled: False for machines (`--json`). Where standard error is no terminal, long work prints a line every 60
            seconds or 10 %.
    """
    if not enabled:
        yield _Silent()
        return
    if not sys.stderr.isatty():
        yield _Logged(description, total, unit, done)
        return
    bar = _Shown(description, total, unit, done)
    try:
        yield bar
    finally:
        bar.stop()


def _new_progress(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(count_text(task.completed, task.total, task.speed, unit))

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Count(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


def count_text(done: float, total: float | None, speed: float | None, unit: str) -> str:
    """Return how much is done, of how much, and how fast, as text.

    >>> count_text(33, 3226, 12.34, "images")
    '33/3226 images  12.3 images/s'
    >>> count_text(1.5e6, 362752168, None, "B")
    '1.5/362.8 MB'
    """
    scale, digits, shown = (1e6, 1, "MB") if unit == "B" else (1, 0, unit)
    of = "" if total is None else f"/{total / scale:.{digits}f}"
    rate = "" if speed is None else f"  {speed / scale:.1f} {shown}/s"
    return f"{done / scale:.{digits}f}{of} {shown}{rate}"
