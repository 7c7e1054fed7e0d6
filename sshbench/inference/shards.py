"""Parts of a dataset for processes that do not talk to each other, such as the tasks of a job array."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError

_VARIABLES = (  # number of the task, number of tasks, least number of a task
    ("RANK", "WORLD_SIZE", None),  # torchrun
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    ("SLURM_PROCID", "SLURM_NTASKS", None),
)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of a dataset.

    Attributes:
        number: Which one, from 1.
        count: How many there are.
    """

    number: int
    count: int

    @property
    def folder(self) -> str:
        """Name of the part's run folder.

        >>> Shard(2, 8).folder
        'shard-2-of-8'
        """
        return f"shard-{self.number}-of-{self.count}"

    def of(self, dataset: Dataset) -> Dataset:
        """Return the part of a dataset: every `count`-th image, so that all parts have as much of every event.

        Raises:
            UsageError: There are fewer images than parts.
        """
        keys = set(dataset.keys[self.number - 1 :: self.count])
        if not keys:
            raise UsageError(
                f"part {self.number} of {self.count} has no image: there are {len(dataset)}", remedy="Use fewer parts"
            )
        return dataset.restricted(keys)


def parse_shard(text: str) -> Shard:
    """Read `K/N`, or `auto`: K and N from the variables that torchrun and SLURM set.

    Raises:
        UsageError: It is neither, or the variables are not there.

    >>> parse_shard("2/8")
    Shard(number=2, count=8)
    """
    if text == "auto":
        return _from_environment()
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 10**6):
        raise UsageError(f"invalid --shard '{text}'", remedy="Write K/N with K from 1 to N, for example 1/8; or auto")
    return Shard(int(number), int(count))


def _from_environment() -> Shard:
    for number, count, least in _VARIABLES:
        values = [os.environ.get(name, "") for name in (number, count)]
        first = os.environ.get(least, "0") if least else "0"
        if all(value.isdecimal() for value in (*values, first)):
            return parse_shard(f"{int(values[0]) - int(first) + 1}/{values[1]}")
    names = " or ".join(f"{number} and {count}" for number, count, _ in _VARIABLES)
    raise UsageError(f"--shard auto: {names} are not set", remedy="Start with torchrun or SLURM, or write --shard K/N")
