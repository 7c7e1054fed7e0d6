"""The loop resumes exactly where it stopped, and gives the same weights for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sshbench.errors import IdentityError, InputError
from sshbench.training import Recipe, Trainer, load_recipe
from sshbench.training.sets import training_set
from sshbench.training.state import CHECKPOINT

EXTENSIONS = "batch_norm = true\nema = 0.9"


def trained(recipe: Recipe, faces: Path, out: Path, until: int | None = None) -> Trainer:
    trainer = Trainer(recipe, training_set(recipe.data, faces), out)
    trainer.run(until)
    return trainer


def same(left: Trainer, right: Trainer) -> bool:
    pair = left.weights().parameters, right.weights().parameters
    return all(np.array_equal(pair[0][name], pair[1][name]) for name in pair[0])


@pytest.mark.parametrize(
    ("top", "input_", "optimiser"),
    [
        (
            EXTENSIONS,
            "crop = 64\ncolour = 0.4\nmosaic = 0.5\ndouble_every = 3",
            "batch = 4\niterations = 14\nschedule = 'cosine'",
        ),
        ("", 'resize = "60x80"', "iter_size = 2\niterations = 14\nsteps = [12]"),
    ],
    ids=["extensions", "release"],
)
def test_a_training_resumes_exactly(
    faces: Path, write_recipe: Callable[..., Path], tmp_path: Path, top: str, input_: str, optimiser: str
) -> None:
    recipe = load_recipe(write_recipe(top=top, input_=input_, optimiser=optimiser))
    through = trained(recipe, faces, tmp_path / "a")
    for until in (4, 10):  # within a row of the table and at its end
        stopped = trained(recipe, faces, tmp_path / "b", until)
        assert stopped.progress.iteration == until
        stopped.save()
    resumed = trained(recipe, faces, tmp_path / "b")
    assert resumed.progress.losses == through.progress.losses
    assert [row["iteration"] for row in resumed.progress.losses] == [10, 14]
    assert same(resumed, through)


def test_the_same_seed_gives_the_same_weights(faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(top=EXTENSIONS, optimiser="batch = 4\niterations = 3"))
    first, second = (trained(recipe, faces, tmp_path / name) for name in "ab")
    assert same(first, second)
    assert not same(first, trained(recipe.model_copy(update={"seed": 1}), faces, tmp_path / "c"))


def test_a_checkpoint_that_cannot_be_resumed(faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe())
    trained(recipe, faces, tmp_path, until=1).save()
    path = tmp_path / CHECKPOINT
    with pytest.raises(IdentityError, match="uses another recipe"):
        trained(recipe.model_copy(update={"seed": 5}), faces, tmp_path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format": 2}, path)
    with pytest.raises(InputError, match="unknown checkpoint format 2"):
        trained(recipe, faces, tmp_path)
    del content["format"]  # as older versions wrote it
    torch.save(content, path)
    assert trained(recipe, faces, tmp_path, until=1).progress.iteration == 1
    whole = path.read_bytes()
    changes: list[dict[str, Any]] = [
        {"iteration": -1},
        {"losses": [{"lr": 1.0}]},
        {"model": {}},
        {"model": {**content["model"], "conv1_1.weight": torch.zeros(1)}},
        {"optimiser": {}},
    ]
    for change in changes:
        torch.save({**content, **change}, path)
        with pytest.raises(InputError, match="not a valid checkpoint"):
            trained(recipe, faces, tmp_path)
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0x40
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="not a valid checkpoint"):
        trained(recipe, faces, tmp_path)
    path.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="not a valid checkpoint"):
        trained(recipe, faces, tmp_path)
