"""`sshbench eval` as a user calls it: outputs, exit codes, run folders."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

KEYS = [
    "dataset",
    "detector",
    "protocol",
    "protocol_hash",
    "metrics",
    "images",
    "faces",
    "detections",
    "seconds",
    "warnings",
]


def test_json_is_one_object_with_unrounded_fractions(sshbench: Any, shared: Path) -> None:
    wider = shared / "data" / "wider"
    predictions = wider / "predictions" / "synth_small.zip"
    code, out, err = sshbench("eval", "--dataset", "wider", "--data", wider, "--predictions", predictions, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert set(KEYS) <= set(record)
    assert record["metrics"] == {
        "AP/easy": pytest.approx(0.9419321045317139, abs=2e-15),
        "AP/medium": pytest.approx(0.9205145348161307, abs=2e-15),
        "AP/hard": pytest.approx(0.7770240576124978, abs=2e-15),
    }
    assert (record["images"], record["faces"], record["detections"]) == (3226, 39708, 36570)
    assert record["warnings"] == []


def test_iou_changes_result_and_hash(sshbench: Any, shared: Path) -> None:
    wider = shared / "data" / "wider"
    grid = wider / "predictions" / "grid.zip"
    base = ["eval", "--dataset", "wider", "--data", wider, "--predictions", grid, "--json"]
    double = json.loads(sshbench(*base)[1])
    int32 = json.loads(sshbench(*base, "--iou", "int32")[1])
    assert int32["metrics"]["AP/easy"] == pytest.approx(0.9414291171219776, abs=2e-15)
    assert double["protocol_hash"] != int32["protocol_hash"]


def test_sample_run_resumes_and_keeps_everything(sshbench: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    base = ["eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192", "-o", out, "--json"]
    code, first, _ = sshbench(*base)
    assert code == 0
    for name in ("identity.json", "detections.sqlite", "metrics.json", "protocol.json", "curves/hard.csv", "pr.png"):
        assert (out / name).stat().st_size > 0
    record = json.loads(first)
    assert record["smoke_test"] is True
    stored = json.loads((out / "metrics.json").read_text())
    assert stored == {name: value for name, value in record.items() if name != "intervals"}
    # The same command goes on: nothing is left to do, and the figures are the same.
    again = json.loads(sshbench(*base)[1])
    assert again["metrics"] == record["metrics"]


def test_other_settings_in_the_same_folder_are_refused(sshbench: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    base = ["eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192", "-o", out, "--json"]
    assert sshbench(*base, "--limit", 2)[0] == 0
    code, _, err = sshbench(*base, "--limit", 3)
    assert code == 1
    assert "images: 2 there, 3 now" in err
    assert "with --out" in err
    assert sshbench(*base, "--limit", 3, "--overwrite")[0] == 0


def test_exported_predictions_give_the_same_figures(sshbench: Any, tmp_path: Path) -> None:
    exported = tmp_path / "haar.zip"
    base = ["eval", "--dataset", "sample", "--json"]
    run = json.loads(
        sshbench(
            *base, "--detector", "haar", "--resize", "144x192", "-o", tmp_path / "run", "--export-predictions", exported
        )[1]
    )
    with zipfile.ZipFile(exported) as archive:
        assert len(archive.namelist()) == run["images"]
    for source in (exported, tmp_path / "run"):
        again = json.loads(sshbench(*base, "--predictions", source, "--strict")[1])
        assert again["metrics"] == run["metrics"]


def test_predictions_can_be_kept_as_a_run(sshbench: Any, shared: Path, tmp_path: Path) -> None:
    wider = shared / "data" / "wider"
    zipped = wider / "predictions" / "synth_small.zip"
    base = ["eval", "--dataset", "wider", "--data", wider, "--json"]
    kept = json.loads(sshbench(*base, "--predictions", zipped, "-o", tmp_path / "run")[1])
    from_run = json.loads(sshbench(*base, "--predictions", tmp_path / "run")[1])
    assert from_run["metrics"] == kept["metrics"]
    other = json.loads(sshbench(*base, "--predictions", tmp_path / "run", "--iou", "int32")[1])
    assert other["metrics"] != kept["metrics"]


def test_unfinished_run_is_refused_unless_asked_for_and_then_marked(sshbench: Any, tmp_path: Path) -> None:
    import sqlite3

    out = tmp_path / "run"
    sshbench(
        "eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192", "--limit", "6", "-o", out, "--json"
    )
    with sqlite3.connect(out / "detections.sqlite") as connection:
        connection.execute("DELETE FROM images WHERE key IN (SELECT key FROM images LIMIT 5)")
    connection.close()
    (out / "files.json").unlink()  # a run that was killed was never evaluated
    code, _, err = sshbench("eval", "--dataset", "sample", "--predictions", out, "--json")
    assert code == 1
    assert "unfinished" in err
    code, text, _ = sshbench("eval", "--dataset", "sample", "--predictions", out, "--allow-unfinished", "--json")
    record = json.loads(text)
    assert (code, record["complete"]) == (0, False)
    assert record["warnings"][0]["code"] == "unfinished-run"


def test_an_unreadable_image_is_reported_and_the_run_goes_on(sshbench: Any, tmp_path: Path) -> None:
    from sshbench.files import sample_dir

    copy = tmp_path / "sample"
    shutil.copytree(sample_dir(), copy)
    broken = sorted((copy / "WIDER_val" / "images").rglob("*.jpg"))[3]
    broken.write_bytes(b"not an image")
    code, out, _ = sshbench(
        *("eval", "--dataset", "sample", "--data", copy, "--detector", "haar", "--limit", "4"),
        *("--resize", "144x192", "-o", tmp_path / "run", "--json"),
    )
    record = json.loads(out)
    assert code == 0
    assert [w["code"] for w in record["warnings"]] == ["failed-image"]
    assert broken.stem in record["warnings"][0]["files"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval"], "either --detector or --predictions"),
        (["eval", "--detector", "haar"], "name a dataset"),
        (["eval", "--dataset", "widder", "--detector", "haar"], "no protocol named 'widder'"),
        (["eval", "--dataset", "wider", "--detector", "haar"], "--data DIR"),
        (["eval", "--dataset", "wider", "--data", "/nowhere", "--detector", "haar"], "no folder /nowhere"),
        (["eval", "--dataset", "sample", "--detector", "harr"], "haar"),
        (["eval", "--dataset", "sample", "--predictions", "/nowhere.zip"], "/nowhere.zip"),
        (["eval", "--dataset", "sample", "--predictions", "x", "--resize", "original"], "--resize"),
        (["eval", "--dataset", "sample", "--detector", "haar", "--limit", "0"], "--limit"),
        (["eval", "--dataset", "sample", "--detector", "haar", "--resize", "big"], "big"),
        (["eval", "--dataset", "sample", "--iou", "float", "--detector", "haar"], "float"),
        (["eval", "--protocol", "nothing.toml", "--detector", "haar"], "nothing.toml"),
        (["evaluate"], "evaluate"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_what(sshbench: Any, arguments: list[str], says: str) -> None:
    code, out, err = sshbench(*arguments)
    assert code == 2
    assert says in err
    assert out == ""
    assert "Traceback" not in err


def test_strict_mode_fails_on_a_repair_and_names_the_file(sshbench: Any, shared: Path) -> None:
    wider = shared / "data" / "wider"
    code, _, err = sshbench(
        "eval", "--dataset", "wider", "--data", wider, "--predictions", wider / "predictions" / "traps.zip", "--strict"
    )
    assert code == 1
    assert "unsorted-rows" in err
    assert ".txt" in err


def test_table_shows_the_published_rows(sshbench: Any, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    wider = shared / "data" / "wider"
    code, out, _ = sshbench(
        "eval", "--dataset", "wider", "--data", wider, "--predictions", wider / "predictions" / "synth_small.zip"
    )
    assert code == 0
    assert "94.19" in out
    assert "SSH (VGG-16) + pyramid" in out
    assert "93.10" in out
