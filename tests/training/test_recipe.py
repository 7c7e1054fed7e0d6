"""Recipes are checked field by field, and their hash stays the same from release to release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.ssh.architecture import architecture
from sshbench.ssh.weights import load_weights
from sshbench.training import load_recipe
from sshbench.training.recipe import Data
from sshbench.training.sets import benchmarks_in, validation_set


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"top": "ema = 2"}, "ema"),
        ({"top": "colour = 1"}, "colour"),
        ({"input_": "crop = 100"}, "input.crop"),
        ({"input_": 'resize = "big"'}, "input.resize"),
        ({"input_": ""}, "needs input.crop"),
        ({"optimiser": "batch = 4"}, "optimiser.iterations"),
        ({"optimiser": "batch = 6\niterations = 1", "input_": "crop = 64\ndouble_every = 2"}, "multiple of 4"),
        ({"top": "= 1"}, "not a readable TOML file"),
    ],
)
def test_an_invalid_recipe_names_the_field(
    write_recipe: Callable[..., Path], change: dict[str, str], field: str
) -> None:
    with pytest.raises(InputError, match=field):
        load_recipe(write_recipe(**change))


def test_shipped_recipes() -> None:
    paper = load_recipe("ssh-vgg16")
    assert (paper.optimiser.batch, paper.optimiser.iter_size, paper.optimiser.steps) == (1, 2, (18000,))
    assert (paper.batch_norm, paper.ema, paper.input.crop, paper.input.colour) == (False, 0, 0, 0)
    assert paper.match.rules().positives == 64
    assert architecture(load_recipe("ssh-tiny.toml").architecture).stem == 2
    with pytest.raises(MissingDataError, match="recipe 'nothing' not found"):
        load_recipe("nothing")


def test_the_shipped_weights_record_the_hash_of_their_recipe() -> None:
    """The hash must not change with the code: it decides whether a checkpoint may be resumed."""
    shipped = Path(__file__).parents[2] / "sshbench" / "ssh" / "trained" / "ssh-tiny.safetensors"
    recipe = load_recipe("ssh-tiny")
    assert load_weights(shipped).metadata["origin"] == f"sshbench train, recipe ssh-tiny {recipe.hash}"
    assert recipe.model_copy(update={"seed": 1}).hash != recipe.hash
    assert recipe.model_copy(update={"validate_every": 7, "name": "mine"}).hash == recipe.hash


def test_the_old_name_of_min_face_is_accepted(write_recipe: Callable[..., Path]) -> None:
    new = load_recipe(write_recipe("new", input_="crop = 64\nmin_face = 9"))
    old = load_recipe(write_recipe("old", input_="crop = 64\nleast_face = 9"))
    assert new.input.min_face == 9
    assert (old, old.hash) == (new, new.hash)


def test_benchmarks_in_a_training_set(faces: Path) -> None:
    assert benchmarks_in(Data()) == ("wider",)
    assert benchmarks_in(Data(annotation=("x.txt",))) == ()
    assert benchmarks_in(Data(contains=("fddb",))) == ("fddb",)
    with pytest.raises(UsageError, match="unknown benchmark 'lfw'"):
        benchmarks_in(Data(contains=("lfw",)))
    assert validation_set(Data(), faces) is None
