"""A progress bar with rate and remaining time, on standard error, where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """What a command reports its progress to."""

    def update(self, n: float, note: str = "") -> None:
        """Add `n` units to what is done; a note, if given, is shown behind the bar."""


class _Silent:
    def update(self, n: float, note: str = "") -> None:
        """Nobody is watching."""


@contextmanager
def progress_bar(description: str, total: float | None, unit: str, *, enabled: bool = True) -> Iterator[Bar]:
    """Show progress while the block runs: bar, count, rate and remaining time.

    Args:
        description: What is going on.
        total: How much there is to do, in units, None where not known.
        unit: What is counted, for example `images`; `B` counts bytes and shows MB (10^6 bytes).
        enabled: False for machines (`--json`); silent too where standard error is no terminal.
    """
    if not enabled or not sys.stderr.isatty() or total == 0:
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(count_text(task.completed, task.total, task.speed, unit))

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Count(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, note="")

        class Shown:
            def update(self, n: float, note: str = "") -> None:
                if note:
                    progress.update(task, advance=n, note=note)
                else:
                    progress.update(task, advance=n)

        yield Shown()


def count_text(done: float, total: float | None, speed: float | None, unit: str) -> str:
    """What is done, of how much, and how fast.

    >>> count_text(33, 3226, 12.34, "images")
    '33/3226 images  12.3 images/s'
    >>> count_text(1.5e6, 362752168, None, "B")
    '1.5/362.8 MB'
    """
    scale, digits, shown = (1e6, 1, "MB") if unit == "B" else (1, 0, unit)
    of = "" if total is None else f"/{total / scale:.{digits}f}"
    rate = "" if speed is None else f"  {speed / scale:.1f} {shown}/s"
    return f"{done / scale:.{digits}f}{of} {shown}{rate}"
