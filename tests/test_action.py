"""The composite GitHub Action: its file is whole, and its shell steps do what it says, in bash and without GitHub."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import sshbench
from sshbench.archive import archive_runs
from sshbench.evaluation.loading import load_dataset
from sshbench.formats.wider import write_wider
from sshbench.records import Detections, DetectionSet

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Fill `${{ ... }}` as GitHub does; an unknown name is an error."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found[1]], text)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What GitHub gives to a step, and the command `sshbench` of this checkout."""
    command = tmp_path / "bin" / "sshbench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sshbench "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }


def run_action(folder: Path, environment: dict[str, str], **inputs: str) -> tuple[int, str]:
    """Run the steps as GitHub's `shell: bash` does, up to the first that fails; return exit code and summary."""
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    assert given.keys() == ACTION["inputs"].keys()
    values = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(ROOT)}
    code = 0
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "inputs reach the shell as variables only: they could hold commands"
        own = {name: filled(text, values) for name, text in step["env"].items()}
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(bash, cwd=folder, env={**environment, **own}, check=False, capture_output=True, text=True)
        code = done.returncode
        if code:
            break
    summary = Path(environment["GITHUB_STEP_SUMMARY"])
    return code, summary.read_text(encoding="utf-8") if summary.exists() else ""


def predictions(path: Path, step: int) -> Path:
    """Every `step`-th face of the sample."""
    sample = load_dataset("sample")
    pairs = zip(sample.keys, sample.faces, strict=True)
    found = DetectionSet.from_images((key, Detections(f.boxes[::step], f.boxes[::step, 2] / 1000)) for key, f in pairs)
    write_wider(path, zip(found.keys, found, strict=True))
    return path


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    sshbench.evaluate("sample", predictions(tmp_path / "good.zip", 1), detector="main", out=tmp_path / "runs" / "main")
    archive_runs([tmp_path / "runs" / "main"], tmp_path / "baseline", with_detections=True)
    return tmp_path / "baseline" / "main"


def test_the_file_is_whole() -> None:
    assert {"name", "description", "inputs", "outputs", "runs"} <= ACTION.keys()
    assert ACTION["runs"]["using"] == "composite"
    assert all(one["description"] for one in ACTION["inputs"].values())
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(re.findall(r"```yaml\n(name.*?)```", page, flags=re.DOTALL)[0])
    (step,) = [one for one in workflow["jobs"]["compare"]["steps"] if "sshbench" in one["uses"]]
    assert step["with"].keys() <= ACTION["inputs"].keys()


@pytest.mark.thorough
def test_an_equal_run_passes_and_a_worse_one_fails(baseline: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    shared = {"dataset": "sample", "install": "false", "baseline": str(baseline)}
    code, summary = run_action(tmp_path, environment, **shared, predictions="good.zip", out="equal")
    assert code == 0
    assert "| method | easy | medium | hard | data |" in summary
    assert "**Differences in hard, points**" in summary
    assert (tmp_path / "output").read_text() == "run=equal\n"
    worse = {**shared, "predictions": str(predictions(tmp_path / "$(touch hacked) worse.zip", 3))}
    code, summary = run_action(tmp_path, environment, **worse, out="worse run")
    assert code == 1
    assert "is better by" in summary
    assert not (tmp_path / "hacked").exists()
    assert run_action(tmp_path, environment, **worse, out="worse run", fail_if_worse="false")[0] == 0
    assert run_action(tmp_path, environment, **worse, out="worse run", margin="90pt")[0] == 0


@pytest.mark.thorough
def test_without_a_baseline_and_with_options(tmp_path: Path, environment: dict[str, str]) -> None:
    predictions(tmp_path / "p.zip", 2)
    options = {"install": "false", "predictions": "p.zip", "options": "--limit 12 --fail-under AP/hard=0.99"}
    code, summary = run_action(tmp_path, environment, **options)
    assert code == 1
    assert "12 of 24 images" in summary  # figures under their floor are shown
    assert run_action(tmp_path, environment, install="false", detector="none", out="other") == (2, summary)
