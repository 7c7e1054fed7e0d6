"""A small training set and recipes for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
import torch

from sshbench.evaluation.loading import load_dataset

WriteRecipe = Callable[..., Path]

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
SCALE = 0.4  # of the sample's images: small ones are decoded and validated quickly


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: with such small inputs, further threads only wait for each other, at full load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample at 0.4 of its size in WIDER's layout: 12 images for training, 3 for validation."""
    folder = tmp_path_factory.mktemp("faces")
    sample = load_dataset("sample")
    for name, part in (("train", range(12)), ("val", range(12, 15))):
        lines = []
        for i in part:
            source = sample.image(i).path
            assert source is not None
            image = folder / "images" / f"{sample.keys[i]}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            pixels = cv2.imread(str(source))
            assert pixels is not None
            cv2.imwrite(str(image), cv2.resize(pixels, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA))
            boxes = (sample.faces[i].boxes * SCALE).round()
            lines += [f"{sample.keys[i]}.jpg", str(len(boxes))]
            lines += [f"{x:.0f} {y:.0f} {a - x:.0f} {b - y:.0f} 0 0 0 0 0 0" for x, y, a, b in boxes]
        (folder / f"{name}_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path) -> WriteRecipe:
    """Write a recipe for `faces`, with lines of its own before the first table, in `[input]` and in `[optimiser]`."""

    def write(
        name: str = "recipe",
        *,
        top: str = "",
        input_: str = "crop = 64",
        optimiser: str = "batch = 4\niterations = 6",
    ) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(TINY.format(top=top, input=input_, optimiser=optimiser))
        return path

    return write
