"""FDDB on the small golden sets: the official tool's bytes from the file, from a run and from a replay."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import pytest

from sshbench import load_dataset, load_protocol
from sshbench.evaluation.core import evaluate_set
from sshbench.formats import read_predictions
from sshbench.formats.fddb import read_sizes
from sshbench.runs import open_run

GOLDEN = Path(__file__).parents[1] / "golden" / "fddb"
SETS = {
    "ordinary": "detections",
    "crowded": "detections",
    "crowded_unsorted": "detections",
    "ellipses": "detections_ellipse",
}
CommandLine: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden set with black images, as the official tool was given them."""
    root = tmp_path_factory.mktemp("fddb") / "data"
    shutil.copytree(GOLDEN / "FDDB-folds", root / "FDDB-folds")
    shutil.copy(GOLDEN / "image_sizes.txt", root)
    (root / "originalPics" / "2002").mkdir(parents=True)
    keys = load_dataset("fddb", GOLDEN).keys
    for key, (width, height) in zip(keys, read_sizes(GOLDEN / "image_sizes.txt", keys).tolist(), strict=True):
        path = root / "originalPics" / f"{key}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.zeros((height, width, 3), dtype=np.uint8))
    return root


def detection_file(name: str) -> Path:
    return GOLDEN / SETS[name] / f"{name}.txt.gz"


def tool_output(name: str) -> dict[str, str]:
    folder = GOLDEN / "golden" / name
    texts = ("DiscROC.txt", "ContROC.txt")
    return {text: gzip.decompress((folder / f"{text}.gz").read_bytes()).decode() for text in texts}


def run_output(folder: Path) -> dict[str, str]:
    return {text: (folder / text).read_text() for text in ("DiscROC.txt", "ContROC.txt")}


def test_every_golden_set_is_listed() -> None:
    assert set(SETS) == {path.name for path in (GOLDEN / "golden").iterdir()}


@pytest.mark.parametrize("name", SETS)
def test_a_file_gives_the_tools_bytes(name: str) -> None:
    dataset = load_dataset("fddb", GOLDEN)
    detections, findings = read_predictions(detection_file(name), dataset, "fddb")
    assert findings == []
    assert evaluate_set(detections, dataset, load_protocol("fddb")).outcome.texts == tool_output(name)


@pytest.mark.parametrize("name", SETS)
def test_runs_give_the_tools_bytes(sshbench: CommandLine, tmp_path: Path, name: str) -> None:
    """A run that keeps imported detections, and an evaluation of that run."""
    given = ["eval", "--dataset", "fddb", "--data", GOLDEN, "--json", "--predictions"]
    code, _, err = sshbench(*given, detection_file(name), "-o", tmp_path / "kept")
    assert code == 0, err
    code, _, err = sshbench(*given, tmp_path / "kept", "-o", tmp_path / "again")
    assert code == 0, err
    assert run_output(tmp_path / "kept") == run_output(tmp_path / "again") == tool_output(name)
    with open_run(tmp_path / "kept") as one, open_run(tmp_path / "again") as other:
        assert one.detections().digest == other.detections().digest


@pytest.mark.parametrize("name", SETS)
def test_replays_give_the_tools_bytes(sshbench: CommandLine, tmp_path: Path, pictured: Path, name: str) -> None:
    """A prediction set as a detector, and an evaluation of its run."""
    given = ["eval", "--dataset", "fddb", "--data", pictured, "--json"]
    code, _, err = sshbench(*given, "--detector", f"replay:{detection_file(name)}", "-o", tmp_path / "replayed")
    assert code == 0, err
    code, _, err = sshbench(*given, "--predictions", tmp_path / "replayed", "-o", tmp_path / "again")
    assert code == 0, err
    assert run_output(tmp_path / "replayed") == run_output(tmp_path / "again") == tool_output(name)


def test_a_conversion_keeps_the_order_of_the_file(sshbench: CommandLine, tmp_path: Path) -> None:
    target = tmp_path / "converted.txt"
    code, _, err = sshbench(
        *("data", "convert", detection_file("crowded_unsorted"), target),
        *("--from", "fddb", "--to", "fddb", "--detections"),
    )
    assert code == 0, err
    code, _, err = sshbench(
        "eval", "--dataset", "fddb", "--data", GOLDEN, "--predictions", target, "-o", tmp_path / "run"
    )
    assert code == 0, err
    assert run_output(tmp_path / "run") == tool_output("crowded_unsorted")
