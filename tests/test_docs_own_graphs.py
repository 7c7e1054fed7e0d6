"""docs/own-graphs.md: its tables are those of the code, its specification is valid, and every example runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sshbench.detectors.graphs.spec import GraphSpec
from tests.detectors.graphs.reference import tables
from tests.test_docs_own_models import home

PAGE = Path(__file__).parents[1] / "docs" / "own-graphs.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", tables())
def test_a_table_of_fields_is_up_to_date(heading: str) -> None:
    text = f"### {heading}\n\n{tables()[heading]}\n"
    assert text in TEXT, "copy what `python -m tests.detectors.graphs.reference` prints"


def test_the_specification_of_the_page_is_valid() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert GraphSpec.model_validate(tomllib.loads(text)).name == "my-faces"


@pytest.mark.thorough
def test_every_example_runs(tmp_path: Path, shared: Path) -> None:
    environment = home(tmp_path)
    work = tmp_path / "work"
    (work / "model.onnx").write_bytes((shared / "weights" / "face_detection_yunet_2023mar.onnx").read_bytes())
    blocks = re.findall(r"```(python|sh)\n(.*?)```", TEXT, flags=re.DOTALL)
    ran = 0
    for language, text in blocks:
        if "torch.export" in text:  # of a model that the page does not show; tests/detectors/graphs/test_exported.py
            continue
        few = text.replace("--dataset sample", "--dataset sample --limit 2")  # all images take a minute
        command = ["bash", "-ec", few] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=environment)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran == 5
    assert (work / "drawn" / "spec.toml").is_file()
    assert json.loads((work / "runs" / "mine" / "metrics.json").read_text())["images"] == 2
