"""YOLO datasets as users have them: folders with and without data.yaml, splits, classes, polygons and landmarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from sshbench.datasets.base import Dataset
from sshbench.datasets.coco import find_json
from sshbench.datasets.yolo import load_yolo
from sshbench.datasets.yolo_layout import find_layout
from sshbench.errors import InputError, MissingDataError, SshbenchError
from sshbench.formats.yolo_rows import TRUTH, parse_rows

SIZE = (200, 100)


def image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PilImage.new("RGB", size).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def codes(dataset: Dataset) -> list[str]:
    return [finding.code for finding in dataset.findings]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images/val", "labels/val"),
        ("images/val2017", "labels/val2017"),
        ("valid/images", "valid/labels"),
        ("val/images", "val/labels"),
        ("images/validation", "labels/validation"),
        ("images", "labels"),
        ("val", "val"),
        (".", "."),
    ],
)
def test_layouts_without_yaml(tmp_path: Path, images: str, labels: str) -> None:
    image(tmp_path / images / "a.PNG")
    text(tmp_path / labels / "a.txt", "0 0.5 0.5 0.1 0.2\n")
    dataset = load_yolo(tmp_path)
    assert (dataset.keys, codes(dataset)) == (("a",), [])
    assert dataset.faces.boxes.tolist() == [[90, 40, 110, 60]]
    assert dataset[0].path == tmp_path / images / "a.PNG"


@pytest.mark.parametrize(
    "yaml",
    [
        "val: images/v\nnames: [face]",
        "path: .\nval: [images/v]\nnames: {0: face}",
        "path: /of/another/machine\nval: images/v\nnames: [FACE]",
        "val: ../images/v\nnames: [anything]",
        "train: images/t\nval: list.txt\nnc: 2\nnames: [face, hat]",
        "path: ROOT\nval: images/v",
        "valid: images/v\nnames:\n- face",
    ],
)
def test_data_yaml(tmp_path: Path, yaml: str) -> None:
    image(tmp_path / "images/v/a.jpg")
    image(tmp_path / "images/t/b.jpg")
    text(tmp_path / "labels/v/a.txt", "0 0.5 0.5 0.1 0.2\n")
    text(tmp_path / "list.txt", "./images/v/a.jpg\n\n")
    file = text(tmp_path / "data.yaml", yaml.replace("ROOT", str(tmp_path)))
    for root in (tmp_path, file):
        dataset = load_yolo(root)
        assert (dataset.keys, dataset.faces.total) == (("a",), 1)


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("val: [images\nnames: [face]", r"data.yaml:2: not valid YAML"),
        ("- a\n- b", "expected a table"),
        ("train: images/v", r"names no split 'val'. Choose another with --split: train"),
        ("val: images/none", r"field 'val': there is no images/none"),
        ("val: 3", "field 'val': expected a folder"),
        ("val: images/v\nnames: 3", "field 'names': expected a list"),
        ("val: images/v\nnames: {a: b}", "field 'names': expected a list"),
        ("val: images/v\nkpt_shape: 5", "field 'kpt_shape': expected two whole numbers"),
        ("val: images/v\nnames: [cat, dog]", "which class is the face.*0: cat, 1: dog.*--face-class"),
    ],
)
def test_a_wrong_yaml_is_an_error_with_its_field(tmp_path: Path, yaml: str, says: str) -> None:
    image(tmp_path / "images/v/a.jpg")
    text(tmp_path / "labels/v/a.txt", "0 0.5 0.5 0.1 0.2\n")
    with pytest.raises((InputError, MissingDataError)) as caught:
        load_yolo(text(tmp_path / "data.yaml", yaml))
    assert re.search(says, str(caught.value))


@given(st.text("abc:{}[]-, \n\t\"'#&*!0123.pathvlnmes", max_size=60) | st.binary(max_size=40).map(repr))
def test_any_yaml_is_read_or_refused(content: str) -> None:
    with TemporaryDirectory() as folder:
        image(Path(folder, "images/a.jpg"))
        file = text(Path(folder, "data.yaml"), content)
        try:
            layout = find_layout(file, "val")
        except SshbenchError:
            return
        assert [path.name for path in layout.images] == ["a.jpg"]


@pytest.mark.parametrize(
    ("names", "wanted", "face"),
    [
        (None, "face", None),
        (None, "1", 1),
        ("person\nFace\n", "face", 1),
        ("person\nhead\n", "head", 1),
        ("person\nhead\n", "0", 0),
        ("person\nhead\n", "face", None),
    ],
)
def test_which_class_is_the_face(tmp_path: Path, names: str | None, wanted: str, face: int | None) -> None:
    image(tmp_path / "images/a.jpg")
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.2 0.2\n")
    if names is not None:
        text(tmp_path / "classes.txt", names)
    if face is None:
        with pytest.raises(InputError, match=r"which class is the face.*--face-class NAME or NUMBER"):
            load_yolo(tmp_path, face_class=wanted)
        return
    dataset = load_yolo(tmp_path, face_class=wanted)
    assert dataset.faces.total == 1 + face
    assert codes(dataset) == ["other-class"]
    assert dataset.locate is not None
    assert [place.line for place in dataset.locate()["a"]] == [[1], [2, 3]][face]


def test_what_does_not_fit_together_is_reported(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.webp", "c.bmp"):
        image(tmp_path / "images" / name)
    (tmp_path / "images/broken.png").write_bytes(b"no image")
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.2\n")
    text(tmp_path / "labels/b.txt", "")
    text(tmp_path / "labels/ghost.txt", "0 0.5 0.5 0.1 0.2\n")
    dataset = load_yolo(tmp_path)
    assert dataset.keys == ("a", "b", "c")
    assert (dataset.total_images, dataset.is_part) == (4, True)
    found = {finding.code: finding.files for finding in dataset.findings}
    assert found["unlabelled-image"] == ("broken.png", "c.bmp")
    assert found["unmatched-label"] == (str(tmp_path / "labels/ghost.txt"),)
    assert found["unreadable-image"] == ("broken.png",)


def test_labels_and_images_in_two_places(tmp_path: Path) -> None:
    image(tmp_path / "photos/x/a.jpg")
    image(tmp_path / "photos/b.jpg")
    text(tmp_path / "marks/a.txt", "0 0.5 0.5 0.1 0.2\n")
    text(tmp_path / "marks/B.txt", "0 0.5 0.5 0.1 0.2\n")
    assert load_yolo(tmp_path / "marks", images=tmp_path / "photos").faces.total == 2


def test_a_list_of_images_and_what_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "images/a.jpg")
    image(tmp_path / "images/b.jpg")
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.2\n")
    assert load_yolo(text(tmp_path / "val.txt", "images/a.jpg\nimages/none.jpg\n")).keys == ("a",)
    mixed = f"images/a.jpg\n{tmp_path / 'images/b.jpg'}\n"
    monkeypatch.chdir(tmp_path)
    text(Path("mixed.txt"), mixed)
    assert load_yolo("mixed.txt").keys == ("a", "b")
    with pytest.raises(InputError, match=r"lists.txt:1: invalid image name: 'what'"):
        load_yolo(text(tmp_path / "lists.txt", "what\n"))
    with pytest.raises(InputError, match=r"not a YOLO dataset"):
        load_yolo(text(tmp_path / "val.json", "{}"))


def test_two_images_of_one_label_file(tmp_path: Path) -> None:
    image(tmp_path / "images/a.jpg")
    image(tmp_path / "images/a.png")
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.2\n")
    with pytest.raises(InputError, match=r"two images share one label file: a.jpg and a.png"):
        load_yolo(tmp_path)


def test_boxes_of_photographs_are_of_the_upright_image(tmp_path: Path) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    image(tmp_path / "images/a.jpg")
    PilImage.new("RGB", SIZE).save(tmp_path / "images/a.jpg", exif=exif)
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.1 0.2\n")
    for upright, size, box in ((True, SIZE[::-1], [45, 80, 55, 120]), (False, SIZE, [90, 40, 110, 60])):
        dataset = load_yolo(tmp_path, upright=upright)
        assert dataset.faces.boxes.tolist() == [box]
        assert dataset[0].annotated == size
        assert dataset[0].read().shape[1::-1] == size


parts = st.floats(0, 1).map(lambda number: round(number, 6))
points = st.lists(st.tuples(parts, parts), min_size=3, max_size=12).filter(lambda some: len(some) != 7)


def row(*numbers: float) -> str:
    return " ".join(["0", *map(repr, numbers)])


@given(st.lists(st.tuples(parts, parts, parts, parts), max_size=5))
def test_boxes_are_read_as_they_are_written(boxes: Sequence[Sequence[float]]) -> None:
    rows = parse_rows(Path("a.txt"), [row(*box) for box in boxes], TRUTH)
    assert rows.boxes.tolist() == [list(box) for box in boxes]
    assert rows.problems == ()


@given(points)
def test_a_polygon_becomes_its_bounding_box(polygon: list[tuple[float, float]]) -> None:
    rows = parse_rows(Path("a.txt"), [row(*(number for point in polygon for number in point))], TRUTH)
    (cx, cy, w, h), table = rows.boxes[0].tolist(), np.array(polygon)
    assert np.allclose([cx - w / 2, cy - h / 2], table.min(axis=0), atol=1e-12)
    assert np.allclose([cx + w / 2, cy + h / 2], table.max(axis=0), atol=1e-12)


@given(st.integers(1, 20), st.integers(2, 3), st.data())
def test_landmarks_are_left_out_where_the_yaml_names_their_number(count: int, each: int, data: st.DataObject) -> None:
    box = [0.5, 0.5, 0.2, 0.3]
    landmarks = data.draw(st.lists(parts, min_size=count * each, max_size=count * each))
    rows = parse_rows(Path("a.txt"), [row(*box, *landmarks)], TRUTH, count * each)
    assert rows.boxes.tolist() == [box]
    assert rows.note == "landmarks were left out"


@given(st.lists(st.text("0123456789.-e naif", max_size=40) | st.text(max_size=10), max_size=6))
def test_every_line_is_a_row_or_a_problem_or_blank(lines: list[str]) -> None:
    rows = parse_rows(Path("a.txt"), lines, TRUTH)
    filled = [n for n, line in enumerate(lines, start=1) if line.split()]
    assert sorted([*rows.lines.tolist(), *(problem.line for problem in rows.problems)]) == filled
    assert np.isfinite(rows.boxes).all()


@pytest.mark.parametrize(
    ("files", "split", "chosen"),
    [
        (["instances_val2017.json", "captions_val2017.json", "instances_train2017.json"], "val", 0),
        (["instances_val2017.json", "person_keypoints_val2017.json"], "val", 0),
        (["train.json", "val.json", "test.json"], "test", 2),
        (["faces-train.json", "faces-valid.json"], "val", 1),
        (["a.json", "b.json"], "val", None),
        (["my_val.json", "your_val.json"], "val", None),
        (["only.json"], "val", 0),
    ],
)
def test_which_json_is_meant(tmp_path: Path, files: list[str], split: str, chosen: int | None) -> None:
    for file in files:
        text(tmp_path / "annotations" / file, "{}")
    if chosen is None:
        with pytest.raises(InputError, match=rf"holds 2 json files: {files[0]}, {files[1]}.*--data FILE.json"):
            find_json(tmp_path, ["annotations/*.json"], split)
    else:
        assert find_json(tmp_path, ["annotations/*.json"], split).name == files[chosen]
