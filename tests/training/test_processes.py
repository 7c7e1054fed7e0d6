"""Several processes: what they exchange, and that they learn what one process learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed import HashStore  # type: ignore[attr-defined]

from sshbench.errors import CheckFailedError, UsageError
from sshbench.ssh.weights import load_weights
from sshbench.training import Trainer, load_recipe, train
from sshbench.training.processes import Processes, joined
from sshbench.training.sets import training_set

_T = TypeVar("_T")


def test_alone() -> None:
    with joined("cpu") as processes:
        assert processes.everyone({"loss": 0.1}) == [{"loss": 0.1}]
        assert (processes.first, processes.world, processes.device) == (True, 1, "cpu")


@given(sent=st.lists(st.tuples(*[st.floats(allow_nan=False)] * 3), min_size=1, max_size=4))
def test_everyone_gets_the_same_values_by_rank_and_to_the_bit(sent: list[tuple[float, ...]]) -> None:
    store = HashStore()

    def exchange(rank: int) -> list[list[float]]:
        processes = Processes("cpu", rank, 3, store)
        assert processes.first == (rank == 0)
        return [processes.everyone(values[rank]) for values in sent]

    with ThreadPoolExecutor(3) as pool:
        received = list(pool.map(exchange, range(3)))
    assert received == [[list(values) for values in sent]] * 3


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_a_missing_device(device: str) -> None:
    with pytest.raises(UsageError, match=device), joined(device):
        pass


@pytest.mark.thorough
def test_two_processes_killed_and_resumed_learn_what_one_learns_with_twice_the_batch(
    faces: Path, write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    """The first process is killed (SIGKILL) in step 3; torch's launcher restarts both from the checkpoint of step 2."""
    one = write_recipe("one", optimiser="batch = 4\niterations = 5")
    two = write_recipe("two", top="checkpoint_every = 2", optimiser="batch = 2\niterations = 5")
    alone = train(one, faces, tmp_path / "one")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("launch.py")), two, faces, tmp_path / "two"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "SIGKILL" in done.stderr
    # One line: the second process prints nothing. Every checkpoint checks that both have the same weights.
    (line,) = done.stdout.splitlines()
    report = json.loads(line)
    assert report["iterations"] == 5
    assert report["loss"] == pytest.approx(alone.loss, rel=1e-5)
    expected, found = (load_weights(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, atol=1e-6, rtol=1e-4)


class Disagreeing(Processes):
    """A process beside another one with other weights."""

    def everyone(self, value: _T) -> list[_T]:
        return [value, f"other {value}"] if isinstance(value, str) else [value]  # type: ignore[list-item]


def test_processes_that_differ_are_stopped(faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe())
    dataset = training_set(recipe.data, faces)
    store = HashStore()
    store.set("sshbench/0/1", "7")
    with pytest.raises(CheckFailedError, match="checkpoints of iterations 0, 7"):
        Trainer(recipe, dataset, tmp_path / "a", processes=Processes("cpu", 0, 2, store))
    trainer = Trainer(recipe, dataset, tmp_path / "a", processes=Disagreeing())
    trainer.run(1)
    with pytest.raises(CheckFailedError, match="weights of the processes differ"):
        trainer.save()
    assert not (tmp_path / "a").exists()
