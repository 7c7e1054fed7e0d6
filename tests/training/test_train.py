"""Training goes on exactly where it stopped, gives the same weights again, and the same on several processes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed import HashStore

from sshbench.datasets import Dataset, load_dataset
from sshbench.errors import CheckFailedError, IdentityError, InputError, MissingDataError, UsageError
from sshbench.resources import sample_dir
from sshbench.ssh.architecture import architecture
from sshbench.ssh.model import SSH
from sshbench.ssh.processes import Processes
from sshbench.ssh.torch_weights import model_of
from sshbench.ssh.train import Trainer, learning_rate
from sshbench.ssh.train_config import Data, Input, Optimiser, TrainConfig, load_config
from sshbench.ssh.train_network import network, parameter_groups, weights_of
from sshbench.ssh.train_sets import benchmarks_in, training_set, validation_set
from sshbench.ssh.train_state import CHECKPOINT
from sshbench.ssh.training_data import TrainingData, boxes_of, cropped, flipped
from sshbench.ssh.weights import load_weights, random_weights

TINY = """
name = "test"
architecture = "ssh-tiny"
{top}
[data]
annotation = ["train_bbx_gt.txt"]
images = ["images"]
validation = ["val_bbx_gt.txt"]
[input]
{input}
[optimiser]
{optimiser}
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a training set in WIDER's layout: 12 images to learn from, 4 to validate on."""
    folder = tmp_path_factory.mktemp("faces")
    sample = load_dataset("sample")
    shutil.copytree(sample_dir() / "WIDER_val" / "images", folder / "images")
    for name, part in (("train", range(12)), ("val", range(12, 16))):
        lines = []
        for i in part:
            boxes = sample.faces[i].boxes
            lines += [f"{sample.keys[i]}.jpg", str(len(boxes))]
            lines += [f"{x:.0f} {y:.0f} {a - x:.0f} {b - y:.0f} 0 0 0 0 0 0" for x, y, a, b in boxes]
        (folder / f"{name}_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    return folder


def recipe(
    path: Path, *, top: str = "", input_: str = "crop = 128", optimiser: str = "batch = 4\niterations = 6"
) -> Path:
    path.write_text(TINY.format(top=top, input=input_, optimiser=optimiser))
    return path


def trained(config: TrainConfig, faces: Path, out: Path, until: int | None = None) -> Trainer:
    trainer = Trainer(config, training_set(config.data, faces), out)
    trainer.run(until)
    return trainer


def same(left: Trainer, right: Trainer) -> bool:
    pair = left.weights().parameters, right.weights().parameters
    return all(np.array_equal(pair[0][name], pair[1][name]) for name in pair[0])


OURS = "batch_norm = true\nema = 0.9"


@pytest.mark.parametrize(
    ("top", "input_", "optimiser"),
    [
        (
            OURS,
            "crop = 128\ncolour = 0.4\nmosaic = 0.5\ndouble_every = 3",
            "batch = 4\niterations = 20\nschedule = 'cosine'",
        ),
        ("", 'resize = "120x160"', "iter_size = 2\niterations = 20\nsteps = [15]"),
    ],
)
def test_a_training_goes_on_exactly(faces: Path, tmp_path: Path, top: str, input_: str, optimiser: str) -> None:
    config = load_config(str(recipe(tmp_path / "r.toml", top=top, input_=input_, optimiser=optimiser)))
    through = trained(config, faces, tmp_path / "a")
    for until in (4, 10):  # amid a row of losses and after one
        stopped = trained(config, faces, tmp_path / "b", until)
        assert stopped.progress.iteration == until
        stopped.save()
    again = trained(config, faces, tmp_path / "b")
    assert again.progress.losses == through.progress.losses
    assert [row["iteration"] for row in again.progress.losses] == [10, 20]
    assert same(again, through)


def test_the_same_seed_gives_the_same_weights(faces: Path, tmp_path: Path) -> None:
    config = load_config(str(recipe(tmp_path / "r.toml", top=OURS)))
    first, second = (trained(config, faces, tmp_path / name) for name in "ab")
    assert same(first, second)
    other = load_config(str(recipe(tmp_path / "r.toml", top=f"{OURS}\nseed = 1")))
    assert not same(first, trained(other, faces, tmp_path / "c"))


def test_two_processes_learn_what_one_with_twice_the_batch_learns(faces: Path, tmp_path: Path) -> None:
    """And they go on after a stop as if there had been none: the one process is not stopped."""

    def train(processes: int, *options: str) -> dict[str, Any]:
        path = recipe(tmp_path / f"{processes}.toml", optimiser=f"batch = {4 // processes}\niterations = 5")
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
        command += ["-m", "sshbench", "train", "--config", str(path), "--data", str(faces), *options]
        done = subprocess.run(
            [*command, "-o", str(tmp_path / f"out{processes}"), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        # One line: the other process says nothing. That both hold the same weights is checked at every checkpoint.
        (line,) = done.stdout.splitlines()
        report: dict[str, Any] = json.loads(line)
        return report

    alone = train(1)
    assert train(2, "--stop-after", "3")["iterations"] == 3
    together = train(2)
    assert together["loss"] == pytest.approx(alone["loss"], rel=1e-5)
    one, two = (load_weights(tmp_path / f"out{processes}" / "weights.safetensors") for processes in (1, 2))
    for name, array in one.parameters.items():
        np.testing.assert_allclose(two.parameters[name], array, atol=1e-6, rtol=1e-4)


class Disagreeing(Processes):
    """Beside a process that holds other weights."""

    def everyone(self, value: Any) -> list[Any]:
        return [value, "other weights"] if isinstance(value, str) else [value]


def test_processes_that_come_apart_are_stopped(faces: Path, tmp_path: Path) -> None:
    config = load_config(str(recipe(tmp_path / "r.toml")))
    dataset = training_set(config.data, faces)
    store = HashStore()
    store.set("sshbench/0/1", "7")
    with pytest.raises(CheckFailedError, match="checkpoints of iterations 0, 7"):
        Trainer(config, dataset, tmp_path / "a", processes=Processes("cpu", 0, 2, store))
    trainer = Trainer(config, dataset, tmp_path / "a", processes=Disagreeing())
    trainer.run(1)
    with pytest.raises(CheckFailedError, match="different weights"):
        trainer.save()
    assert not (tmp_path / "a").exists()


def test_another_recipe_does_not_go_on_with_a_training(faces: Path, tmp_path: Path) -> None:
    config = load_config(str(recipe(tmp_path / "r.toml")))
    trained(config, faces, tmp_path / "a", until=1).save()
    other = config.model_copy(update={"seed": 5})
    with pytest.raises(IdentityError, match="another recipe"):
        trained(other, faces, tmp_path / "a")
    (tmp_path / "a" / CHECKPOINT).write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="no checkpoint"):
        trained(config, faces, tmp_path / "a")


def test_command(sshbench: Any, faces: Path, tmp_path: Path) -> None:
    path = recipe(
        tmp_path / "r.toml",
        top=f"{OURS}\nvalidate_every = 4\ncheckpoint_every = 5",
        optimiser="batch = 4\niterations = 12",
    )
    given = ["train", "--config", path, "--data", faces, "-o", tmp_path / "out"]
    code, out, err = sshbench(*given, "--stop-after", 5, "--json")
    assert code == 0, err
    assert json.loads(out)["iterations"] == 5
    code, out, err = sshbench(*given, "--stop-after", 8)
    assert code == 0, err
    assert re.search(r"^8/8 iterations  .* iterations/s  0:00:00 left  AP/all \d", err, re.M), err
    code, out, err = sshbench(*given, "--half", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert [row[0] for row in report["validation"]] == [4, 8, 12]
    assert [Path(file).name for file in report["files"]] == [
        "weights.safetensors",
        "loss.csv",
        "validation.csv",
        "training.png",
    ]
    rows = list(csv.DictReader((tmp_path / "out" / "loss.csv").read_text().splitlines()))
    assert [row["iteration"] for row in rows] == ["10", "12"]
    assert float(rows[-1]["total"]) == report["loss"]
    weights = load_weights(tmp_path / "out" / "weights.safetensors")
    assert weights.metadata["iterations"] == "12"
    assert weights.metadata["trained_on"] == "none"
    written = (tmp_path / "out" / "weights.safetensors").read_bytes()
    code, _, err = sshbench(*given, "--json")
    assert code == 0, err
    assert (tmp_path / "out" / "weights.safetensors").stat().st_size > 1.9 * len(written), "the same, not halved"
    code, _, err = sshbench(*given, "--half", "--json")
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == written
    evaluate = [
        "eval",
        "--dataset",
        "sample",
        "--detector",
        "ssh-tiny",
        "--backend",
        "onnxruntime",
        "--limit",
        2,
        "--json",
    ]
    code, out, err = sshbench(*evaluate, "--weights", tmp_path / "out" / "weights.safetensors", "-o", tmp_path / "run")
    assert code == 0, err
    assert json.loads(out)["domain"] == "cross-data"
    code, _, err = sshbench(*given[:2], "ssh-tny", *given[3:])
    assert (code, "Did you mean 'ssh-tiny'" in err) == (2, True)


@pytest.mark.parametrize(
    ("kind", "folder", "file"),
    [("coco", "", "a.json"), ("pascal", "", "a.csv"), ("fddb", "2002/01/01/big", "a.txt")],
)
def test_every_dataset_of_the_suite_can_be_learnt(
    sshbench: Any, faces: Path, tmp_path: Path, kind: str, folder: str, file: str
) -> None:
    images = tmp_path / "images" / folder
    images.mkdir(parents=True)
    text = (faces / "train_bbx_gt.txt").read_text()
    for image in re.findall(r".*\.jpg", text):
        shutil.copy(faces / "images" / image, images)
    listed = tmp_path / "wider.txt"
    listed.write_text(re.sub(r".*/(.*\.jpg)", f"{folder}/\\1".lstrip("/"), text))
    convert = ["data", "convert", listed, tmp_path / file, "--from", "wider", "--to", kind]
    code, _, err = sshbench(*convert, "--images", tmp_path / "images")
    assert code == 0, err
    path = recipe(tmp_path / "r.toml", optimiser="batch = 4\niterations = 2")
    path.write_text(
        path.read_text()
        .replace("train_bbx_gt.txt", file)
        .replace("val_bbx_gt.txt", file)
        .replace("[data]", f"[data]\ndataset = '{kind}'")
    )
    code, out, err = sshbench("train", "--config", path, "--data", tmp_path, "-o", tmp_path / "out", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["iterations"], len(report["validation"])) == (2, 1)
    config = load_config(str(path))
    wider = training_set(Data(annotation=("wider.txt",), images=("images",)), tmp_path)
    learnt = training_set(config.data, tmp_path)
    assert learnt.keys == wider.keys
    # FDDB's ellipses are inscribed in the boxes: their own boxes are these again.
    for ours, theirs in zip(learnt.faces, wider.faces, strict=True):
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-6)


def test_a_validation_that_fails_loses_no_step_and_is_made_up_for(
    sshbench: Any, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path / "r.toml", top="validate_every = 2", optimiser="batch = 4\niterations = 3")
    given = ["train", "--config", path, "--data", faces, "-o", tmp_path / "out", "--json"]

    def fails(*_: object) -> None:
        raise CheckFailedError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("sshbench.cli.train_steps._validate", fails)
        code, _, err = sshbench(*given)
        assert (code, "the disk is gone" in err) == (1, True), err
    assert trained(load_config(str(path)), faces, tmp_path / "out", until=0).progress.iteration == 2
    code, out, err = sshbench(*given)
    assert code == 0, err
    assert [row[0] for row in json.loads(out)["validation"]] == [2, 3]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"top": "ema = 2"}, "ema"),
        ({"top": "colour = 1"}, "colour"),
        ({"input_": "crop = 100"}, "input.crop"),
        ({"input_": 'resize = "big"'}, "input.resize"),
        ({"input_": ""}, "needs input.crop"),
        ({"optimiser": "batch = 4"}, "optimiser.iterations"),
        ({"optimiser": "batch = 6\niterations = 1", "input_": "crop = 64\ndouble_every = 2"}, "four divides"),
    ],
)
def test_a_wrong_recipe_names_the_field(tmp_path: Path, change: dict[str, str], field: str) -> None:
    with pytest.raises(InputError, match=field):
        load_config(str(recipe(tmp_path / "r.toml", **change)))


