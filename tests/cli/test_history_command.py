"""`sshbench history`: series over dates and commits, boards of other rules apart."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import sshbench
from sshbench.archive import archive_runs
from sshbench.evaluation.loading import load_dataset
from sshbench.files import safe_name
from sshbench.suite.history import history

Call = Callable[..., tuple[int, str, str]]


def add(root: Path, commit: str, created: str, step: int, limit: int | None = None, detector: str = "mine") -> None:
    """Archive a run that finds every `step`-th face, made at a time."""
    sample = load_dataset("sample")
    pairs = zip(sample.keys, sample.faces, strict=True)
    found = {key: (f.boxes[::step], f.boxes[::step, 2] / 1000) for key, f in pairs}
    run = root / "runs" / f"{commit} {detector} {limit}"
    sshbench.evaluate("sample", found, detector=detector, out=run, limit=limit)
    folder = root / "kept" / commit
    archive_runs([run], folder)
    identity = folder / safe_name(detector) / "identity.json"
    content = json.loads(identity.read_text())
    content["created"] = created
    content["weights_sha256"] = commit * 8  # a model that is trained again and again
    identity.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    add(root, "ffff", "2026-01-01T10:00:00+00:00", 3)
    add(root, "aaaa", "2026-02-01T10:00:00+00:00", 1)
    add(root, "cccc", "2026-03-05T10:00:00+00:00", 2)
    add(root, "cccc", "2026-03-05T10:00:00+00:00", 2, detector="=1+<b>")
    return root / "kept"


def test_points_are_in_order_of_time(kept: Path) -> None:
    found = history(kept)
    over = found.series("sample", "AP/hard")
    assert [(one.commit, one.created[:7]) for one in over["mine"]] == [
        ("ffff", "2026-01"),
        ("aaaa", "2026-02"),
        ("cccc", "2026-03"),
    ]
    values = [one.value for one in over["mine"]]
    assert values[0] is not None
    assert values[1] == 1.0
    assert len(over["=1+<b>"]) == 1


@pytest.mark.parametrize("by", ["date", "commit"])
def test_command(sshbench: Call, kept: Path, tmp_path: Path, by: str) -> None:
    code, out, err = sshbench("history", kept, "--by", by, "-o", tmp_path)
    assert (code, err) == (0, "")
    assert "mine, hard" in out
    assert {path.name for path in tmp_path.iterdir()} == {
        "history.csv",
        *(f"sample-AP-{name}.{kind}" for name in ("easy", "medium", "hard") for kind in ("svg", "png")),
    }
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert {row["series"] for row in rows} == {"mine", "'=1+<b>"}
    code, out, err = sshbench("history", kept, "--by", by, "-o", tmp_path, "--json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)["points"]) == 12


def test_other_images_are_drawn_apart(sshbench: Call, tmp_path: Path) -> None:
    add(tmp_path, "a", "2026-01-01T10:00:00+00:00", 2)
    add(tmp_path, "b", "2026-01-02T10:00:00+00:00", 2, limit=12)
    boards = {point.board for point in history(tmp_path / "kept").points}
    assert len(boards) == 2
    assert all(board.startswith("sample ") for board in boards)
    assert sshbench("history", tmp_path / "nothing", "-o", tmp_path / "o")[0] == 2
    assert sshbench("history", tmp_path, "--by", "hour", "-o", tmp_path / "o")[0] == 2
    identity = tmp_path / "kept" / "a" / "mine" / "identity.json"
    whole = identity.read_text()
    identity.write_text(whole.replace("2026-01-01T10:00:00+00:00", "yesterday"))
    code, _, err = sshbench("history", tmp_path / "kept", "-o", tmp_path / "o")
    assert code == 2
    assert "field 'created'" in err
    identity.write_text(whole.replace("T10:00:00+00:00", ""))  # a date alone is taken as UTC
    assert len(history(tmp_path / "kept").points) == 6
    (tmp_path / "kept" / "a" / "mine" / "metrics.json").write_text("{")
    assert sshbench("history", tmp_path, "-o", tmp_path / "o")[0] == 2
    assert not (tmp_path / "o").exists()
