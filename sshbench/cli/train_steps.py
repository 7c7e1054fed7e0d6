"""The steps of `sshbench train`, apart from its options."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sshbench.cli.progress import count_text, progress_bar
from sshbench.datasets import Dataset
from sshbench.detectors.registry import load_detector
from sshbench.protocols import Protocol
from sshbench.ssh.processes import Processes, joined
from sshbench.ssh.train import Trainer
from sshbench.ssh.train_config import TrainConfig, load_config
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
    with joined(request.device) as processes:
        return _train(request, config, processes)


def _train(request: Request, config: TrainConfig, processes: Processes) -> dict[str, Any] | None:
    dataset = training_set(config.data, request.data)
    validation = validation_set(config.data, request.data)
    seen = benchmarks_in(config.data)
    start = None if request.start is None else load_weights(request.start)
    trainer = Trainer(config, dataset, request.out, start=start, processes=processes)
    first, progress = processes.first, trainer.progress
    began, whole = progress.iteration, config.optimiser.iterations
    last = min(request.stop_after or whole, whole)
    left = max(last - began, 0)
    if first and not left:
        _write_weights(request, trainer, seen)  # a training that is over may be wanted as --half
    tables: list[Path] = []
    said = _Lines(left, enabled=request.show_progress and first)
    with progress_bar("training", left, "iterations", enabled=request.show_progress and first) as bar:
        while True:
            if validation is not None and _due(config, progress):
                # The steps are kept already: a validation that fails or is killed loses none, and is made up for.
                found = _validate(request, validation, config.validate_resize, processes.device) if first else None
                metric, value = processes.everyone(found)[0]
                progress.validation.append((progress.iteration, metric, value))
                trainer.save()
                bar.update(0, f"{metric} {100 * value:.1f}")
            if first:
                tables = write_tables(request.out, progress)
                if progress.iteration > began:
                    said.say(progress, last)
            if progress.iteration >= last:
                break
            stops = [last, _next(progress.iteration, config.checkpoint_every)]
            if config.validate_every:
                stops.append(_next(progress.iteration, config.validate_every))
            trainer.run(min(stops), lambda _, loss: bar.update(1, f"loss {loss:.3f}"))
            if first:
                _write_weights(request, trainer, seen)
            trainer.save()
    if not first:
        return None
    return {
        "iterations": progress.iteration,
        "loss": progress.losses[-1]["total"] if progress.losses else float("nan"),
        "validation": progress.validation,
        "files": [str(path) for path in [request.out / WEIGHTS, *tables]],
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
        if progress.validation and progress.validation[-1][0] == progress.iteration:
            _, metric, value = progress.validation[-1]
            parts.append(f"{metric} {100 * value:.2f}")
        print("  ".join(parts), file=sys.stderr, flush=True)


def _due(config: TrainConfig, progress: Progress) -> bool:
    done = progress.iteration
    regular = bool(done and config.validate_every) and done % config.validate_every == 0
    wanted = regular or done == config.optimiser.iterations
    return wanted and all(iteration != done for iteration, _, _ in progress.validation)


def _next(iteration: int, every: int) -> int:
    return (iteration // every + 1) * every


def _write_weights(request: Request, trainer: Trainer, seen: tuple[str, ...]) -> None:
    made = trainer.weights(trained_on=",".join(seen) or "none")
    save_weights(request.out / WEIGHTS, made, half=request.half)


def _validate(request: Request, validation: tuple[Dataset, Protocol], resize: str, device: str) -> tuple[str, float]:
    backend = "onnxruntime" if device == "cpu" else "torch"
    detector = load_detector("ssh", weights=request.out / WEIGHTS, backend=backend, device=device, resize=resize)
    metric, value, _ = average_precision(detector, *validation)
    return metric, value
