"""`sshbench detect` and `sshbench doctor`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sshbench.files import sample_dir
from sshbench.images import find_images


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    images = sorted(sample_dir().rglob("*.jpg"))
    shutil.copy(images[0], folder / "a.jpg")
    shutil.copy(images[1], folder / "more" / "b.jpg")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_images_are_found_by_file_folder_and_pattern(photos: Path) -> None:
    def names(*arguments: object) -> list[str]:
        return [image.name for image in find_images([str(argument) for argument in arguments])]

    assert names(photos) == ["a", "more/b"]
    assert names(photos / "a.jpg", photos / "more" / "*.jpg") == ["a", "b"]
    assert names(photos / "**" / "*.jpg") == ["a", "b"]
    assert names(photos, photos / "a.jpg") == ["a", "more/b"]
    shutil.copy(photos / "a.jpg", photos / "more" / "a.jpg")
    assert names(photos / "a.jpg", photos / "more" / "a.jpg") == ["a", "a-2"]


def test_boxes_are_drawn_and_written(sshbench: Any, photos: Path, tmp_path: Path) -> None:
    code, out, err = sshbench("detect", photos, "-o", tmp_path / "out", "--detector", "haar", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["images"], summary["skipped"]) == (2, [])
    content = json.loads((tmp_path / "out" / "more" / "b.json").read_text())
    original = cv2.imread(str(photos / "more" / "b.jpg"))
    drawn = cv2.imread(str(tmp_path / "out" / "more" / "b.jpg"))
    assert original is not None
    assert drawn is not None
    assert (content["height"], content["width"]) == drawn.shape[:2] == original.shape[:2]
    assert content["detector"] == "haar"
    x, y, _, h = content["detections"][0]["bbox"]
    edge = drawn[round(y + h / 2), round(x)].astype(int)
    assert edge[1] > 150 > edge[0]
    assert np.abs(edge - original[round(y + h / 2), round(x)].astype(int)).max() > 30


def test_what_cannot_be_read_is_reported_and_skipped(sshbench: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no jpeg")
    code, out, err = sshbench("detect", photos, "-o", tmp_path / "out")
    assert code == 1
    assert "2 images" in out
    assert "broken.jpg" in err
    code, _, err = sshbench("detect", photos / "nothing*.jpg", "-o", tmp_path / "out")
    assert (code, "no image, folder or match" in err) == (2, True)
    code, _, err = sshbench("detect", photos, "-o", tmp_path / "out", "--detector", "har")
    assert (code, "Did you mean 'haar'" in err) == (2, True)


def test_doctor(sshbench: Any) -> None:
    pytest.importorskip("torch")
    code, out, _ = sshbench("doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["ok"]
    checks = {check["what"]: check for check in report["checks"]}
    assert checks["onnxruntime fp32 cpu"]["ok"]
    assert checks["torch bf16 cpu"]["ok"]
    assert int(report["facts"]["cores"]) >= 1
    assert report["evaluators_equal"]
    out = sshbench("doctor")[1]
    assert "run:" in out
    assert out.endswith("evaluators equal the official tools to the bit on this machine\n")


def test_doctor_finds_what_does_not_work(sshbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sshbench.ssh import parity

    monkeypatch.setattr(parity, "differences", lambda *arguments: {"64x96": 0.5})
    code, out, _ = sshbench("doctor")
    assert code == 1
    assert "FAILED  onnxruntime fp32 cpu" in out
