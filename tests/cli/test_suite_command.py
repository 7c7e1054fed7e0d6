"""`sshbench suite`: every detector with every setting on every dataset, resumably; errors name file and field."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sshbench.errors import InputError
from sshbench.files import sample_dir
from sshbench.suite.plan import read_suite

Call = Callable[..., tuple[int, str, str]]
SUITE = """
images = 0

[[detectors]]
name = "haar"
settings = [{ resize = "96x128" }, { resize = "120x160" }]

[[detectors]]
name = "dlib-nothing"

[[datasets]]
name = "sample"
limit = 3

[[datasets]]
name = "sample"
data = "here"
limit = 2
"""


def test_a_suite_runs_resumes_and_goes_on_after_a_failure(sshbench: Call, tmp_path: Path) -> None:
    shutil.copytree(sample_dir(), tmp_path / "here")
    file = tmp_path / "my.toml"
    file.write_text(SUITE)
    code, out, err = sshbench("suite", file)
    assert code == 1
    assert "2 of 6 runs failed; the first: " in err
    assert "dlib-nothing" in err
    assert out.count("FAILED") == 2
    runs = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("my/runs/*/*"))
    assert runs == [f"my/runs/sample-{limit}/haar resize={size}" for limit in (2, 3) for size in ("120x160", "96x128")]
    pages = ["leaderboard/index.html", "report/sample-2/index.html", "report/sample-3/index.html"]
    assert all((tmp_path / "my" / page).is_file() for page in pages)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("detections.sqlite")}
    shutil.rmtree(tmp_path / "my" / runs[0].removeprefix("my/"))
    file.write_text(SUITE.replace('[[detectors]]\nname = "dlib-nothing"\n', ""))
    code, out, err = sshbench("suite", file, "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["ok"]
    assert len(content["results"]) == 4
    assert all(one["metrics"].keys() == {"AP/easy", "AP/medium", "AP/hard"} for one in content["results"])
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("detections.sqlite")}
    assert after.keys() == before.keys()
    assert sum(after[path] != before[path] for path in after) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x = ", "not valid TOML"),
        ("", "field 'detectors'"),
        (SUITE.replace("images = 0", "images = -1"), "field 'images'"),
        (SUITE.replace("limit = 3", "limits = 3"), "field 'datasets.0.limits'"),
        (SUITE.replace('name = "haar"', "name = 3"), "field 'detectors.0.name'"),
        (SUITE.replace('resize = "96x128"', "resize = [96]"), "field 'detectors.0.settings.0.resize"),
        (SUITE.replace("120x160", "96x128"), "two runs are the same"),
        ('detectors = 1\n[[datasets]]\nname = "sample"\n', "field 'detectors'"),
        (SUITE.replace('"dlib-nothing"', '"haar"\ntrained_on = ["imagenet"]'), "unknown benchmark 'imagenet'"),
    ],
)
def test_errors_name_file_and_field(sshbench: Call, tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    code, out, err = sshbench("suite", tmp_path / "s.toml")
    assert (code, out) == (2, "")
    assert str(tmp_path / "s.toml") in err
    assert named in err
    assert not (tmp_path / "s").exists()


def test_a_suite_that_is_not_there_and_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_suite(tmp_path / "none.toml")
    text = (
        '[[detectors]]\nname = "ssh"\nsettings = [{ weights = "w.bin" }]\n[[datasets]]\nname = "p.toml"\ndata = "d"\n'
    )
    (tmp_path / "s.toml").write_text(text)
    suite = read_suite(tmp_path / "s.toml")
    here = tmp_path.resolve()
    assert (suite.datasets[0].name, suite.datasets[0].data) == (str(here / "p.toml"), str(here / "d"))
    assert suite.detectors[0].settings[0]["weights"] == str(here / "w.bin")
