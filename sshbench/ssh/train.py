"""The training loop: on one processor or GPU, or on several by `torchrun`.

Source of the recipe: Najibi et al., SSH, ICCV 2017, section 4.1; SSH release, SSH/configs, models/solver_ssh.prototxt.
What is ours says so in `train_config`.
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
from sshbench.ssh.loss import Loss, ssh_loss
from sshbench.ssh.model import SSH
from sshbench.ssh.processes import Processes
from sshbench.ssh.train_config import Optimiser, TrainConfig
from sshbench.ssh.train_network import network, parameter_groups, updated_average, weights_of
from sshbench.ssh.train_state import Progress, load_checkpoint, save_checkpoint
from sshbench.ssh.training_data import Sample, TrainingData
from sshbench.ssh.weights import Weights

LOGGED = 10
"""Iterations whose mean is one row of the table of losses."""
_AHEAD = 3  # steps whose images are made ready meanwhile


class Trainer:
    """A training that can be stopped after any step and gone on with.

    Args:
        config: The recipe.
        dataset: Images and faces to learn from.
        out: Folder of the checkpoint.
        start: Weights to start from.
        processes: Device and companions of this process; default: alone on the CPU.

    Attributes:
        progress: How far it is.

    Raises:
        SshbenchError: The folder holds another training, the recipe does not fit the data, or the processes do not see
            the same folder.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        out: Path,
        *,
        start: Weights | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.config, self.out = config, out
        self._processes = processes or Processes()
        self._device = torch.device(self._processes.device)
        self._data = TrainingData(dataset, config.input, config.seed)
        self._model: SSH = network(
            architecture(config.architecture), seed=config.seed, start=start, batch_norm=config.batch_norm
        )
        stored = load_checkpoint(out, config)
        self.progress = Progress() if stored is None else stored[0]
        if len(set(reached := self._processes.everyone(self.progress.iteration))) > 1:
            raise CheckFailedError(
                f"the processes found checkpoints of iterations {', '.join(map(str, reached))} in {out}",
                remedy="All machines must share the folder of --out",
            )
        if stored is not None:
            self._model.load_state_dict(stored[1])
        placed: Any = self._model  # the stubs leave `memory_format` out
        placed.to(self._device, memory_format=torch.channels_last)
        groups = parameter_groups(self._model, config.optimiser.lr, config.optimiser.weight_decay)
        self._optimiser = torch.optim.SGD(groups, lr=config.optimiser.lr, momentum=config.optimiser.momentum)
        if stored is not None:
            self._optimiser.load_state_dict(stored[2])
        if config.ema:
            average = self.progress.average or self._model.state_dict()
            self.progress.average = {name: value.clone().to(self._device) for name, value in average.items()}
        self._network: nn.Module = self._model
        if self._processes.world > 1:
            self._network = nn.parallel.DistributedDataParallel(self._model)
        stored_recent = self.progress.recent
        rank = self._processes.rank
        self._recent: list[dict[str, float]] = stored_recent[rank] if rank < len(stored_recent) else []

    def run(self, until: int | None = None, on_step: Callable[[int, float], None] | None = None) -> None:
        """Train up to an iteration.

        Args:
            until: Default: the recipe's last.
            on_step: Called after each step with its iteration and its loss.

        Raises:
            CheckFailedError: The loss is no number any more.
        """
        last = self.config.optimiser.iterations if until is None else min(until, self.config.optimiser.iterations)
        self._network.train()
        for iteration, passes in self._steps(last):
            total = self._step(iteration, passes)
            if on_step is not None:
                on_step(iteration, total)

    def save(self) -> None:
        """Keep everything, so that the same command goes on from here; only the first process writes.

        Raises:
            CheckFailedError: The processes' weights have come apart.
        """
        if len(set(self._processes.everyone(digest(self._model)))) > 1:
            raise CheckFailedError("the processes hold different weights", remedy="Report it with the recipe")
        self.progress.recent = self._processes.everyone(self._recent)
        if self._processes.first:
            state, optimiser = self._model.state_dict(), self._optimiser.state_dict()
            save_checkpoint(self.out, self.config, self.progress, state, optimiser)

    def weights(self, **metadata: str) -> Weights:
        """What was learnt so far: the moving average where there is one."""
        state = self.progress.average or self._model.state_dict()
        said = {"origin": f"sshbench train, recipe {self.config.name} {self.config.hash}", **metadata}
        return weights_of(self._model, state, {**said, "iterations": str(self.progress.iteration)})

    def _step(self, iteration: int, passes: list[list[Sample]]) -> float:
        rules, optimiser = self.config.match.rules(), self.config.optimiser
        rate = learning_rate(optimiser, iteration)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        self._optimiser.zero_grad(set_to_none=True)
        losses = []
        for samples in passes:
            batch = torch.from_numpy(np.stack([one.data for one in samples]))
            batch = batch.to(self._device).contiguous(memory_format=torch.channels_last)
            mixed = self.config.precision == "bf16"
            with torch.autocast(self._device.type, torch.bfloat16) if mixed else nullcontext():
                outputs = self._network(batch)
            sizes = [(one.data.shape[1], one.data.shape[2]) for one in samples]
            loss = ssh_loss(outputs, sizes, [one.faces for one in samples], [one.ignored for one in samples], rules)
            if not math.isfinite(float(loss.total.detach())):
                raise CheckFailedError(
                    f"the loss of iteration {iteration + 1} is no number",
                    remedy="Lower optimiser.lr, lengthen optimiser.warmup or set optimiser.gradient_clip",
                )
            (loss.total / len(passes)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss)
        if optimiser.gradient_clip:
            nn.utils.clip_grad_norm_(self._model.parameters(), optimiser.gradient_clip)
        self._optimiser.step()
        self.progress.iteration = iteration + 1
        if self.config.ema:
            # Short at first: an average over the beginning would carry it along for long.
            decay = min(self.config.ema, (1 + iteration) / (10 + iteration))
            self.progress.average = updated_average(self.progress.average, self._model.state_dict(), decay)
        self._log(iteration + 1, rate, losses)
        return sum(float(loss.total.detach()) for loss in losses) / len(losses)

    def _log(self, iteration: int, rate: float, losses: list[Loss]) -> None:
        self._recent += [{"total": float(loss.total.detach()), **loss.parts} for loss in losses]
        if iteration % LOGGED and iteration != self.config.optimiser.iterations:
            return
        rows = self._processes.everyone(_means(self._recent))
        self.progress.losses.append({"iteration": iteration, "lr": rate, **_means(rows)})
        self._recent = []

    def _steps(self, last: int) -> Iterator[tuple[int, list[list[Sample]]]]:
        """Iterations with their samples, which are made ready by other threads meanwhile."""
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="sshbench-data") as pool:
            ready: dict[int, list[list[Future[Sample]]]] = {}
            try:
                for iteration in range(self.progress.iteration, last):
                    for ahead in range(iteration, min(iteration + _AHEAD, last)):
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
        optimiser = self.config.optimiser
        rank, world = self._processes.rank, self._processes.world
        together = optimiser.iter_size * world if not self.config.input.crop else 1
        every = self.config.input.double_every
        larger = 2 if every and iteration % every == every - 1 else 1
        passes = []
        for k in range(optimiser.iter_size):
            first = ((iteration * optimiser.iter_size + k) * world + rank) * optimiser.batch
            positions = range(first, first + optimiser.batch // larger**2)
            passes.append([pool.submit(self._data.sample, position, together, larger) for position in positions])
        return passes


def learning_rate(optimiser: Optimiser, iteration: int) -> float:
    """The rate of an iteration (from 0)."""
    rate = optimiser.lr
    if optimiser.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * iteration / optimiser.iterations))
    else:
        rate *= 0.1 ** sum(iteration >= step for step in optimiser.steps)
    if iteration < optimiser.warmup:
        rate *= 0.1 + 0.9 * iteration / optimiser.warmup
    return rate


def digest(model: nn.Module) -> str:
    """The SHA-256 of a network's parameters, by which processes see whether they hold the same, bit by bit.

    Running statistics of batch normalisation are left out: each process has those of its own images.
    """
    found = hashlib.sha256()
    for _, parameter in sorted(model.named_parameters()):
        found.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
