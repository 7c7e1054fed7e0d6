"""A progress bar with rate and remaining time, on standard error, where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """What a command reports its progress to."""

    def update(self, done: float) -> None:
        """Add to what is done."""


class _Silent:
    def update(self, done: float) -> None:
        """Nobody is watching."""


@contextmanager
def progress_bar(description: str, total: float | None, unit: str, *, enabled: bool = True) -> Iterator[Bar]:
    """Show progress while the block runs.

    Args:
        description: What is going on.
        total: How much there is to do, None where not known.
        unit: What is counted, for example `images` or `MB`.
        enabled: False for machines (`--json`); also silent where standard error is no terminal.
    """
    if not enabled or not sys.stderr.isatty() or total == 0:
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            of = "" if task.total is None else f"/{task.total:.0f}"
            rate = "" if task.speed is None else f"  {task.speed:.1f} {unit}/s"
            return Text(f"{task.completed:.0f}{of} {unit}{rate}")

    columns = (TextColumn("{task.description}"), BarColumn(), Rate(), TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)

        class Shown:
            def update(self, done: float) -> None:
                progress.update(task, advance=done)

        yield Shown()
