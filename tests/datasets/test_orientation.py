"""Photographs with an EXIF orientation: the annotated size decides, else the layout of the dataset."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage
from PIL import ImageOps

from sshbench.images import (
    AS_STORED,
    UPRIGHT,
    file_part,
    image_content,
    orientation_of,
    read_identified,
    read_image,
    turn_mark,
    upright_size_of,
)
from sshbench.records import ImageRecord

WIDTH, HEIGHT = 40, 24
sizes = st.tuples(st.integers(1, 50), st.integers(1, 50))


def photograph(path: Path, orientation: int, format_: str = "JPEG", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    rng = np.random.default_rng(orientation)
    coarse = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    exif = PilImage.Exif()
    exif[0x0112] = orientation
    pixels = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
    lossless = {"quality": 100, "subsampling": 0} if format_ == "JPEG" else {"lossless": True}
    PilImage.fromarray(pixels).save(path, format_, exif=exif, **({} if format_ == "PNG" else lossless))
    return path


@pytest.mark.parametrize(("orientation", "format_"), list(itertools.product(range(1, 9), ("JPEG", "PNG", "WEBP"))))
def test_turned_as_pillow_turns(tmp_path: Path, orientation: int, format_: str) -> None:
    path = photograph(tmp_path / "a", orientation, format_)
    assert orientation_of(path.read_bytes()) == orientation
    with PilImage.open(path) as opened:
        wanted = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))[:, :, ::-1]
        stored = np.asarray(opened.convert("RGB"))[:, :, ::-1]
    assert np.abs(read_image(path, upright=True).astype(int) - wanted).max() <= 3  # two decoders of JPEG
    assert np.abs(read_image(path).astype(int) - stored).max() <= 3
    assert upright_size_of(path) == wanted.shape[1::-1]


@pytest.mark.parametrize(
    ("annotated", "upright", "turned", "mark"),
    [
        ((HEIGHT, WIDTH), False, True, UPRIGHT),
        ((WIDTH, HEIGHT), True, False, AS_STORED),
        (None, False, False, ""),
        (None, True, True, UPRIGHT),
        ((7, 7), False, False, ""),
        ((7, 7), True, True, UPRIGHT),
    ],
)
def test_the_annotated_size_decides(
    tmp_path: Path, annotated: tuple[int, int] | None, upright: bool, turned: bool, mark: str
) -> None:
    path = photograph(tmp_path / "a.jpg", 6)
    image, content = read_identified(path, annotated=annotated, upright=upright)
    assert image.shape[:2] == ((WIDTH, HEIGHT) if turned else (HEIGHT, WIDTH))
    assert content.endswith(f"-o6{mark}")
    assert file_part(content) == image_content(path)
    width, height = annotated or (None, None)
    assert np.array_equal(ImageRecord("a", path, width, height, upright).read(), image)


@given(st.integers(2, 8), sizes, sizes | st.none(), st.booleans())
def test_an_image_is_turned_only_for_a_reason(
    orientation: int, stored: tuple[int, int], annotated: tuple[int, int] | None, upright: bool
) -> None:
    mark = turn_mark(orientation, stored, annotated, upright=upright)
    turned = stored[::-1] if orientation >= 5 else stored
    if mark == UPRIGHT:
        assert upright or annotated == turned
    if mark == AS_STORED:
        assert annotated == stored != turned
    if not mark:
        assert not upright
    assert turn_mark(1, stored, annotated, upright=upright) == ""


def test_a_run_says_what_became_of_each(sshbench: Any, tmp_path: Path) -> None:
    big = (400, 240)
    (tmp_path / "images").mkdir()
    annotated = {"applied.jpg": big[::-1], "stored.jpg": big, "neither.jpg": (300, 300), "plain.jpg": big}
    for name in annotated:
        photograph(tmp_path / "images" / name, 1 if name == "plain.jpg" else 6, size=big)
    images = [
        {"id": i, "file_name": name, "width": w, "height": h} for i, (name, (w, h)) in enumerate(annotated.items())
    ]
    faces = [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}]
    truth = {"images": images, "annotations": faces, "categories": [{"id": 1, "name": "face"}]}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    which = [
        "--dataset",
        "coco",
        "--data",
        str(tmp_path / "gt.json"),
        "--detector",
        "haar",
        "-o",
        str(tmp_path / "run"),
    ]
    for _ in range(2):  # the second time, the stored run is taken up again
        code, out, err = sshbench("eval", *which, "--json", "--no-intervals")
        assert code == 0, err
        found = [(w["code"], w["files"]) for w in json.loads(out)["warnings"]]
        assert ("turned-image", ["applied"]) in found
        assert ("orientation", ["stored"]) in found
        assert ("orientation", ["neither"]) in found
        assert ("other-size", ["neither"]) in found
