"""The processes that `torchrun` started for one training, and the values that they exchange.

Gradients are exchanged by DistributedDataParallel. All other values are small and go through the store in which the
processes met. A collective operation would need tensors on the right device, would time out while the first process
validates, and gloo's threads may still hold such a tensor when Python exits, which aborts the process (observed in one
exit of ten).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

import torch
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from sshbench.runtimes.plan import plan

_TIMEOUT = timedelta(days=2)  # other processes wait while the first one validates; torchrun ends them if it dies
_T = TypeVar("_T")


class Store(Protocol):
    """Key-value store that all processes share; torch's stores have these methods."""

    def set(self, key: str, value: str, /) -> None:
        """Set a value."""

    def get(self, key: str, /) -> bytes:
        """Return a value."""

    def wait(self, keys: list[str], timeout: timedelta, /) -> None:
        """Wait until all keys are set."""


class Processes:
    """The current process among those of the training.

    Args:
        device: Device it computes on: `cpu`, `cuda` or `cuda:N`.
        rank: Its number, from 0.
        world: Number of processes.
        store: Where the processes met; not needed for a single process.

    Attributes:
        device: As given.
        rank: As given.
        world: As given.
    """

    def __init__(self, device: str = "cpu", rank: int = 0, world: int = 1, store: Store | None = None) -> None:
        self.device, self.rank, self.world = device, rank, world
        self._store, self._exchanges = store, 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports progress."""
        return self.rank == 0

    def everyone(self, value: _T) -> list[_T]:
        """Exchange a value: return the values of all processes, ordered by rank.

        Every process must call it, the same number of times and in the same order.

        Args:
            value: Any value that JSON can hold; numbers arrive unchanged to the bit, tuples arrive as lists.
        """
        if self._store is None:
            return [value]
        names = [f"sshbench/{self._exchanges}/{rank}" for rank in range(self.world)]
        self._exchanges += 1
        self._store.set(names[self.rank], json.dumps(value))
        self._store.wait(names, _TIMEOUT)
        return [json.loads(self._store.get(name)) for name in names]


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes of `torchrun`; without it, the process is alone.

    Args:
        device: `cpu`, `cuda` or `cuda:N`. With `torchrun`, each process uses the GPU of its local rank.

    Raises:
        UsageError: The device does not exist.
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
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # After a restart by `torchrun --max-restarts`, the store still has the values and addresses of the first
        # attempt. (On several machines the restart count differs between them and cannot be used.)
        store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
    backend = "nccl" if on_gpu else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=world)
    yield Processes(device, rank, world, store)
    torch.distributed.destroy_process_group()  # not after an error: it could wait for processes that wait for this one
