"""Suspicious annotations: each kind once, in every format, with file, line, value and remedy."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

import sshbench
from sshbench.datasets.base import Dataset
from sshbench.datasets.label_kinds import KINDS, LabelIssue
from sshbench.datasets.labels import check_labels
from sshbench.records import FaceSet, offsets_of

SIZE = (200, 100)
BOXES = {
    "no-size": "10 10 0 5",
    "relative-box": "0.25 0.25 0.5 0.5",
    "outside": "300 10 20 20",
    "beyond-edge": "190 10 20 20",
    "huge-box": "0 0 200 100",
}


def picture(path: Path, seed: int, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = PilImage.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    PilImage.fromarray(pixels).save(path, exif=exif)


def issues(sshbench: Any, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code, out, err = sshbench("data", "check", *arguments, "--labels", "--json")
    assert code in (0, 1), err
    report = json.loads(out)
    assert report["ok"] == (code == 0) == all(one["severity"] == "warning" for one in report["issues"])
    return code, report["issues"]


def write(form: str, folder: Path, rows: list[str]) -> Path:
    """Write an annotation of one image `a.jpg` with boxes x y w h."""
    if form == "wider":
        path = folder / "own_bbx_gt.txt"
        path.write_text("\n".join(["a.jpg", str(len(rows)), *(f"{row} 0 0 0 0 0 0" for row in rows)]) + "\n")
    elif form == "pascal":
        path = folder / "own.csv"
        corners = [
            (float(x), float(y), float(x) + float(w), float(y) + float(h)) for x, y, w, h in map(str.split, rows)
        ]
        path.write_text("image,x1,y1,x2,y2,f4,ignore\n" + "".join(f"a,{a},{b},{c},{d},0,0\n" for a, b, c, d in corners))
    else:
        path = folder / "own.json"
        faces = [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": [float(number) for number in row.split()]}
            for n, row in enumerate(rows)
        ]
        images = [{"id": 1, "file_name": "a.jpg"}]
        path.write_text(json.dumps({"images": images, "annotations": faces, "categories": [{"id": 1, "name": "face"}]}))
    return path


@pytest.mark.parametrize("form", ["wider", "pascal", "coco"])
def test_each_kind_of_box_is_found_in_each_format(sshbench: Any, tmp_path: Path, form: str) -> None:
    picture(tmp_path / "photos/a.jpg", 1)
    path = write(form, tmp_path, ["50 50 20 20", *BOXES.values(), "50 50 20 20.2"])
    code, found = issues(sshbench, "own", "--data", str(path), "--images", str(tmp_path / "photos"))
    assert code == 1
    assert [one["code"] for one in found] == [*BOXES, "duplicate-box"]
    first = {"wider": 4, "pascal": 3, "coco": None}[form]
    for n, one in enumerate(found):
        assert one["severity"] == KINDS[one["code"]].severity
        assert one["line"] == (None if first is None else first + n)
        assert one["field"] == (f"annotations[{n + 1}]" if form == "coco" else None)
        assert (one["file"], one["image"]) == (str(path), "a")
        assert one["remedy"]
    assert found[1]["value"].startswith("0.25 0.25 0.5 0.5")


def test_images_and_labels_that_do_not_fit_together(sshbench: Any, tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    for seed, name in enumerate(("a", "b", "nolabel")):
        picture(images / f"{name}.png", seed)
    (images / "same.png").write_bytes((images / "a.png").read_bytes())
    (images / "half.png").write_bytes((images / "b.png").read_bytes()[:2000])
    (images / "no.jpg").write_bytes(b"no")
    labels.mkdir()
    for name in ("a", "b", "same", "half", "no", "ghost"):
        (labels / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    code, found = issues(sshbench, "yolo", "--data", str(tmp_path))
    assert code == 1
    by_code = {one["code"]: Path(one["file"]).relative_to(tmp_path).as_posix() for one in found}
    assert by_code["duplicate-image"] == "images/same.png"
    assert by_code["missing-image"] == "labels/ghost.txt"
    assert by_code["unlabelled-image"] == "images/nolabel.png"
    assert {Path(one["file"]).name for one in found if one["code"] == "unreadable-image"} >= {"no.jpg"}


def test_every_invalid_row_is_listed_not_only_the_first(sshbench: Any, tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", 1)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n0 100 50 20 20\nface 1 2 3 4\n")
    for dataset in ("yolo", "own"):
        code, found = issues(sshbench, dataset, "--data", str(tmp_path))
        assert code == 1
        assert [(one["code"], one["line"]) for one in found] == [("invalid-row", 2), ("invalid-row", 3)]
        assert "divide them by width and height" in found[0]["remedy"]
        assert found[0]["message"].startswith("expected numbers between 0 and 1: '0 100 50 20 20'")


def test_an_annotation_that_cannot_be_read_is_one_error(sshbench: Any, tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", 1)
    (tmp_path / "data.yaml").write_text("val: [images\nnames: [face]")
    code, found = issues(sshbench, "yolo", "--data", str(tmp_path))
    assert (code, [(one["code"], one["line"]) for one in found]) == (1, [("invalid-row", 2)])
    (tmp_path / "gt.json").write_text('{"images": [], "annotations": 3}')
    code, found = issues(sshbench, "coco", "--data", str(tmp_path / "gt.json"))
    assert (code, [(one["code"], one["field"]) for one in found]) == (1, [("invalid-row", "categories")])


@pytest.mark.parametrize(
    ("size", "orientation", "found"),
    [
        (SIZE, 1, []),
        (SIZE[::-1], 6, []),
        (SIZE, 6, []),
        (SIZE[::-1], 1, ["size-mismatch"]),
        ((50, 50), 1, ["size-mismatch"]),
        (None, 6, ["orientation"]),
    ],
)
def test_sizes_that_contradict_the_image(
    sshbench: Any, tmp_path: Path, size: tuple[int, int] | None, orientation: int, found: list[str]
) -> None:
    picture(tmp_path / "a.jpg", 1, orientation)
    path = write("coco", tmp_path, ["5 5 20 20"])
    content = json.loads(path.read_text())
    if size is not None:
        content["images"][0] |= {"width": size[0], "height": size[1]}
    path.write_text(json.dumps(content))
    assert [one["code"] for one in issues(sshbench, "coco", "--data", str(path))[1]] == found


def test_a_face_that_counts_nowhere_is_no_error(tmp_path: Path) -> None:
    boxes = np.array([[10.0, 10, 10, 20], [30, 10, 30, 20]])
    faces = FaceSet(("a",), offsets_of([2]), boxes, {"all": np.array([True, False])})
    dataset = Dataset("own", "val", tmp_path, faces, "", None, ".jpg", 1, ("a",))
    found = [issue for issue in check_labels(dataset).issues if issue.code == "no-size"]
    assert [(issue.severity, issue.field) for issue in found] == [("warning", "a, face 1"), ("error", "a, face 2")]


def test_people_see_the_first_of_each_kind(sshbench: Any, tmp_path: Path) -> None:
    path = write("wider", tmp_path, [f"{n * 30} 10 0 5" for n in range(15)])
    code, out, _ = sshbench("data", "check", "own", "--data", str(path), "--labels")
    assert code == 1
    assert "no-size: 15 (error). Fix or remove the box" in out
    assert f"{path}:3: width or height is 0 or negative: 0 10 0 5 (x y w h)" in out
    assert "and 5 more: --json lists all" in out
    assert re.search(r"1 annotated image \(0 read\), 15 annotated faces: errors: see above", out)


good = st.tuples(st.integers(0, 150), st.integers(0, 70), st.integers(1, 30), st.integers(1, 30))


@given(st.lists(st.lists(good, max_size=5, unique=True), min_size=1, max_size=4), st.data())
def test_a_bad_box_is_found_wherever_it_is(case: list[list[tuple[int, int, int, int]]], data: st.DataObject) -> None:
    """One box without size among plausible ones is named by its image and position."""
    image = data.draw(st.integers(0, len(case) - 1))
    at = data.draw(st.integers(0, len(case[image])))
    rows = [list(boxes) for boxes in case]
    rows[image].insert(at, (300, 0, 5, 0))
    boxes = np.array([[x, y, x + w, y + h] for one in rows for x, y, w, h in one], dtype=np.float64)
    keys = tuple(f"image{i}" for i in range(len(rows)))
    sizes = np.tile(np.array(SIZE), (len(rows), 1))
    faces = FaceSet(keys, offsets_of([len(one) for one in rows]), boxes, {}, sizes=sizes)
    dataset = Dataset("own", "val", Path("x"), faces, "", None, ".jpg", len(rows), keys)
    errors = [issue for issue in check_labels(dataset).issues if issue.severity == "error"]
    assert [(issue.code, issue.field) for issue in errors] == [("no-size", f"image{image}, face {at + 1}")]


def test_the_official_annotations_have_such_boxes(shared: Path) -> None:
    wider = check_labels(replace(sshbench.load_dataset("wider", shared / "data/wider"), image_root=None))
    assert wider.counts() == {"no-images": 1, "no-size": 11, "duplicate-box": 1}
    errors: list[LabelIssue] = [issue for issue in wider.issues if issue.severity == "error"]
    assert [issue.value for issue in errors] == ["1026 474 -2 23 (x y w h)"]
    fddb = check_labels(sshbench.load_dataset("fddb", shared / "data/fddb"))
    assert fddb.counts() == {"no-images": 1, "beyond-edge": 457, "huge-box": 5}
    assert check_labels(sshbench.load_dataset("pascal", shared / "data/pascal")).counts() == {"no-images": 1}
