"""`sshbench eval` on FDDB, PASCAL Faces, AFW and COCO: run folders, metrics, reports."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sshbench.files import write_atomic


@pytest.fixture(scope="module")
def fddb_folds(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FDDB as it is downloaded: ten fold files; sizes from a list, for the images are not here."""
    source = shared / "data" / "fddb"
    folder = tmp_path_factory.mktemp("fddb")
    lines = (source / "FDDB-ALL-folds-ellipse.txt").read_text().splitlines()
    blocks: list[list[str]] = []
    at = 0
    while at < len(lines):
        blocks.append(lines[at : at + 2 + int(lines[at + 1])])
        at += len(blocks[-1])
    for fold in range(10):
        part = blocks[fold * 285 : (fold + 1) * 285 if fold < 9 else None]
        text = "\n".join(line for block in part for line in block) + "\n"
        write_atomic(folder / "FDDB-folds" / f"FDDB-fold-{fold + 1:02}-ellipseList.txt", text)
    write_atomic(folder / "image_sizes.txt", (source / "image_sizes.txt").read_bytes())
    return folder


def golden(shared: Path, name: str, file: str) -> str:
    return gzip.decompress((shared / "data/fddb/golden" / name / f"{file}.gz").read_bytes()).decode()


def test_fddb_run_folder_holds_the_official_files(sshbench: Any, shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "fddb"
    predictions = data / "detections" / "ssh-vgg16.txt.gz"
    arguments = ["--dataset", "fddb", "--data", data, "--predictions", predictions, "-o", tmp_path / "run", "--json"]
    code, out, err = sshbench("eval", *arguments)
    assert code == 0, err
    record = json.loads(out)
    assert record["metrics"]["TPR@1000/discrete"] == pytest.approx(0.980661, abs=5e-7)
    assert record["metrics"]["TPR@1000/continuous"] == pytest.approx(0.741596, abs=5e-7)
    assert {name.split("/")[0] for name in record["metrics"]} == {f"TPR@{n}" for n in (50, 100, 200, 500, 1000, 2000)}
    for file in ("DiscROC.txt", "ContROC.txt"):
        assert (tmp_path / "run" / file).read_text() == golden(shared, "ssh-vgg16", file)
    assert sshbench("report", tmp_path / "run", "-o", tmp_path / "report", "--json")[0] == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "SSH (VGG-16)" in page
    assert (tmp_path / "report" / "roc-discrete.png").is_file()


def test_fddb_folds_stand_beside_the_merged_figure(
    sshbench: Any, shared: Path, fddb_folds: Path, tmp_path: Path
) -> None:
    predictions = shared / "data" / "fddb" / "detections" / "mtcnn.txt.gz"
    arguments = ["--dataset", "fddb", "--data", fddb_folds, "--predictions", predictions]
    code, out, err = sshbench("eval", *arguments, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    folds = [metrics[f"fold{n}/TPR@100/discrete"] for n in range(1, 11)]
    assert all(0.5 < value < 1 for value in folds)
    assert (tmp_path / "run" / "DiscROC.txt").read_text() == golden(shared, "mtcnn", "DiscROC.txt")


def test_fitting_ellipses_changes_result_and_identity(sshbench: Any, shared: Path) -> None:
    data = shared / "data" / "fddb"
    arguments = ["--dataset", "fddb", "--data", data, "--predictions", data / "detections" / "mtcnn.txt.gz", "--json"]
    plain, fitted = (json.loads(sshbench("eval", *arguments, *more)[1]) for more in ([], ["--fit-ellipse"]))
    assert fitted["protocol_hash"] != plain["protocol_hash"]
    assert [warning["code"] for warning in fitted["warnings"]] == ["high-threshold", "fitted-ellipses"]
    assert "fddb_ellipse" in fitted["warnings"][1]["message"]
    assert fitted["metrics"]["TPR@200/continuous"] > plain["metrics"]["TPR@200/continuous"] + 0.05


def test_matching_is_an_option_of_fddb_only(sshbench: Any, shared: Path) -> None:
    data = shared / "data" / "fddb"
    arguments = ["--dataset", "fddb", "--data", data, "--predictions", data / "detections" / "mtcnn.txt.gz", "--json"]
    official, optimal = (
        json.loads(sshbench("eval", *arguments, "--matching", name)[1]) for name in ("official", "optimal")
    )
    assert official["protocol_hash"] != optimal["protocol_hash"]
    code, _, err = sshbench("eval", "--dataset", "afw", "--data", data, "--predictions", data, "--matching", "optimal")
    assert (code, "evaluation.matching" in err) == (2, True)


@pytest.mark.parametrize(
    ("dataset", "file", "expected"),
    [("pascal", "DPM", (0.902867567, 0.862986685)), ("afw", "DPM", (0.972110765, 0.920397532))],
)
def test_pascal_and_afw(
    sshbench: Any, shared: Path, tmp_path: Path, dataset: str, file: str, expected: tuple[float, float]
) -> None:
    data = shared / "data" / dataset
    predictions = data / "detections" / f"{file}.txt.gz"
    arguments = ["--dataset", dataset, "--data", data, "--predictions", predictions]
    code, out, err = sshbench("eval", *arguments, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert (metrics["AP"], metrics["AP/iteration1"]) == pytest.approx(expected, abs=1e-9)
    # Out of the run, with ties in the file's order: the same to the last bit.
    again = json.loads(
        sshbench("eval", "--dataset", dataset, "--data", data, "--predictions", tmp_path / "run", "--json")[1]
    )
    assert again["metrics"] == metrics
    code, out, _ = sshbench("eval", *arguments)
    assert "HeadHunter" in out


def test_afw_with_a_detector(sshbench: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    data = shared / "data" / "afw"
    out = tmp_path / "run"
    code, text, err = sshbench(
        "eval", "--dataset", "afw", "--data", data, "--detector", "yunet", "--limit", 4, "-o", out
    )
    assert code == 0, err
    assert "4 of 205 images" in text
    assert sshbench("archive", out, "-o", tmp_path / "kept", "--json")[0] == 0
    identity = json.loads((tmp_path / "kept" / "yunet" / "identity.json").read_text())
    assert identity["data"] is None
    assert len(identity["detections_sha256"]) == 64
    names = sorted(path.relative_to(tmp_path / "kept").as_posix() for path in (tmp_path / "kept").rglob("*.*"))
    assert "report/index.html" in names
    assert not any(name.endswith((".sqlite", "curves.csv")) for name in names)
    kept = json.loads((tmp_path / "kept" / "yunet" / "metrics.json").read_text())
    assert kept["metrics"] == json.loads((out / "metrics.json").read_text())["metrics"]


def test_coco_run_and_report(sshbench: Any, tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    result = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.9}
    (tmp_path / "dt.json").write_text(json.dumps([result]))
    arguments = ["--dataset", "coco", "--data", tmp_path / "gt.json", "--predictions", tmp_path / "dt.json"]
    code, out, err = sshbench("eval", *arguments, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert (metrics["AP"], metrics["AP50"], metrics["AR"]) == pytest.approx((1, 1, 1))
    assert metrics["AP/small"] is None
    assert [warning["code"] for warning in json.loads(out)["warnings"]] == ["equal-scores"]
    code, other, err = sshbench("eval", *arguments, "--coco-backend", "pycocotools", "-o", tmp_path / "other", "--json")
    assert code == 0, err
    assert json.loads(other)["metrics"] == metrics
    assert json.loads(other)["protocol_hash"] == json.loads(out)["protocol_hash"]
    kept = json.loads((tmp_path / "other" / "protocol.json").read_text())
    assert kept["protocol"]["evaluation"] == {"kind": "coco", "backend": "pycocotools"}
    code, out, _ = sshbench("report", tmp_path / "run", "-o", tmp_path / "report", "--failures")
    assert code == 0
    assert "<bdi>a</bdi>" in (tmp_path / "report" / "failures.html").read_text()  # the right detection
    assert "AR" in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("dataset", ["fddb", "pascal", "afw", "coco"])
def test_a_folder_without_the_annotation_says_where_to_get_it(sshbench: Any, tmp_path: Path, dataset: str) -> None:
    code, _, err = sshbench("eval", "--dataset", dataset, "--data", tmp_path, "--predictions", tmp_path / "x.txt")
    assert code == 2
    assert "Traceback" not in err
    assert str(tmp_path) in err
    code, _, err = sshbench("eval", "--dataset", dataset, "--predictions", tmp_path / "x.txt")
    assert (code, "--data" in err) == (2, True)


def test_imported_curves_lie_below_a_runs_own(sshbench: Any, shared: Path, tmp_path: Path) -> None:
    wider = shared / "data" / "wider"
    assert sshbench("curves", "import", wider / "curves" / "plot" / "baselines")[0] == 0
    predictions = wider / "predictions" / "synth_small.zip"
    assert (
        sshbench("eval", "--dataset", "wider", "--data", wider, "--predictions", predictions, "-o", tmp_path / "r")[0]
        == 0
    )
    for options, shown in ((["--overlay", "SSH+Pyramid"], True), (["--overlay", "none"], False)):
        assert sshbench("report", tmp_path / "r", "-o", tmp_path / "p", "--images", 0, *options)[0] == 0
        assert ("published curves of SSH+Pyramid" in (tmp_path / "p" / "index.html").read_text()) == shown
    code, _, err = sshbench("report", tmp_path / "r", "-o", tmp_path / "p", "--overlay", "nobody")
    assert (code, "nobody" in err) == (2, True)
