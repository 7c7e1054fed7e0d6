"""Every example of docs/own-models.md runs, in its order; the sample's images stand for those of WIDER FACE."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sshbench
from sshbench.files import sample_dir

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "own-models.md"
IMAGES = ("0--Portrait/0_Portrait_sample_0_1.jpg", "5--Empty/5_Empty_sample_5_1.jpg")


def home(folder: Path) -> dict[str, str]:
    """A home folder with WIDER, which has two images, a folder of photographs and the command; its environment."""
    data = folder / "WIDER"
    for part in ("ground_truth", "wider_face_split"):
        data.mkdir(exist_ok=True)
        (data / part).symlink_to(sample_dir() / part)
    for image in IMAGES:
        for target in (data / "WIDER_val" / "images" / image, folder / "work" / "photos" / Path(image).name):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(sample_dir() / "WIDER_val" / "images" / image)
    program = folder / "bin" / "sshbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sshbench "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    return {**os.environ, "HOME": str(folder), "PATH": path, "PYTHONPATH": str(Path(sshbench.__file__).parents[1])}


@pytest.mark.thorough
def test_every_example_runs(tmp_path: Path) -> None:
    environment = home(tmp_path)
    work = tmp_path / "work"
    blocks = re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 9
    for language, text in blocks:
        if name := re.match(r"# (\w+\.py)\n", text):
            (work / name[1]).write_text(text)
            continue
        few = text.replace("--dataset sample", "--dataset sample --limit 2")  # all images take a minute
        command = ["bash", "-ec", few] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=environment)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    metrics = json.loads((work / "runs" / "faces" / "metrics.json").read_text())
    assert (metrics["detector"], metrics["images"]) == ("faces", 2)
    assert (work / "report" / "index.html").is_file()
    names = {path.name.rpartition("-")[0] for path in (work / "runs").glob("sample-*")}
    assert names == {"sample-faces", "sample-my-cascade", "sample-bright-blob"}
