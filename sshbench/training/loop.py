"""The training loop, on one processor or GPU, or on several with `torchrun`.

Source of the recipe: Najibi et al., SSH, ICCV 2017, section 4.1; SSH release, SSH/configs, models/solver_ssh.prototxt.
`recipe` marks our extensions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sshbench.datasets.base import Dataset
from sshbench.errors import CheckFailedError
from sshbench.ssh.architecture import architecture
from sshbench.ssh.model import SSH
from sshbench.ssh.weights import Weights
from sshbench.training.crops import Sample
from sshbench.training.data import TrainingData
from sshbench.training.loss import Loss, ssh_loss
from sshbench.training.network import network, parameter_groups, updated_average, weights_of
from sshbench.training.processes import Processes
from sshbench.training.recipe import Optimiser, Recipe
from sshbench.training.state import Checkpoint, Progress, fitting_checkpoint, load_checkpoint, save_checkpoint

LOG_EVERY = 10
"""Iterations per row of the table of losses."""
_STEPS_AHEAD = 3  # steps whose images are prepared in advance


class Trainer:
    """A resumable training loop.

    `sshbench.training.train` does the same for files, with validation, checkpoints and weights.

    Args:
        recipe: The recipe.
        dataset: Images and faces to learn from.
        out: Folder of the checkpoint. If it has one, the training resumes from it.
        start: Initial weights.
        processes: Device and other processes; default: a single process on the CPU.

    Attributes:
        progress: Progress so far.

    Raises:
        IdentityError: The folder has the checkpoint of another recipe.
        InputError: The checkpoint is damaged.
        CheckFailedError: The processes found different checkpoints.
        MissingDataError: The dataset has no images.
        UsageError: The initial weights do not fit the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        out: Path,
        *,
        start: Weights | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.recipe, self.out = recipe, out
        self._processes = processes or Processes()
        self._device = torch.device(self._processes.device)
        self._data = TrainingData(dataset, recipe.input, recipe.seed)
        self._model: SSH = network(
            architecture(recipe.architecture), seed=recipe.seed, start=start, batch_norm=recipe.batch_norm
        )
        stored = load_checkpoint(out, recipe)
        self.progress = Progress() if stored is None else stored.progress
        if len(set(reached := self._processes.everyone(self.progress.iteration))) > 1:
            raise CheckFailedError(
                f"the processes found checkpoints of iterations {', '.join(map(str, reached))} in {out}",
                remedy="Use a folder for --out that all machines share",
            )
        if stored is not None:
            with fitting_checkpoint(out):
                self._model.load_state_dict(stored.model)
        placed: Any = self._model  # torch's type hints lack `memory_format`
        placed.to(self._device, memory_format=torch.channels_last)
        groups = parameter_groups(self._model, recipe.optimiser.lr, recipe.optimiser.weight_decay)
        self._optimiser = torch.optim.SGD(
            [dict(group) for group in groups], lr=recipe.optimiser.lr, momentum=recipe.optimiser.momentum
        )
        if stored is not None:
            with fitting_checkpoint(out):
                self._optimiser.load_state_dict(stored.optimiser)
        if recipe.ema:
            average = self.progress.average or self._model.state_dict()
            self.progress.average = {name: value.clone().to(self._device) for name, value in average.items()}
        self._network: nn.Module = self._model
        if self._processes.world > 1:
            self._network = nn.parallel.DistributedDataParallel(self._model)
        recent, rank = self.progress.recent, self._processes.rank
        self._recent: list[dict[str, float]] = recent[rank] if rank < len(recent) else []

    def run(self, until: int | None = None, on_step: Callable[[int, float], None] | None = None) -> None:
        """Train up to an iteration.

        Args:
            until: Last iteration; default: the recipe's.
            on_step: Called after each step with its iteration and its loss.

        Raises:
            CheckFailedError: The loss is not finite.
        """
        last = self.recipe.optimiser.iterations if until is None else min(until, self.recipe.optimiser.iterations)
        self._network.train()
        for iteration, passes in self._steps(last):
            total = self._step(iteration, passes)
            if on_step is not None:
                on_step(iteration + 1, total)

    def save(self) -> None:
        """Write a checkpoint from which a new `Trainer` resumes; only the first process writes.

        Raises:
            CheckFailedError: The processes have different weights.
        """
        if len(set(self._processes.everyone(digest(self._model)))) > 1:
            raise CheckFailedError(
                "the weights of the processes differ", remedy="Report this as a bug, together with the recipe"
            )
        self.progress.recent = self._processes.everyone(self._recent)
        if self._processes.first:
            state, optimiser = self._model.state_dict(), self._optimiser.state_dict()
            save_checkpoint(self.out, self.recipe, Checkpoint(self.progress, state, optimiser))

    def weights(self, **metadata: str) -> Weights:
        """Return the current weights: the moving average if the recipe has one.

        Args:
            **metadata: Text fields of the weights file.
        """
        state = self.progress.average or self._model.state_dict()
        origin = {"origin": f"sshbench train, recipe {self.recipe.name} {self.recipe.hash}", **metadata}
        return weights_of(self._model, state, {**origin, "iterations": str(self.progress.iteration)})

    def _step(self, iteration: int, passes: list[list[Sample]]) -> float:
        optimiser = self.recipe.optimiser
        rate = learning_rate(optimiser, iteration)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        self._optimiser.zero_grad(set_to_none=True)
        losses = []
        for samples in passes:
            loss = self._loss(samples)
            if not math.isfinite(float(loss.total.detach())):
                raise CheckFailedError(
                    f"the loss of iteration {iteration + 1} is not finite",
                    remedy="Lower optimiser.lr, increase optimiser.warmup or set optimiser.gradient_clip",
                )
            (loss.total / len(passes)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss)
        if optimiser.gradient_clip:
            nn.utils.clip_grad_norm_(self._model.parameters(), optimiser.gradient_clip)
        self._optimiser.step()
        self.progress.iteration = iteration + 1
        if self.recipe.ema:
            # A short average at first, so that it soon forgets the first weights.
            decay = min(self.recipe.ema, (1 + iteration) / (10 + iteration))
            self.progress.average = updated_average(self.progress.average, self._model.state_dict(), decay)
        self._log(iteration + 1, rate, losses)
        return sum(float(loss.total.detach()) for loss in losses) / len(losses)

    def _loss(self, samples: list[Sample]) -> Loss:
        batch = torch.from_numpy(np.stack([one.data for one in samples]))
        batch = batch.to(self._device).contiguous(memory_format=torch.channels_last)
        mixed = self.recipe.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16) if mixed else nullcontext():
            outputs = self._network(batch)
        sizes = [(one.data.shape[1], one.data.shape[2]) for one in samples]
        rules = self.recipe.match.rules()
        return ssh_loss(outputs, sizes, [one.faces for one in samples], [one.ignored for one in samples], rules)

    def _log(self, iteration: int, rate: float, losses: list[Loss]) -> None:
        self._recent += [{"total": float(loss.total.detach()), **loss.parts} for loss in losses]
        if iteration % LOG_EVERY and iteration != self.recipe.optimiser.iterations:
            return
        rows = self._processes.everyone(_means(self._recent))
        self.progress.losses.append({"iteration": iteration, "lr": rate, **_means(rows)})
        self._recent = []

    def _steps(self, last: int) -> Iterator[tuple[int, list[list[Sample]]]]:
        """Yield iterations (from 0) with their samples, which other threads prepare in advance."""
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="sshbench-data") as pool:
            ready: dict[int, list[list[Future[Sample]]]] = {}
            try:
                for iteration in range(self.progress.iteration, last):
                    for ahead in range(iteration, min(iteration + _STEPS_AHEAD, last)):
                        if ahead not in ready:
                            ready[ahead] = self._submit(pool, ahead)
                    passes = ready.pop(iteration)
                    yield iteration, [[future.result() for future in samples] for samples in passes]
            finally:
                for passes in ready.values():
                    for samples in passes:
                        for future in samples:
                            future.cancel()

    def _submit(self, pool: ThreadPoolExecutor, iteration: int) -> list[list[Future[Sample]]]:
        optimiser = self.recipe.optimiser
        rank, world = self._processes.rank, self._processes.world
        together = optimiser.iter_size * world if not self.recipe.input.crop else 1
        every = self.recipe.input.double_every
        larger = 2 if every and iteration % every == every - 1 else 1
        passes = []
        for k in range(optimiser.iter_size):
            first = ((iteration * optimiser.iter_size + k) * world + rank) * optimiser.batch
            positions = range(first, first + optimiser.batch // larger**2)
            passes.append([pool.submit(self._data.sample, position, together, larger) for position in positions])
        return passes


def learning_rate(optimiser: Optimiser, iteration: int) -> float:
    """Return the base learning rate of an iteration, counted from 0.

    >>> learning_rate(Optimiser(iterations=10, lr=0.5, steps=(5,)), 7)
    0.05
    """
    rate = optimiser.lr
    if optimiser.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * iteration / optimiser.iterations))
    else:
        rate *= 0.1 ** sum(iteration >= step for step in optimiser.steps)
    if iteration < optimiser.warmup:
        rate *= 0.1 + 0.9 * iteration / optimiser.warmup
    return rate


def digest(model: nn.Module) -> str:
    """Return the SHA-256 of a network's parameters, which shows whether processes have the same weights to the bit.

    Running statistics of batch normalisation are left out, because they depend on each process's own images.
    """
    found = hashlib.sha256()
    for _, parameter in sorted(model.named_parameters()):
        found.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
