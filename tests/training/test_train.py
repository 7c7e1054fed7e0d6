"""Whole trainings, in Python and on the command line: checkpoints, validation, files, progress."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.errors import CheckFailedError, InputError, UsageError
from sshbench.ssh.weights import load_weights
from sshbench.training import Status, Trainer, load_recipe, train
from sshbench.training.recipe import Data
from sshbench.training.sets import training_set


def test_train(sshbench: Any, faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = write_recipe(
        top="batch_norm = true\nema = 0.9\nvalidate_every = 8\ncheckpoint_every = 5",
        optimiser="batch = 4\niterations = 12",
    )
    out, seen = tmp_path / "out", list[Status]()
    result = train(recipe, faces, out, stop_after=5, progress=seen.append)
    assert (result.iterations, result.loss, result.files) == (5, None, [out / "weights.safetensors"])
    assert [(status.iteration, status.saved) for status in seen] == [*((i, False) for i in range(6)), (5, True)]
    assert {(status.first, status.last) for status in seen} == {(0, 5)}
    seen.clear()
    result = train(str(recipe), str(faces), str(out), half=True, progress=seen.append)
    assert [status.iteration for status in seen if status.saved] == [8, 10, 12]
    assert [status.validation for status in seen if status.validation] == result.validation
    assert [(row.iteration, row.metric) for row in result.validation] == [(8, "AP/all"), (12, "AP/all")]
    names = ["weights.safetensors", "loss.csv", "validation.csv", "training.png"]
    assert result.files == [out / name for name in names]
    assert len(repr(result)) < 1500
    rows = list(csv.DictReader((out / "loss.csv").read_text().splitlines()))
    assert [row["iteration"] for row in rows] == ["10", "12"]
    assert float(rows[-1]["total"]) == result.loss == result.losses[-1]["total"]
    weights = load_weights(out / "weights.safetensors")
    assert (weights.metadata["iterations"], weights.metadata["trained_on"]) == ("12", "none")
    # A finished training can be written again, with other options.
    half = (out / "weights.safetensors").read_bytes()
    assert train(recipe, faces, out) == result
    assert (out / "weights.safetensors").stat().st_size > 1.9 * len(half)
    train(recipe, faces, out, half=True)
    assert (out / "weights.safetensors").read_bytes() == half
    options = [
        "--dataset",
        "sample",
        "--detector",
        "ssh-tiny",
        "--backend",
        "onnxruntime",
        "--limit",
        1,
        "--resize",
        "100x150",
        "--json",
    ]
    code, text, err = sshbench("eval", *options, "--weights", out / "weights.safetensors", "-o", tmp_path / "run")
    assert code == 0, err
    assert json.loads(text)["domain"] == "cross-data"


def test_initial_weights(faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = write_recipe(optimiser="batch = 1\niterations = 1\nlr = 1e-9")
    shipped = Path(__file__).parents[2] / "sshbench" / "ssh" / "trained" / "ssh-tiny.safetensors"
    train(recipe, faces, tmp_path / "out", start=shipped, stop_after=1)
    start, end = load_weights(shipped), load_weights(tmp_path / "out" / "weights.safetensors")
    for name, array in start.parameters.items():
        np.testing.assert_allclose(end.parameters[name], array, atol=1e-4)


def test_command(sshbench: Any, faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = write_recipe(optimiser="batch = 1\niterations = 3")
    options = ["train", "--config", recipe, "--data", faces, "-o", tmp_path / "out"]
    code, text, err = sshbench(*options, "--stop-after", 1, "--json")
    assert (code, err) == (0, "")
    files = [str(tmp_path / "out" / "weights.safetensors")]
    assert json.loads(text) == {"format": 1, "iterations": 1, "loss": None, "validation": [], "files": files}
    code, text, err = sshbench(*options, "--half")
    assert code == 0, err
    assert re.fullmatch(r"3/3 iterations  .* iterations/s  0:00:00 left  loss \d\.\d+  AP/all \d+\.\d\d\n", err), err
    assert re.match(r"3 iterations, loss \d\.\d{4}\n  validation after 3: AP/all \d+\.\d\d\n/", text), text
    code, text, err = sshbench(*options, "--half", "--json")
    assert [Path(file).name for file in json.loads(text)["files"]] == [
        "weights.safetensors",
        "loss.csv",
        "validation.csv",
        "training.png",
    ]
    code, _, err = sshbench("train", "--config", "ssh-tny", *options[3:])
    assert (code, "Did you mean 'ssh-tiny'" in err) == (2, True)


def test_training_without_torch(tmp_path: Path) -> None:
    arguments = ["sshbench", "train", "--config", "ssh-tiny", "--data", str(tmp_path), "-o", str(tmp_path / "out")]
    code = f"import sys; sys.modules['torch'] = None; sys.argv = {arguments}; from sshbench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "sshbench: training needs torch. Install it: pip install 'sshbench[ssh]'\n",
    )


@pytest.mark.parametrize(
    ("kind", "folder", "file"),
    [("coco", "", "a.json"), ("pascal", "", "a.csv"), ("fddb", "2002/01/01/big", "a.txt")],
)
def test_training_on_every_dataset_format(
    sshbench: Any, faces: Path, write_recipe: Callable[..., Path], tmp_path: Path, kind: str, folder: str, file: str
) -> None:
    images = tmp_path / "images" / folder
    images.mkdir(parents=True)
    text = (faces / "train_bbx_gt.txt").read_text()
    for image in re.findall(r".*\.jpg", text):
        shutil.copy(faces / "images" / image, images)
    (tmp_path / "wider.txt").write_text(re.sub(r".*/(.*\.jpg)", f"{folder}/\\1".lstrip("/"), text))
    convert = ["data", "convert", tmp_path / "wider.txt", tmp_path / file, "--from", "wider", "--to", kind]
    code, _, err = sshbench(*convert, "--images", tmp_path / "images")
    assert code == 0, err
    path = write_recipe(optimiser="batch = 4\niterations = 1")
    path.write_text(
        path.read_text()
        .replace("train_bbx_gt.txt", file)
        .replace("val_bbx_gt.txt", file)
        .replace("[data]", f"[data]\ndataset = '{kind}'")
    )
    result = train(path, tmp_path, tmp_path / "out")
    assert (result.iterations, len(result.validation)) == (1, 1)
    wider = training_set(Data(annotation=("wider.txt",), images=("images",)), tmp_path)
    learned = training_set(load_recipe(path).data, tmp_path)
    assert learned.keys == wider.keys
    # FDDB's ellipses are inscribed in the boxes, so their own boxes are the same again.
    for ours, theirs in zip(learned.faces, wider.faces, strict=True):
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-6)


def test_a_failed_validation_loses_no_step_and_is_repeated(
    faces: Path, write_recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe(top="validate_every = 2", optimiser="batch = 4\niterations = 3")

    def fails(*_: object) -> None:
        raise CheckFailedError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("sshbench.training.run.average_precision", fails)
        with pytest.raises(CheckFailedError, match="the disk is full"):
            train(path, faces, tmp_path / "out")
    recipe = load_recipe(path)
    assert Trainer(recipe, training_set(recipe.data, faces), tmp_path / "out").progress.iteration == 2
    result = train(path, faces, tmp_path / "out")
    assert [row.iteration for row in result.validation] == [2, 3]


def test_two_trainings_do_not_share_a_folder(faces: Path, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(UsageError, match="another process trains in"):
        train(write_recipe(), faces, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        train(write_recipe(), faces, tmp_path / "file")


@pytest.mark.parametrize(
    ("input_", "says"),
    [
        ("crop = 640000", "crop"),
        ("crop = 64\nface_sizes = [40, 10]", "rising"),
        ("crop = 64\nscales = [0, 1]", "rising"),
        (f"crop = {'9' * 5000}", "TOML"),
        (f"crop = {'[' * 3000}{']' * 3000}", "TOML"),
    ],
)
def test_an_invalid_recipe(write_recipe: Callable[..., Path], input_: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_recipe(write_recipe(input_=input_))
