"""The steps of `sshbench train`, apart from its options."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from sshbench.cli.progress import count_text, progress_bar
from sshbench.datasets import Dataset
from sshbench.detectors.registry import load_detector
from sshbench.protocols import Protocol
from sshbench.ssh.train import Trainer
from sshbench.ssh.train_config import load_config
from sshbench.ssh.train_files import WEIGHTS, write_tables
from sshbench.ssh.train_sets import average_precision, benchmarks_in, training_set, validation_set
from sshbench.ssh.train_state import Progress
from sshbench.ssh.weights import load_weights, save_weights


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; see the command's options."""

    config: str
    data: Path
    out: Path
    start: Path | None = None
    device: str = "cpu"
    stop_after: int | None = None
    half: bool = False
    show_progress: bool = True


def run(request: Request) -> dict[str, Any] | None:
    """Train, with a checkpoint and a validation now and then.

    Returns:
        Iterations, last loss, validation and files; None in all processes of torchrun but the first.
    """
    import cv2

    cv2.setNumThreads(1)  # the images are made ready by threads of our own
    config = load_config(request.config)
    dataset = training_set(config.data, request.data)
    validation = validation_set(config.data, request.data)
    seen = benchmarks_in(config.data)
    start = None if request.start is None else load_weights(request.start)
    with _processes(request.device) as device:
        trainer = Trainer(config, dataset, request.out, start=start, device=device)
        first = trainer.rank == 0
        last = min(request.stop_after or config.optimiser.iterations, config.optimiser.iterations)
        left = max(last - trainer.progress.iteration, 0)
        if first and not left:
            _write_weights(request, trainer, seen)  # a training that is over may be wanted as --half
        said = _Lines(left, enabled=request.show_progress and first)
        with progress_bar("training", left, "iterations", enabled=request.show_progress and first) as bar:
            while trainer.progress.iteration < last:
                stops = [last, _next(trainer.progress.iteration, config.checkpoint_every)]
                if config.validate_every:
                    stops.append(_next(trainer.progress.iteration, config.validate_every))
                trainer.run(min(stops), lambda _, loss: bar.update(1, f"loss {loss:.3f}"))
                done = trainer.progress.iteration
                due = config.validate_every and done % config.validate_every == 0
                if first:
                    _write_weights(request, trainer, seen)
                    if validation is not None and (due or done == config.optimiser.iterations):
                        metric, value = _validate(request, validation, config.validate_resize)
                        trainer.progress.validation.append((done, metric, value))
                        bar.update(0, f"{metric} {100 * value:.1f}")
                trainer.save()
                if first:
                    write_tables(request.out, trainer.progress)
                    said.say(trainer.progress, last)
        if not first:
            return None
        losses = trainer.progress.losses
        return {
            "iterations": trainer.progress.iteration,
            "loss": losses[-1]["total"] if losses else float("nan"),
            "validation": trainer.progress.validation,
            "files": [str(path) for path in [request.out / WEIGHTS, *write_tables(request.out, trainer.progress)]],
        }


class _Lines:
    """A line at every checkpoint where no person watches a bar: a cluster's log should tell how far it is."""

    def __init__(self, left: int, *, enabled: bool) -> None:
        self._enabled = enabled and not sys.stderr.isatty()
        self._left, self._began = left, time.monotonic()

    def say(self, progress: Progress, last: int) -> None:
        if not self._enabled:
            return
        left = last - progress.iteration
        rate = (self._left - left) / max(time.monotonic() - self._began, 1e-9)
        parts = [
            count_text(progress.iteration, last, rate, "iterations"),
            f"{timedelta(seconds=round(left / rate))} left",
        ]
        if progress.losses:
            parts.append(f"loss {progress.losses[-1]['total']:.3f}")
        if progress.validation:
            _, metric, value = progress.validation[-1]
            parts.append(f"{metric} {100 * value:.2f}")
        print("  ".join(parts), file=sys.stderr, flush=True)


def _next(iteration: int, every: int) -> int:
    return (iteration // every + 1) * every


def _write_weights(request: Request, trainer: Trainer, seen: tuple[str, ...]) -> None:
    made = trainer.weights(trained_on=",".join(seen) or "none")
    save_weights(request.out / WEIGHTS, made, half=request.half)


def _validate(request: Request, validation: tuple[Dataset, Protocol], resize: str) -> tuple[str, float]:
    weights = request.out / WEIGHTS
    detector = load_detector("ssh", weights=weights, backend="onnxruntime", resize=resize)
    metric, value, _ = average_precision(detector, *validation)
    return metric, value


@contextmanager
def _processes(device: str) -> Iterator[str]:
    """Join the processes of torchrun, where it started this one, and say what this one computes on."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield device
    finally:
        torch.distributed.destroy_process_group()
