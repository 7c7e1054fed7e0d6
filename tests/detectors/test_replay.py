"""A prediction set as a detector gives what the same set gives as predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.benchmark import run
from sshbench.detectors.contract import detect
from sshbench.detectors.registry import load_detector
from sshbench.detectors.replay import Replay
from sshbench.errors import MissingDataError, UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.formats.fddb import read_fddb
from sshbench.formats.wider import write_wider
from sshbench.runs import open_run


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of haar on the sample."""
    folder = tmp_path_factory.mktemp("replay")
    found = run("haar", "sample", out=folder / "run", settings={"resize": "144x192"}).detections
    write_wider(folder / "mine.v2.zip", zip(found.keys, found, strict=True))
    return folder / "mine.v2.zip"


def test_wider_zip(sshbench: Any, predictions: Path, tmp_path: Path) -> None:
    given = ["eval", "--dataset", "sample", "--json"]
    code, replayed, err = sshbench(*given, "--detector", f"replay:{predictions}", "-o", tmp_path / "replayed")
    assert code == 0, err
    code, read, err = sshbench(*given, "--predictions", predictions, "-o", tmp_path / "read")
    assert code == 0, err
    left, right = json.loads(replayed), json.loads(read)
    assert left["metrics"] == right["metrics"]
    assert left["detector"] == right["detector"] == "mine.v2"
    with open_run(tmp_path / "replayed") as one, open_run(tmp_path / "read") as other:
        assert one.detections().digest == other.detections().digest
    assert sshbench("report", tmp_path / "replayed", tmp_path / "read", "-o", tmp_path / "page", "--json")[0] == 0


def test_fddb_text(shared: Path) -> None:
    folder = shared / "data" / "fddb"
    fddb, file = load_dataset("fddb", folder), folder / "detections" / "mtcnn.txt.gz"
    replay = load_detector(f"replay:{file}")
    assert isinstance(replay, Replay)
    replay.attach(fddb)
    expected, _ = read_fddb(file, fddb.keys)
    image = np.zeros((9, 9, 3), dtype=np.uint8)
    for key, found in list(zip(expected.keys, expected, strict=True))[::400]:
        replay.seek(key)
        assert detect(replay, image).boxes.tolist() == found.boxes.tolist()


def test_coco_json(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 50, "height": 50} for i in (7, 9)]
    faces = [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}]
    truth = {"images": images, "annotations": faces, "categories": [{"id": 1, "name": "face"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    result = {"image_id": 9, "category_id": 1, "bbox": [5, 6, 10, 20], "score": 0.5}
    (tmp_path / "mine.json").write_text(json.dumps([result]))
    coco = load_dataset("coco", tmp_path / "truth.json")
    replay = load_detector("replay", weights=tmp_path / "mine.json")
    assert isinstance(replay, Replay)
    replay.attach(coco)
    image = np.zeros((50, 50, 3), dtype=np.uint8)
    found = {}
    for key in coco.keys:
        replay.seek(key)
        found[key] = detect(replay, image).boxes.tolist()
    assert sorted(found.values()) == [[], [[5.0, 6.0, 15.0, 26.0]]]


def test_afw_text_restricted_to_the_images_that_are_there(sshbench: Any, shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "afw"
    file = next(path for path in sorted((data / "detections").iterdir()) if ".txt" in path.name)
    given = ["eval", "--dataset", "afw", "--data", data, "--json"]
    code, replayed, err = sshbench(
        *given, "--detector", f"replay:{file}", "--trained-on", "none", "-o", tmp_path / "run"
    )
    assert code == 0, err
    read = json.loads(sshbench(*given, "--predictions", file)[1])
    record = json.loads(replayed)
    assert record["metrics"] == read["metrics"]
    assert (record["domain"], read["domain"]) == ("cross-data", "unknown")


def test_wrong_use(predictions: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a prediction set"):
        load_detector("replay")
    with pytest.raises(MissingDataError, match=r"none\.zip does not exist"):
        load_detector(f"replay:{tmp_path / 'none.zip'}")
    with pytest.raises(UsageError, match="names its file already"):
        load_detector(f"replay:{predictions}", weights=predictions)
    with pytest.raises(UsageError, match="replay has no settings"):
        load_detector(f"replay:{predictions}", resize="400x800")
    with pytest.raises(UsageError, match="by name, not by content"):
        detect(load_detector(f"replay:{predictions}"), np.zeros((9, 9, 3), dtype=np.uint8))
