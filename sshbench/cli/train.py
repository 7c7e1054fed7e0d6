"""`sshbench train`: options, progress and output."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sshbench.progress import Bar, count_text, progress_bar

if TYPE_CHECKING:
    from sshbench.training import Status


def train_command(
    config: Annotated[str, typer.Option("--config", help="Recipe: ssh-vgg16, ssh-tiny or a .toml file.")],
    data: Annotated[Path, typer.Option(help="Folder of the dataset that the recipe names.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder; a checkpoint in it is resumed.")],
    start: Annotated[Path | None, typer.Option(help="Initial weights, for example a VGG-16 trunk.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    stop_after: Annotated[int | None, typer.Option(help="Stop after this iteration.", min=1)] = None,
    half: Annotated[bool, typer.Option("--half", help="Write the weights as float16.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train SSH, or resume a training after a stop or a kill.

    The output folder gets the checkpoint, weights, tables and curves. After a stop, the same command resumes from the
    last checkpoint. Under torchrun, each process uses its own GPU.

    Examples:

      sshbench train --config ssh-tiny --data faces/ -o runs/train-tiny

      torchrun --nproc-per-node 4 -m sshbench train --config ssh-vgg16 --data ~/WIDER --device cuda -o runs/train-vgg16
    """
    from sshbench.training import train

    with ExitStack() as stack:
        progress = None if as_json else _Progress(stack)
        result = train(
            config, data, out, start=start, device=device, stop_after=stop_after, half=half, progress=progress
        )
    if result.rank:  # the first process of torchrun prints
        return
    files = [str(path) for path in result.files]
    if as_json:
        from sshbench.cli.outputs import TrainOutput
        from sshbench.cli.printing import print_json

        print_json(
            TrainOutput(
                iterations=result.iterations,
                loss=result.loss,
                validation=tuple(result.validation),
                files=tuple(files),
            )
        )
        return
    loss = "" if result.loss is None else f", loss {result.loss:.4f}"
    typer.echo(f"{result.iterations} iterations{loss}")
    for iteration, metric, value in result.validation:
        typer.echo(f"  validation after {iteration}: {metric} {100 * value:.2f}")
    for file in files:
        typer.echo(file)


class _Progress:
    """A progress bar in a terminal; otherwise one line per checkpoint, so that a log file shows the progress too."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._bar: Bar | None = None
        self._done = 0
        self._began = time.monotonic()

    def __call__(self, status: Status) -> None:
        if self._bar is None:
            left = max(status.last - status.first, 0)
            self._bar = self._stack.enter_context(progress_bar("training", left, "iterations"))
            self._done, self._began = status.iteration, time.monotonic()
            return
        if status.saved:
            if status.validation is not None:
                self._bar.update(0, f"{status.validation.metric} {100 * status.validation.value:.1f}")
            if not sys.stderr.isatty():
                print(self._line(status), file=sys.stderr, flush=True)
        else:
            note = "" if status.loss is None else f"loss {status.loss:.3f}"
            self._bar.update(status.iteration - self._done, note)
            self._done = status.iteration

    def _line(self, status: Status) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (status.iteration - status.first) / seconds
        left = timedelta(seconds=round((status.last - status.iteration) / rate)) if rate else timedelta()
        parts = [count_text(status.iteration, status.last, rate, "iterations"), f"{left} left"]
        if status.loss is not None:
            parts.append(f"loss {status.loss:.3f}")
        if status.validation is not None:
            parts.append(f"{status.validation.metric} {100 * status.validation.value:.2f}")
        return "  ".join(parts)
