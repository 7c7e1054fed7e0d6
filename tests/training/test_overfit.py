"""The paper's recipe learns: it overfits eight images. This takes minutes on a CPU, so run it with `pytest -m slow`.

The recipe is `ssh-vgg16` as shipped with four changes: the widths of ssh-tiny, a random trunk instead of ImageNet's,
smaller images and fewer iterations. A second run also changes `border`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.detectors.contract import Prepared
from sshbench.detectors.ssh import SshTiny
from sshbench.images import read_image
from sshbench.records import BoolArray, Detections, FloatArray, Image
from sshbench.ssh.architecture import STRIDES
from sshbench.ssh.preprocess import pair_scale
from sshbench.ssh.weights import save_weights
from sshbench.training import Trainer, load_recipe
from sshbench.training.data import boxes_of
from sshbench.training.recipe import Data
from sshbench.training.sets import average_precision, training_set, validation_set
from sshbench.training.targets import POSITIVE, module_targets

IMAGES = 8
SIZE = "480x640"
NONE = np.empty((0, 4))


@pytest.fixture
def few(shared: Path, tmp_path: Path) -> Path:
    """The first eight portraits of the shared training set that the recipe can learn completely: without ignored
    regions, and with a positive anchor for every face (the recipe gives some faces no positive anchor).
    """
    source = shared / "data" / "train"
    (tmp_path / "images").symlink_to(source / "images")
    whole = training_set(Data(annotation=("train_bbx_gt.txt",), images=("images",)), source)
    kept: list[str] = []
    for i, key in enumerate(whole.keys):
        path = whole.image(i).path
        assert path is not None
        if not key.startswith("portraits/"):
            continue
        pixels = read_image(path)
        faces, ignored = boxes_of(whole, i, pixels, 1)
        if len(faces) and not len(ignored) and all(_learnable(face, pixels) for face in faces):
            assert _away(faces, pixels.shape[:2]).all(), "no face may touch the border"
            rows = [f"{x1:.0f} {y1:.0f} {x2 - x1:.0f} {y2 - y1:.0f}" for x1, y1, x2, y2 in faces]
            kept += [f"{key}.jpg", str(len(rows)), *rows]
        if sum(line.endswith(".jpg") for line in kept) == IMAGES:
            break
    (tmp_path / "few.txt").write_text("\n".join(kept) + "\n")
    return tmp_path


def _learnable(face: FloatArray, pixels: Image) -> bool:
    height, width = pixels.shape[:2]
    short, _, long = SIZE.partition("x")
    scale = pair_scale(height, width, (int(short), int(long)))
    size = round(height * scale), round(width * scale)
    features = [(-(-size[0] // stride), -(-size[1] // stride)) for stride in STRIDES]
    found = (module_targets(m, shape, size, face[None] * scale, NONE).labels for m, shape in enumerate(features))
    return any((labels == POSITIVE).any() for labels in found)


@pytest.mark.slow
@pytest.mark.parametrize("border", [None, 512])
def test_the_recipe_overfits_eight_images(few: Path, tmp_path: Path, border: int | None) -> None:
    """With the release's rule, anchors beyond the border never learn, so detections there are ignored. With `border`,
    an extension, they learn like all others, and every detection counts.
    """
    paper = load_recipe("ssh-vgg16")
    data = Data(annotation=("few.txt",), images=("images",), validation=("few.txt",))
    config = paper.model_copy(
        update={
            "architecture": "ssh-tiny",
            "data": data,
            "input": paper.input.model_copy(update={"resize": SIZE}),
            "match": paper.match.model_copy(update={"border": border}),
            "optimiser": paper.optimiser.model_copy(update={"iterations": 1200, "steps": (1000,)}),
        }
    )
    trainer = Trainer(config, training_set(data, few), tmp_path / "out")
    trainer.run()
    save_weights(tmp_path / "w.safetensors", trainer.weights())
    made = SshTiny if border is not None else AwayFromTheBorder
    settings = replace(made.info.defaults, resize=SIZE)
    detector: Any = made(settings=settings, weights=tmp_path / "w.safetensors")
    detector.load()
    validation = validation_set(data, few)
    assert validation is not None
    metric, value, record = average_precision(detector, *validation)
    assert record.images == IMAGES
    assert metric == "AP/all"
    assert value >= 0.95


class AwayFromTheBorder(SshTiny):
    """A detector without detections that touch the image's border."""

    def preprocess(self, image: Image) -> Prepared:
        self._shape = image.shape[:2]
        return super().preprocess(image)

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        found = super().postprocess(outputs, prepared)
        kept = _away(found.boxes, self._shape)
        return Detections(found.boxes[kept], found.scores[kept])


def _away(boxes: FloatArray, shape: tuple[int, ...]) -> BoolArray:
    height, width = shape
    found: BoolArray = (boxes[:, :2] >= 1).all(axis=1) & (boxes[:, 2] <= width - 2) & (boxes[:, 3] <= height - 2)
    return found
