"""Conversions: round trips that lose nothing where the format allows, and a word on what is lost where not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.boxes import bounding_boxes
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.formats.content import Content, Found, Known, Truth
from sshbench.formats.convert import FORMATS, convert, known_of, truth_format_of
from sshbench.formats.wider_truth import ATTRIBUTES
from sshbench.records import DetectionSet, FaceSet, FloatArray, offsets_of

SUFFIX = {"wider": ".txt", "fddb": ".txt", "pascal": ".csv", "coco": ".json", "yolo": ""}
DETECTION_SUFFIX = {"wider": ".zip", "fddb": ".txt", "pascal": ".txt", "coco": ".json", "yolo": ""}
SIZE = (640, 480)

# What files of detections and annotations hold: decimals of a few digits, now and then whole numbers.
numbers = st.integers(-20_000, 200_000).map(lambda n: n / 1000) | st.integers(0, 600).map(float)
sides = st.integers(1, 200_000).map(lambda n: n / 1000) | st.integers(1, 400).map(float)
boxes = st.tuples(numbers, numbers, sides, sides).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])
images = st.lists(st.lists(st.tuples(boxes, st.booleans(), st.integers(0, 2)), max_size=4), min_size=1, max_size=4)
scores = st.floats(-1e6, 1e6, allow_subnormal=False)
found = st.lists(st.lists(st.tuples(boxes, scores), max_size=4), min_size=1, max_size=4)
radii = st.floats(1, 200).map(lambda r: round(r, 6))
drawn = st.tuples(radii, radii, st.floats(-3, 3), numbers, numbers).map(list)


def keys_of(images: Sequence[Any]) -> tuple[str, ...]:
    return tuple(f"{i}--event/image_{i}" for i in range(len(images)))


def truth_of(case: Any) -> Truth:
    rows = [row for image in case for row in image]
    keys = keys_of(case)
    ignore = np.array([flag for _, flag, _ in rows], dtype=np.bool_)
    attributes = {name: np.zeros(len(rows), dtype=np.int8) for name in ATTRIBUTES}
    attributes["blur"] = np.array([code for _, _, code in rows], dtype=np.int8)
    attributes["invalid"] = ignore.astype(np.int8)
    faces = FaceSet(
        keys, offsets_of([len(i) for i in case]), table([b for b, _, _ in rows]), {"all": ignore}, attributes
    )
    return Content(tuple(f"{key}.jpg" for key in keys), rows=faces, sizes=np.tile(np.array(SIZE), (len(keys), 1)))


def detections_of(case: Any) -> Found:
    keys = keys_of(case)
    # By falling score, as WIDER's format wants them.
    ordered = [sorted(image, key=lambda row: -row[1]) for image in case]
    rows = [row for image in ordered for row in image]
    found = DetectionSet(
        keys, offsets_of([len(i) for i in case]), table([b for b, _ in rows]), np.array([s for _, s in rows])
    )
    return Content(tuple(f"{key}.jpg" for key in keys), rows=found, sizes=np.tile(np.array(SIZE), (len(keys), 1)))


def table(rows: list[list[float]]) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def known(content: Truth) -> Known:
    return Known(sizes=dict.fromkeys(content.keys, SIZE))


def truth_through(content: Truth, name: str, folder: Path) -> tuple[Truth, list[str]]:
    """Write in a format and read back."""
    path = folder / f"file{SUFFIX[name]}"
    losses = FORMATS[name].write_truth(content, path)
    return FORMATS[name].read_truth(path, known(content)), losses


def found_through(content: Found, name: str, folder: Path) -> tuple[Found, list[str]]:
    path = folder / f"file{DETECTION_SUFFIX[name]}"
    losses = FORMATS[name].write_detections(content, path)
    nothing = FaceSet(content.keys, np.zeros(len(content.keys) + 1, dtype=np.int64), np.empty((0, 4)), {})
    truth = Content(content.names, nothing, content.sizes)
    return FORMATS[name].read_detections(path, Known(truth=truth)), losses


def same_faces(a: Truth, b: Truth, *, attributes: Sequence[str] = (), ignore: bool = True) -> None:
    assert a.rows.keys == b.rows.keys
    np.testing.assert_array_equal(a.rows.offsets, b.rows.offsets)
    np.testing.assert_array_equal(a.rows.boxes, b.rows.boxes)
    if ignore:
        np.testing.assert_array_equal(a.rows.ignore["all"], b.rows.ignore["all"])
    for attribute in attributes:
        np.testing.assert_array_equal(a.rows.attributes[attribute], b.rows.attributes[attribute])


@given(images)
def test_truth_through_wider_and_coco_comes_back_whole(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    content = truth_of(case)
    for name in ("wider", "coco"):
        back, losses = truth_through(content, name, tmp_path_factory.mktemp(name))
        same_faces(back, content, attributes=ATTRIBUTES if back.rows.total or name == "wider" else ())
        assert back.names == content.names
        assert losses == []


@given(images)
def test_truth_through_pascal_loses_attributes_and_empty_images_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, case: Any
) -> None:
    content = truth_of(case)
    back, losses = truth_through(content, "pascal", tmp_path_factory.mktemp("pascal"))
    full = [i for i, image in enumerate(case) if image]
    same_faces(back, replace(content, rows=content.rows.select(full)))
    assert any("attributes blur were lost" in loss for loss in losses) == any(c for i in case for _, _, c in i)
    assert any("images without faces" in loss for loss in losses) == (len(full) < len(case))


@given(images)
def test_truth_through_yolo_keeps_boxes_and_says_what_it_cannot_hold(
    tmp_path_factory: pytest.TempPathFactory, case: Any
) -> None:
    content = truth_of(case)
    back, losses = truth_through(content, "yolo", tmp_path_factory.mktemp("yolo"))
    assert back.rows.keys == content.rows.keys
    np.testing.assert_allclose(back.rows.boxes, content.rows.boxes, atol=2e-8, rtol=0)
    assert any("ignored faces" in loss for loss in losses) == any(flag for i in case for _, flag, _ in i)
    assert any("8 decimals" in loss for loss in losses)


@given(images)
def test_truth_through_fddb_is_inscribed_ellipses(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    content = truth_of(case)
    back, losses = truth_through(content, "fddb", tmp_path_factory.mktemp("fddb"))
    np.testing.assert_allclose(back.rows.boxes, content.rows.boxes, atol=1e-9, rtol=0)
    assert any("inscribed" in loss for loss in losses) == (content.rows.total > 0)


@given(st.lists(st.lists(drawn, max_size=4), min_size=1, max_size=3))
def test_ellipses_through_fddb_and_coco_come_back_whole(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    rows = np.array([row for image in case for row in image], dtype=np.float64).reshape(-1, 5)
    keys = keys_of(case)
    ignore = {"all": np.zeros(len(rows), dtype=np.bool_)}
    faces = FaceSet(keys, offsets_of([len(image) for image in case]), bounding_boxes(rows), ignore, ellipses=rows)
    content = Content(keys, rows=faces)
    for name in ("fddb", "coco"):
        back, losses = truth_through(content, name, tmp_path_factory.mktemp(name))
        assert losses == []
        if len(rows):
            assert back.rows.ellipses is not None
            np.testing.assert_array_equal(back.rows.ellipses, rows)
    _, losses = truth_through(
        replace(content, sizes=np.tile(np.array(SIZE), (len(keys), 1))), "yolo", tmp_path_factory.mktemp("y")
    )
    assert any("bounding boxes" in loss for loss in losses) == (len(rows) > 0)


@given(found)
@pytest.mark.parametrize("name", ["wider", "fddb", "pascal", "coco"])
def test_detections_come_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, name: str, case: Any) -> None:
    content = detections_of(case)
    if name == "wider" and not content.rows.total:
        return
    back, losses = found_through(content, name, tmp_path_factory.mktemp(name))
    assert back.rows.keys == content.keys
    np.testing.assert_array_equal(back.rows.offsets, content.rows.offsets)
    np.testing.assert_array_equal(back.rows.boxes, content.rows.boxes)
    np.testing.assert_array_equal(back.rows.scores, content.rows.scores)
    left_out = any("left out" in loss for loss in losses)
    assert left_out == (name in ("pascal", "coco") and not all(case))


@given(found)
def test_detections_through_yolo(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    content = detections_of(case)
    back, _ = found_through(content, "yolo", tmp_path_factory.mktemp("yolo"))
    np.testing.assert_allclose(back.rows.boxes, content.rows.boxes, atol=2e-8, rtol=0)
    np.testing.assert_array_equal(back.rows.scores, content.rows.scores)


def test_the_official_files_come_back(shared: Path, tmp_path: Path) -> None:
    """WIDER's list and FDDB's annotation through COCO: the same words, whatever the blanks."""
    data = shared / "data"
    wider = data / "wider" / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    for name, source in (("wider", wider), ("fddb", data / "fddb" / "FDDB-ALL-folds-ellipse.txt")):
        middle, back = tmp_path / f"{name}.json", tmp_path / f"{name}.txt"
        first = convert(source, middle, source_format=name, target_format="coco")
        second = convert(middle, back, source_format="coco", target_format=name)
        marked = ("585 faces marked invalid are ignored: a crowd in COCO json, an ignore flag in PASCAL",)
        assert (first.losses, second.losses) == (marked if name == "wider" else (), ())
        there, here = (path.read_text().split() for path in (source, back))
        assert [_plain(word) for word in here] == [_plain(word) for word in there]


def _plain(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word.removesuffix(".jpg")


def test_results_carry_the_ids_of_the_ground_truth(tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 70, "file_name": "a.png", "width": 10, "height": 10}],
        "annotations": [],
        "categories": [{"id": 9, "name": "face"}],
    }
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "d.txt").write_text("a\n1\n1 2 3 4 0.5\n")
    done = convert(
        tmp_path / "d.txt",
        tmp_path / "r.json",
        source_format="fddb",
        target_format="coco",
        detections=True,
        known=known_of(truth=tmp_path / "gt.json"),
    )
    assert (done.images, done.rows, done.losses) == (1, 1, ())
    expected = {"image_id": 70, "file_name": "a.png", "category_id": 9, "bbox": [1, 2, 3, 4], "score": 0.5}
    assert json.loads((tmp_path / "r.json").read_text()) == [expected]


def test_sizes_from_images_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "labels" / "e").mkdir(parents=True)
    (tmp_path / "labels" / "e" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "images" / "e").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images" / "e" / "a.png"), np.zeros((20, 40, 3), dtype=np.uint8))
    (tmp_path / "sizes.txt").write_text("e/a.png 40 20\n")
    for more in (known_of(images=tmp_path / "images"), known_of(sizes=tmp_path / "sizes.txt")):
        target = tmp_path / "out.csv"
        convert(
            tmp_path / "labels",
            target,
            source_format="yolo",
            target_format="pascal",
            known=more,
            overwrite=True,
        )
        assert target.read_text().splitlines()[1] == "e/a,10,5,30,15,0,0"
    with pytest.raises(UsageError, match="--sizes"):
        convert(tmp_path / "labels", tmp_path / "x.csv", source_format="yolo", target_format="pascal")
    with pytest.raises(MissingDataError, match="--images"):
        convert(
            tmp_path / "labels",
            tmp_path / "x.csv",
            source_format="yolo",
            target_format="pascal",
            known=known_of(images=tmp_path / "labels"),
        )


@pytest.mark.parametrize("row", ["0 .5 .5 .5", "0 .5 .5 -.5 .5", "0 .5 nan .5 .5", "1 .5 .5 .5 .5", "face .5 .5 .5 .5"])
def test_yolo_rows_that_are_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / "a.txt").write_text(f"0 .5 .5 .5 .5\n{row}\n")
    with pytest.raises(InputError, match=r"a\.txt:2: "):
        convert(
            tmp_path / "l",
            tmp_path / "x.csv",
            source_format="yolo",
            target_format="pascal",
            known=Known(sizes={"a": (10, 10)}),
        )


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("image,x1,y1,x2,y2,f4,ignore\na,1,2,3,4,0,0\n")
    target.write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        convert(source, target, source_format="pascal", target_format="pascal")
    assert target.read_text() == "mine"
    with pytest.raises(UsageError, match="the same"):
        convert(source, source, source_format="pascal", target_format="pascal", overwrite=True)
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "thesis.doc").write_text("mine")
    known_sizes = Known(sizes={"a": (10, 10)})
    with pytest.raises(UsageError, match=r"thesis\.doc"):
        convert(source, folder, source_format="pascal", target_format="yolo", known=known_sizes, overwrite=True)
    assert (folder / "thesis.doc").read_text() == "mine"


def test_command_says_what_was_lost(sshbench: Any, tmp_path: Path) -> None:
    source = tmp_path / "gt.txt"
    source.write_text("e/a.jpg\n1\n1 2 3 4 2 0 0 0 1 0\ne/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n")
    code, out, _ = sshbench(
        "data", "convert", source, tmp_path / "o.csv", "--from", "wider", "--to", "pascal", "--json"
    )
    assert code == 0
    losses = ["attributes blur, occlusion were lost", "1 images without faces were left out"]
    expected = {"format": 1, "target": str(tmp_path / "o.csv"), "images": 2, "detections": False, "rows": 1}
    assert json.loads(out) == {**expected, "losses": losses}
    code, out, _ = sshbench("data", "convert", source, tmp_path / "o.json", "--from", "wider", "--to", "coco")
    assert (code, "nothing was lost" in out) == (0, True)
    code, _, err = sshbench("data", "convert", source, tmp_path / "x", "--from", "wider", "--to", "voc")
    assert (code, "there is no format 'voc'" in err) == (2, True)
    code, _, err = sshbench("data", "convert", source, tmp_path / "x", "--from", "widr", "--to", "coco")
    assert (code, "Did you mean 'wider'? Known: wider, fddb" in err) == (2, True)
    code, _, err = sshbench(
        "data", "convert", source, tmp_path / "d.txt", "--from", "wider", "--to", "wider", "--detections"
    )
    assert code == 2


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("wider_face_val_bbx_gt.txt", "wider"),
        ("wider_face_val_bbx_gt.txt.gz", "wider"),
        ("FDDB-fold-01-ellipseList.txt", "fddb"),
        ("val.JSON", "coco"),
        ("pascal.csv", "pascal"),
        ("anno.mat", "pascal"),
        ("labels", "yolo"),
    ],
)
def test_the_format_of_ground_truth_is_told_by_its_name(tmp_path: Path, name: str, format_: str) -> None:
    if name == "labels":
        (tmp_path / name).mkdir()
    assert truth_format_of(tmp_path / name) == format_


def test_a_name_that_tells_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"faces\.dat does not tell the format.*--truth-format"):
        known_of(truth=tmp_path / "faces.dat")
