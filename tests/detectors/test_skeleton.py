"""`sshbench detectors new`: the skeleton is built, installed into a folder, found by its entry point, and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sshbench as package

CommandLine = Callable[..., tuple[int, str, str]]


def run(*command: object, folder: Path, path: str = "") -> str:
    root = str(Path(package.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (path, root)))}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_package_is_installed_and_runs(sshbench: CommandLine, tmp_path: Path) -> None:
    code, out, err = sshbench("detectors", "new", "my-faces", "-o", tmp_path / "package")
    assert code == 0, err
    assert [Path(line).name for line in out.splitlines()] == [
        "pyproject.toml",
        "README.md",
        "sshbench_my_faces.py",
        "test_sshbench_my_faces.py",
    ]
    site = tmp_path / "site"
    install = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site)
    run("pip", *install, tmp_path / "package", folder=tmp_path)
    listed = json.loads(run("sshbench", "detectors", "list", "--json", folder=tmp_path, path=str(site)))["detectors"]
    assert "my-faces" in [row["name"] for row in listed]
    checked = run("sshbench", "detectors", "check", "my-faces", folder=tmp_path, path=str(site))
    assert "WRONG" not in checked
    evaluated = ("eval", "--dataset", "sample", "--detector", "my-faces", "--limit", 4, "--workers", 2, "--json")
    record = json.loads(run("sshbench", *evaluated, folder=tmp_path, path=str(site)))
    assert (record["images"], record["detector"]) == (4, "my-faces")
    tests = run("pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path / "package", path=str(site))
    assert "3 passed" in tests


def test_nothing_is_overwritten(sshbench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    code, _, err = sshbench("detectors", "new", "my-faces", "-o", tmp_path)
    assert (code, "README.md is there already" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["My Faces", "../x", "haar", "", "x_y", "1a"])
def test_names(sshbench: CommandLine, tmp_path: Path, name: str) -> None:
    code, _, err = sshbench("detectors", "new", name, "-o", tmp_path / "package")
    assert code == 2, err
    assert not (tmp_path / "package").exists()