def test_shipped_recipes() -> None:
    paper = load_config("ssh-vgg16")
    assert (paper.optimiser.batch, paper.optimiser.iter_size, paper.optimiser.steps) == (1, 2, (18000,))
    assert (paper.batch_norm, paper.ema, paper.input.crop, paper.input.colour) == (False, 0, 0, 0)
    assert paper.match.rules().positives == 64
    assert architecture(load_config("ssh-tiny.toml").architecture).stem == 2
    with pytest.raises(MissingDataError, match="no recipe"):
        load_config("nothing")


def test_learning_rate() -> None:
    steps = Optimiser(iterations=21000, lr=0.004, steps=(18000,))
    assert [learning_rate(steps, i) for i in (0, 17999)] == [0.004, 0.004]
    assert learning_rate(steps, 18000) == pytest.approx(0.0004)
    cosine = Optimiser(iterations=100, lr=1.0, schedule="cosine", warmup=10)
    assert learning_rate(cosine, 0) == pytest.approx(0.1)
    assert learning_rate(cosine, 50) == pytest.approx(0.5)
    assert learning_rate(cosine, 100) == pytest.approx(0.0)


def test_bias_rules_and_frozen_stages() -> None:
    widths = architecture("ssh-vgg16")
    model = SSH(widths)
    for name in (name for stage in model.stages[: widths.frozen] for name in stage):
        getattr(model, name).requires_grad_(False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rules = {}
    for group in parameter_groups(model, 0.004, 0.0005):
        for parameter in group["params"]:
            rules[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    assert not any(name.startswith(("conv1", "conv2")) for name in rules)
    assert rules["conv3_1.weight"] == (0.004, 0.0005)
    assert rules["conv3_1.bias"] == (0.008, 0.0005)
    assert rules["m1.dimred.weight"] == (0.004, 0.0005)
    assert rules["m1.dimred.bias"] == (0.008, 0.0)
    assert rules["conv4_128.bias"] == (0.008, 0.0)


def test_the_first_weights() -> None:
    widths = architecture("ssh-tiny")
    trunk = random_weights(widths, seed=9)
    model = network(widths, seed=0, start=trunk)
    state = model.state_dict()
    np.testing.assert_array_equal(state["conv3_1.weight"].numpy(), trunk.parameters["conv3_1.weight"])
    fresh = network(widths, seed=0).state_dict()
    assert float(fresh["m2.conv3x3.weight"].std()) == pytest.approx(0.01, rel=0.05)
    assert not fresh["m2.conv3x3.bias"].any()
    pixels = 60 * torch.randn((1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    seen: list[float] = []
    drawn = network(widths, seed=0)
    last = drawn.get_submodule("conv5_2")
    last.register_forward_hook(lambda _, __, output: seen.append(float(output.detach().std())))
    drawn(pixels)
    assert 0.2 < seen[0] < 5, "a drawn trunk keeps activations near one, whatever the size of pixels"
    with pytest.raises(UsageError, match="scaled anew"):
        network(widths, seed=0, start=trunk, batch_norm=True)
    with pytest.raises(UsageError, match="first weights are of"):
        network(architecture("ssh-vgg16"), seed=0, start=trunk)


def test_batch_normalisation_is_folded() -> None:
    model = network(architecture("ssh-tiny"), seed=0, batch_norm=True)
    x = torch.randn((4, 3, 96, 96), generator=torch.Generator().manual_seed(0)) * 50
    for _ in range(20):
        model(x)
    model.eval()
    folded = model_of(weights_of(model, model.state_dict(), {}))
    with torch.no_grad():
        for (cls, bbox), (folded_cls, folded_bbox) in zip(model(x), folded(x), strict=True):
            torch.testing.assert_close(folded_cls, cls, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(folded_bbox, bbox, rtol=1e-3, atol=1e-4)


@pytest.fixture
def dataset(faces: Path) -> Dataset:
    return training_set(Data(annotation=("train_bbx_gt.txt",), images=("images",)), faces)


def test_samples_are_a_function_of_their_position(dataset: Dataset) -> None:
    rules = Input(crop=128, colour=0.5, mosaic=0.5, grey=0.2, blur=0.2)
    first, second = TrainingData(dataset, rules, 3), TrainingData(dataset, rules, 3)
    for position in (0, 5, 40):
        left, right = first.sample(position), second.sample(position)
        assert left.data.shape == (3, 128, 128)
        np.testing.assert_array_equal(left.data, right.data)
        np.testing.assert_array_equal(left.faces, right.faces)
    assert first.sample(7, larger=2).data.shape == (3, 256, 256)


def test_whole_images_and_their_mirror(dataset: Dataset) -> None:
    data = TrainingData(dataset, Input(resize="120x160"), 0)
    assert len(data) == 24
    seen: dict[bytes, int] = {}
    for position in range(24):
        one = data.sample(position)
        back = flipped(flipped(one))
        np.testing.assert_array_equal(back.data, one.data)
        np.testing.assert_allclose(back.faces, one.faces)
        assert min(one.data.shape[1:]) <= 120
        assert max(one.data.shape[1:]) <= 160
        canonical = min(one.data.tobytes(), flipped(one).data.tobytes())
        seen[canonical] = seen.get(canonical, 0) + 1
    assert set(seen.values()) == {2}


def test_aspect_grouping(faces: Path, tmp_path: Path) -> None:
    import cv2

    (tmp_path / "images" / "a").mkdir(parents=True)
    lines = []
    for i in range(10):
        shape = (60, 100, 3) if i % 3 else (100, 60, 3)
        cv2.imwrite(str(tmp_path / "images" / "a" / f"{i}.jpg"), np.full(shape, 99, dtype=np.uint8))
        lines += [f"a/{i}.jpg", "1", "10 10 20 20"]
    (tmp_path / "t.txt").write_text("\n".join(lines) + "\n")
    data = TrainingData(
        training_set(Data(annotation=("t.txt",), images=("images",)), tmp_path), Input(resize="60x100"), 0
    )
    shapes = [data.sample(position, together=2).data.shape for position in range(20)]
    mixed = sum(shapes[i] != shapes[i + 1] for i in range(0, 20, 2))
    assert mixed == 0
    assert len(set(shapes)) == 2


def test_boxes_are_rounded_capped_and_told_apart(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "images" / "a").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images" / "a" / "b.jpg"), np.zeros((50, 80, 3), dtype=np.uint8))
    rows = ["10.4 10.6 20 20 0 0 0 0 0 0", "70 40 30 30 0 0 0 0 0 0", "5 5 3 3 0 0 0 0 0 0", "20 20 0 9 0 0 0 0 0 0"]
    (tmp_path / "t.txt").write_text("\n".join(["a/b.jpg", "5", *rows, "30 5 20 20 0 0 0 1 0 0"]) + "\n")
    made = training_set(Data(annotation=("t.txt",), images=("images",)), tmp_path)
    pixels = np.zeros((50, 80, 3), dtype=np.uint8)
    kept, ignored = boxes_of(made, 0, pixels, 8)
    assert kept.tolist() == [[10, 11, 30, 31], [70, 40, 79, 49]]
    assert ignored.tolist() == [[5, 5, 8, 8], [30, 5, 50, 25]]
    assert len(boxes_of(made, 0, pixels, 1)[0]) == 3


def test_crops_show_their_face() -> None:
    rng = np.random.default_rng(0)
    image = np.full((200, 300, 3), 50, dtype=np.uint8)
    image[80:120, 100:140] = 250
    box = np.array([[100.0, 80, 139, 119]])
    for _ in range(50):
        one = cropped(image, box, np.empty((0, 4)), Input(crop=128, face_sizes=(20, 60)), 128, 1.0, rng)
        bright = one.data[0] > 50
        if not len(one.faces):
            continue
        x1, y1, x2, y2 = np.round(one.faces[0]).astype(int)
        inner = bright[y1 + 2 : y2 - 1, x1 + 2 : x2 - 1]
        assert inner.mean() > 0.95
        assert bright.sum() <= (x2 - x1 + 3) * (y2 - y1 + 3)


def test_what_a_model_has_seen(faces: Path) -> None:
    assert benchmarks_in(Data()) == ("wider",)
    assert benchmarks_in(Data(annotation=("x.txt",))) == ()
    assert benchmarks_in(Data(contains=("fddb",))) == ("fddb",)
    with pytest.raises(UsageError, match="knows no 'lfw'"):
        benchmarks_in(Data(contains=("lfw",)))
    assert validation_set(Data(), faces) is None
