"""Samples: order, mirror images, crops and boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sshbench.datasets import Dataset
from sshbench.training.crops import cropped, flipped
from sshbench.training.data import TrainingData, boxes_of
from sshbench.training.recipe import Data, Input
from sshbench.training.sets import training_set


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
