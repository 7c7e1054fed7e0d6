"""A training on disk: `checkpoint.pt`, which it goes on from exactly, and the table of its losses.

Nothing that is drawn has a state of its own (see `training_data`): the iteration says all.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sshbench.errors import IdentityError, InputError
from sshbench.runs import write_atomic
from sshbench.ssh.train_config import TrainConfig

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Progress:
    """How far a training is.

    Attributes:
        iteration: Steps done.
        losses: A row for every logged iteration: iteration, learning rate, total, then the parts by name.
        recent: By process, the losses of the passes since the last row: total, then the parts by name.
        validation: (iteration, metric, value) rows.
        average: The moving average of the weights; empty for none.
    """

    iteration: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    recent: list[list[dict[str, float]]] = field(default_factory=list)
    validation: list[tuple[int, str, float]] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(
    folder: Path, config: TrainConfig, progress: Progress, model: dict[str, Tensor], optimiser: dict[str, Any]
) -> None:
    """Write the checkpoint, atomically: killed at any moment, the one before is whole."""
    content = {
        "config": config.hash,
        "iteration": progress.iteration,
        "losses": progress.losses,
        "recent": progress.recent,
        "validation": progress.validation,
        "average": progress.average,
        "model": model,
        "optimiser": optimiser,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(folder / CHECKPOINT, buffer.getvalue())


def load_checkpoint(folder: Path, config: TrainConfig) -> tuple[Progress, dict[str, Tensor], dict[str, Any]] | None:
    """The stored training, None where there is none.

    Raises:
        IdentityError: It was made by another recipe.
        InputError: The file is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        stored = str(content["config"])
        progress = Progress(
            int(content["iteration"]),
            list(content["losses"]),
            list(content["recent"]),
            [tuple(row) for row in content["validation"]],
            dict(content["average"]),
        )
        parts = dict(content["model"]), dict(content["optimiser"])
    except Exception as error:  # torch raises many kinds on damaged files
        raise InputError(
            f"is no checkpoint ({type(error).__name__})", file=path, remedy="Remove it to begin anew"
        ) from error
    if stored != config.hash:
        raise IdentityError(
            f"the training in {folder} was begun by another recipe (hash {stored}, now {config.hash})",
            remedy="Name another folder by --out, or remove its checkpoint",
        )
    return progress, *parts
