"""The paper's recipe learns: with slim widths it overfits eight images. Minutes on a CPU, so `pytest -m slow`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshbench.detectors.registry import load_detector
from sshbench.ssh.train import Trainer
from sshbench.ssh.train_config import Data, load_config
from sshbench.ssh.train_sets import average_precision, training_set, validation_set
from sshbench.ssh.weights import save_weights

IMAGES = 8
SIZE = "480x640"


@pytest.fixture
def few(shared: Path, tmp_path: Path) -> Path:
    """The first eight images of the shared training set with faces and no ignored region."""
    source = shared / "data" / "train"
    (tmp_path / "images").symlink_to(source / "images")
    lines = (source / "train_bbx_gt.txt").read_text().splitlines()
    kept: list[str] = []
    at = taken = 0
    while taken < IMAGES:
        rows = lines[at + 2 : at + 2 + int(lines[at + 1])]
        if rows and lines[at].startswith("portraits") and all(row.split()[7] == "0" for row in rows):
            kept += [lines[at], str(len(rows)), *rows]
            taken += 1
        at += 2 + max(len(rows), 1)
    (tmp_path / "few.txt").write_text("\n".join(kept) + "\n")
    return tmp_path


@pytest.mark.slow
def test_the_recipe_overfits_eight_images(few: Path, tmp_path: Path) -> None:
    paper = load_config("ssh-vgg16")
    data = Data(annotation=("few.txt",), images=("images",), validation=("few.txt",))
    config = paper.model_copy(
        update={
            "architecture": "ssh-tiny",
            "data": data,
            "input": paper.input.model_copy(update={"resize": SIZE}),
            "optimiser": paper.optimiser.model_copy(update={"iterations": 1200, "steps": (1000,)}),
        }
    )
    trainer = Trainer(config, training_set(data, few), tmp_path / "out")
    trainer.run()
    save_weights(tmp_path / "w.safetensors", trainer.weights())
    detector = load_detector("ssh-tiny", weights=tmp_path / "w.safetensors", resize=SIZE)
    validation = validation_set(data, few)
    assert validation is not None
    metric, value, record = average_precision(detector, *validation)
    assert record.images == IMAGES
    assert metric == "AP/all"
    assert value >= 0.95
