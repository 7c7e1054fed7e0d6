"""The checkpoint of a training, `checkpoint.pt`, from which it resumes exactly.

Random numbers need no state of their own: every sample is a function of the seed and its position (see `data`), so the
iteration is enough.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sshbench.errors import IdentityError, InputError
from sshbench.files import write_atomic
from sshbench.training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"
_FORMAT = 1


class Validation(NamedTuple):
    """Result of a validation: iteration, name of the metric, and its value as a fraction."""

    iteration: int
    metric: str
    value: float


@dataclass(slots=True)
class Progress:
    """Progress of a training.

    Attributes:
        iteration: Number of finished steps.
        losses: Table of losses: per row, `iteration`, `lr`, `total` and the parts by name.
        recent: Per process, losses of the passes since the last row: `total` and the parts by name.
        validation: Results of all validations so far.
        average: Moving average of the weights, by name; empty without one.
    """

    iteration: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    recent: list[list[dict[str, float]]] = field(default_factory=list)
    validation: list[Validation] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Content of a checkpoint: progress, and state dicts of the network and its optimiser."""

    progress: Progress
    model: dict[str, Tensor]
    optimiser: dict[str, object]


def save_checkpoint(folder: Path, recipe: Recipe, checkpoint: Checkpoint) -> None:
    """Write the checkpoint atomically: after a kill at any moment, the old or the new one is complete."""
    progress = checkpoint.progress
    content = {
        "format": _FORMAT,
        "config": recipe.hash,
        "iteration": progress.iteration,
        "losses": progress.losses,
        "recent": progress.recent,
        "validation": [tuple(row) for row in progress.validation],
        "average": progress.average,
        "model": checkpoint.model,
        "optimiser": checkpoint.optimiser,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(folder / CHECKPOINT, buffer.getvalue())


@contextmanager
def fitting_checkpoint(folder: Path) -> Iterator[None]:
    """Turn every error of PyTorch about the state in a checkpoint into an InputError that names the file."""
    try:
        yield
    except Exception as error:  # torch raises many kinds
        raise InputError(
            f"not a valid checkpoint of this network ({type(error).__name__}: {error})"[:500],
            file=folder / CHECKPOINT,
            remedy="Restore it from a copy, or train into another folder with --out",
        ) from error


def load_checkpoint(folder: Path, recipe: Recipe) -> Checkpoint | None:
    """Read the checkpoint of a folder; None if there is none.

    Raises:
        IdentityError: It belongs to another recipe.
        InputError: The file is damaged, or a newer version of sshbench wrote it.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not look at the checksums
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"checksum of {damaged}")
        content = torch.load(path, map_location="cpu", weights_only=True)
        version, stored = int(content.get("format", 1)), str(content["config"])
        if version > _FORMAT:
            raise InputError(f"unknown checkpoint format {version}", file=path, remedy="Update sshbench")
        progress = Progress(
            int(content["iteration"]),
            list(content["losses"]),
            list(content["recent"]),
            [Validation(*row) for row in content["validation"]],
            dict(content["average"]),
        )
        if progress.iteration < 0 or not all({"iteration", "total"} <= set(row) for row in progress.losses):
            raise ValueError("iteration or losses")
        checkpoint = Checkpoint(progress, dict(content["model"]), dict(content["optimiser"]))
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds on damaged files
        raise InputError(
            f"not a valid checkpoint ({type(error).__name__})",
            file=path,
            remedy="Restore it from a copy, or train into another folder with --out",
        ) from error
    if stored != recipe.hash:
        raise IdentityError(
            f"the training in {folder} uses another recipe (hash {stored}, the given one has {recipe.hash})",
            remedy="Train into another folder with --out, or with the recipe of this one",
        )
    return checkpoint
