"""The processes of a training, where `torchrun` started several: which one this is, and what they tell each other.

Gradients go by DistributedDataParallel. Everything else is a few words, and goes through the store that the processes
met by: a collective would need tensors on the right device, would time out while the first process validates, and
gloo's threads may still hold such a tensor when Python ends, which aborts the process (seen here: one exit in ten).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch.distributed.rendezvous import rendezvous

from sshbench.ssh.backends import plan

_PATIENCE = timedelta(days=2)  # the others wait while the first process validates; torchrun ends them if it dies


class Processes:
    """This process among those of the training.

    Args:
        device: What it computes on: `cpu`, `cuda` or `cuda:N`.
        rank: Its number.
        world: How many there are.
        store: Where they met; None where it is alone.

    Attributes:
        device: As given.
        rank: As given.
        world: As given.
    """

    def __init__(self, device: str = "cpu", rank: int = 0, world: int = 1, store: Any = None) -> None:
        self.device, self.rank, self.world = device, rank, world
        self._store, self._said = store, 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def everyone(self, value: Any) -> list[Any]:
        """What every process says at this point, by rank. All must call it, as often and in the same order.

        Args:
            value: Anything that JSON holds; numbers come back as they were, to the bit.
        """
        if self.world == 1:
            return [value]
        names = [f"sshbench/{self._said}/{rank}" for rank in range(self.world)]
        self._said += 1
        self._store.set(names[self.rank], json.dumps(value))
        self._store.wait(names, _PATIENCE)
        return [json.loads(self._store.get(name)) for name in names]


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes of torchrun, where it started this one; under it each takes the GPU of its local rank.

    Args:
        device: `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: The device is not there.
    """
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    on_gpu = device.startswith("cuda")
    if on_gpu and not alone:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    plan("torch", device=device)
    if alone:
        yield Processes(device)
        return
    if on_gpu:
        torch.cuda.set_device(device)
    store, rank, world = next(rendezvous("env://"))
    backend = "nccl" if on_gpu else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=world)
    yield Processes(device, rank, world, store)
    torch.distributed.destroy_process_group()  # not after an error: it may wait for processes that wait for this one
