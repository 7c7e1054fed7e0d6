"""CONTRIBUTING.md, followed as it is written, in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[1:]
FILE = re.compile(r"# (\S+?\.(?:py|toml))(?:, after: (.+))?\n")
FACES = "a,10,10,50,50\na,80,20,110,60\nb,5,5,45,40\n"
FOUND = "a 0.9 11 10 50 52\nb 0.4 200 100 240 140\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the package is made of, and the files that the guides' commands name."""
    for name in ("sshbench", "protocols", "results/published"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    data = tmp_path / "examples-corners"
    (data / "images").mkdir(parents=True)
    (data / "faces.csv").write_text(FACES, encoding="utf-8")
    (tmp_path / "found.txt").write_text(FOUND, encoding="utf-8")
    return tmp_path


def follow(guide: str, copy: Path) -> list[str]:
    """Write the files of a guide, add its lines, run its commands; return what they print."""
    printed = []
    for language, block in re.findall(r"```(\w+)\n(.*?)```", guide, flags=re.DOTALL):
        if language == "sh":
            printed += [call(shlex.split(line)[1:], copy) for line in block.splitlines()]
        else:
            write(block, copy)
    return printed


def write(block: str, copy: Path) -> None:
    """Write a block into the file that its first line names, or below the line of it that it names."""
    head = FILE.match(block)
    assert head is not None, block
    path, content = copy / head[1], block[head.end() :]
    if head[2] is None:
        assert not path.exists(), f"{head[1]} is there already"
        path.write_text(content, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = [i for i, line in enumerate(lines) if line.startswith(head[2])]
    assert len(at) == 1, f"{head[1]} has {len(at)} lines that start with '{head[2]}'"
    path.write_text("".join([*lines[: at[0] + 1], content, *lines[at[0] + 1 :]]), encoding="utf-8")


def call(arguments: list[str], copy: Path) -> str:
    command = [sys.executable, "-m", "sshbench", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"sshbench {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def guide(title: str) -> str:
    return next(text for text in GUIDES if text.startswith(f"{title}\n"))


def test_add_a_detector(copy: Path) -> None:
    info, checked, evaluated = follow(guide("Add a detector"), copy)
    assert "A face in the middle" in info
    assert "middle" in checked
    assert "4 images" in evaluated
    assert len((copy / "sshbench/detectors/middle.py").read_text(encoding="utf-8").splitlines()) < 60


def test_add_a_benchmark(copy: Path) -> None:
    evaluated = follow(guide("Add a benchmark"), copy)[2]
    assert "2 images, 3 faces, 2 detections" in evaluated
    assert "33.33" in evaluated  # one face of three is found, before the false positive
    write_bad = (copy / "examples-corners" / "faces.csv").write_text("a,1,2\n", encoding="utf-8")
    assert write_bad == 6
    with pytest.raises(AssertionError, match=r"faces.csv:1: 3 columns\s+Write image,x1,y1,x2,y2"):
        call(["data", "check", "corners", "--data", "examples-corners"], copy)


def test_add_a_format(copy: Path) -> None:
    follow(guide("Add a format"), copy)
    assert (copy / "again.txt").read_text(encoding="utf-8") == FOUND
    assert len((copy / "found.jsonl").read_text(encoding="utf-8").splitlines()) == 2
