"""A dataset as Python users see it: images by key, position and slice, their pixels, and a short text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.datasets.base import Dataset
from sshbench.errors import InputError, MissingDataError
from sshbench.images import read_image
from sshbench.records import ImageRecord


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return sshbench.load_dataset("sample")


def test_images_by_key_and_position(sample: Dataset) -> None:
    keys = [image.key for image in sample]
    assert (len(sample), tuple(keys)) == (24, sample.keys)
    assert sample[-1] == sample[23] == sample[keys[23]] == sample.image(23)
    assert keys[3] in sample
    assert "e/none" not in sample
    with pytest.raises(IndexError, match="no image 24: the set has 24 images"):
        sample[24]
    with pytest.raises(KeyError, match=rf"no image '{keys[0]}0'. Did you mean '{keys[0]}'\?"):
        sample[f"{keys[0]}0"]


def test_slices_are_parts(sample: Dataset) -> None:
    part = sample[2:8:3]
    assert part.keys == (sample.keys[2], sample.keys[5])
    assert part.is_part
    assert not sample[:].is_part
    assert part.faces.boxes.tolist() == [*sample.faces[2].boxes.tolist(), *sample.faces[5].boxes.tolist()]
    assert len(sample[30:]) == 0


def test_pixels(sample: Dataset, tmp_path: Path) -> None:
    image = sample[0]
    assert image.path is not None
    assert np.array_equal(image.read(), read_image(image.path))
    with pytest.raises(MissingDataError, match="image 'a' has no file"):
        ImageRecord("a").read()
    with pytest.raises(InputError, match="cannot be read"):
        ImageRecord("a", tmp_path / "a.jpg").read()


def test_it_shows_itself_in_few_words(sample: Dataset) -> None:
    assert repr(sample) == f"Dataset(sample val: 24 images, 174 faces, in {sample.root})"
    assert repr(sample[:3]).startswith("Dataset(sample val: 3 of 24 images, ")
    long = replace(sample, root=Path("/folder" * 200), name="name" * 200)
    assert len(repr(long)) < 300
    assert replace(sample, root=Path("/<b>"))._repr_html_().endswith("in /&lt;b&gt;)</code>")
