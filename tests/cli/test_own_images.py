"""Your own images: one set in three layouts gives one figure, and errors say what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import sshbench as bench
from tests.datasets.own_sets import COUNT, yolo_coco_and_list


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    yolo_coco_and_list(folder)
    return folder


def figures(sshbench: Any, *arguments: str) -> tuple[dict[str, float], list[str]]:
    code, out, err = sshbench("eval", *arguments, "--detector", "haar", "--json", "--no-intervals")
    assert code == 0, err
    record = json.loads(out)
    assert record["images"] == COUNT
    return record["metrics"], [warning["code"] for warning in record["warnings"]]


def test_one_set_in_three_layouts_gives_one_figure(
    sshbench: Any, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sets)
    yolo, found = figures(sshbench, "--dataset", "yolo", "--data", "my-faces", "-o", f"{tmp_path}/1")
    assert 0 < yolo["AP50"] < 1
    assert found == []
    assert figures(sshbench, "--dataset", "coco", "--data", "my-coco", "-o", f"{tmp_path}/2")[0] == yolo
    assert figures(sshbench, "--data", "my_bbx_gt.txt", "--images", "photos", "-o", f"{tmp_path}/3")[0] == yolo
    assert figures(sshbench, "--dataset", "own", "--data", "my-faces", "-o", f"{tmp_path}/4")[0] == yolo
    assert figures(sshbench, "--dataset", "own", "--data", "my-coco", "-o", f"{tmp_path}/5")[0] == yolo
    labels = ["--data", "my-faces/labels", "--images", "photos", "-o", f"{tmp_path}/6"]
    assert figures(sshbench, "--dataset", "yolo", *labels)[0] == yolo


def test_a_run_is_resumed_and_evaluated_again(
    sshbench: Any, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sets)
    own = ["--data", "my_bbx_gt.txt", "--images", "photos"]
    first, _ = figures(sshbench, *own, "-o", f"{tmp_path}/run")
    monkeypatch.chdir(tmp_path)
    own = ["--data", str(sets / "my_bbx_gt.txt"), "--images", str(sets / "photos")]
    assert figures(sshbench, *own, "-o", "run")[0] == first
    code, out, err = sshbench("eval", *own, "--predictions", "run", "--json", "--no-intervals")
    assert code == 0, err
    assert json.loads(out)["metrics"] == first


def test_the_same_from_python(sets: Path, tmp_path: Path) -> None:
    protocol = bench.load_protocol("own").with_data(images=sets / "photos")
    whole = bench.run(
        lambda image: ([[0, 0, *image.shape[1::-1]]], [0.5]), protocol, data=sets / "my_bbx_gt.txt", out=tmp_path
    )
    assert (whole.record.images, whole.record.detections) == (COUNT, COUNT)
    assert bench.check_annotation(protocol, sets / "my_bbx_gt.txt").ok


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dataset", "yolo", "--data", "nothing"], "there is no folder nothing"),
        (["--dataset", "yolo", "--data", "my-faces", "--split", "test"], "has no split 'test'.*--split: val"),
        (["--dataset", "yolo", "--data", "my-faces", "--face-class", "cat"], "which class is the face"),
        (["--dataset", "coco", "--data", "my-coco", "--images", "nothing"], "no folder .*nothing.*--images"),
        (["--data", "my-faces"], "name a dataset"),
    ],
)
def test_errors_say_what_to_do(
    sshbench: Any, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(sets)
    code, _, err = sshbench("eval", *arguments, "--detector", "haar", "-o", str(tmp_path / "run"))
    assert code == 2
    assert re.search(says, " ".join(err.split()))
