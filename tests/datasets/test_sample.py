"""The bundled sample: small, in WIDER's layout, with the variety it promises, and made again byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from sshbench.datasets.base import Dataset
from sshbench.evaluation.check import check_dataset
from sshbench.evaluation.loading import load_dataset
from sshbench.files import sample_dir
from sshbench.formats.wider_truth import read_text
from sshbench.protocols import load_protocol

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return load_dataset("sample")


@pytest.fixture(scope="module")
def script(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(ROOT / "scripts" / "make_sample.py")


def test_size_is_at_most_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in sample_dir().rglob("*") if path.is_file()) <= 3_000_000


def test_counts_are_those_of_the_protocol() -> None:
    report = check_dataset(load_protocol("sample"), None)
    assert [item for item in report.items if not item.ok] == []


def test_scenes_vary(sample: Dataset) -> None:
    faces = sample.faces
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    valid = heights[faces.attributes["invalid"] == 0]
    assert valid.min() <= 12
    assert valid.max() >= 200
    assert sum(len(image) == 0 for image in faces) >= 2
    for attribute, codes in (("blur", {0, 1, 2}), ("occlusion", {0, 1, 2}), ("illumination", {0, 1}), ("pose", {0, 1})):
        assert set(faces.attributes[attribute].tolist()) == codes


def test_subsets_are_nested_and_obey_their_rule(sample: Dataset) -> None:
    faces = sample.faces
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    heavy = (faces.attributes["blur"] == 2).astype(int) + (faces.attributes["occlusion"] == 2)
    valid = faces.attributes["invalid"] == 0
    expected = {
        "easy": valid & (heights >= 50) & (heavy == 0),
        "medium": valid & (heights >= 30) & (heavy <= 1),
        "hard": valid & (heights >= 10),
    }
    for name, counts in expected.items():
        np.testing.assert_array_equal(~faces.ignore[name], counts)


def test_text_and_mat_say_the_same(sample: Dataset) -> None:
    text = read_text(sample_dir() / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    assert text.keys == sample.keys
    np.testing.assert_array_equal(text.boxes, sample.faces.boxes)
    for name, values in sample.faces.attributes.items():
        np.testing.assert_array_equal(text.attributes[name], values)


def test_boxes_lie_inside_their_images(sample: Dataset) -> None:
    for i, faces in enumerate(sample.faces):
        image = cv2.imread(str(sample.image(i).path))
        assert image is not None
        height, width = image.shape[:2]
        assert (faces.boxes >= 0).all()
        assert (faces.boxes[:, 2] <= width).all()
        assert (faces.boxes[:, 3] <= height).all()


def test_notice_names_every_source(script: ModuleType) -> None:
    notice = (ROOT / "NOTICE").read_text()
    assert [name for name in script.SOURCES if name not in notice] == []


SHAPES = {
    "astronaut.png": (512, 512),
    "grace_hopper.jpg": (600, 512),
    "brick.png": (512, 512),
    "chelsea.png": (300, 451),
    "coffee.png": (400, 600),
    "grass.png": (512, 512),
    "gravel.png": (512, 512),
    "hubble_deep_field.jpg": (872, 1000),
    "rocket.jpg": (427, 640),
}


@pytest.mark.thorough
def test_script_makes_the_same_annotation_again(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where faces are placed depends on the sizes of the photographs, not on what they show: grey ones do.
    monkeypatch.setattr(script, "read_checked", lambda path, _: np.full((*SHAPES[path.name], 3), 99, dtype=np.uint8))
    studio = script.Studio(tmp_path)
    script.compose(studio)
    script.write(studio, tmp_path / "out")
    made = [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".txt", ".mat")]
    assert len(made) == 5
    for path in made:
        assert path.read_bytes() == (sample_dir() / path.relative_to(tmp_path / "out")).read_bytes()


def test_script_refuses_another_source(script: ModuleType, tmp_path: Path) -> None:
    for name in script.SOURCES:
        (tmp_path / name).write_bytes(b"another file")
    with pytest.raises(SystemExit, match=r"astronaut.png is not the source it should be"):
        script.Studio(tmp_path)
