"""The committed schemas are those of the code, every `--json` has one, and what commands print keeps to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import typer.main

from sshbench.schemas import COMMANDS, FILES, schemas

ROOT = Path(__file__).parents[1]
KNOWN = schemas()
Call = Callable[..., tuple[int, str, str]]


def test_the_folder_is_up_to_date(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "write_schemas.py")
    there = {path.name: path.read_text(encoding="utf-8") for path in script.FOLDER.iterdir()}
    assert there == script.contents(), "run python scripts/write_schemas.py"


def commands_with_json(command: Any, name: str = "") -> Iterator[str]:
    """Yield the names of all commands that have the option `--json`."""
    if any("--json" in param.opts for param in command.params):
        yield name.strip()
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands_with_json(inner, f"{name} {part}")


def test_every_json_output_has_a_schema() -> None:
    from sshbench.cli import app

    there = set(commands_with_json(typer.main.get_command(app)))
    assert there == {name.partition(" (")[0] for name in COMMANDS}


def valid(text: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    jsonschema.validate(content, KNOWN[name])
    return content


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sshbench.benchmark import run

    folder = tmp_path_factory.mktemp("schemas") / "run"
    run("haar", "sample", out=folder, limit=3, settings={"resize": "192x256"}, progress=False)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("protocols", "list"),
        ("protocols", "show", "wider"),
        ("protocols", "show", "fddb"),
        ("protocols", "show", "pascal"),
        ("protocols", "show", "coco"),
        ("protocols", "validate", "sample"),
        ("detectors", "list"),
        ("detectors", "info", "yunet"),
        ("detectors", "info", "haar"),
        ("weights", "list"),
        ("weights", "verify"),
        ("curves", "list"),
        ("data", "check", "sample"),
    ],
    ids=" ".join,
)
def test_what_a_command_prints_keeps_to_its_schema(sshbench: Call, arguments: tuple[str, ...]) -> None:
    code, out, err = sshbench(*arguments, "--json")
    assert code == 0, err
    assert valid(out, COMMANDS[" ".join(arguments[:2])][0])["format"] == 1


def test_files_of_a_run_keep_to_their_schemas(sshbench: Call, run: Path, tmp_path: Path) -> None:
    for name in ("metrics", "identity", "protocol"):
        valid((run / f"{name}.json").read_text(encoding="utf-8"), name)
    for command in (("report", run, "-o", tmp_path / "r"), ("archive", run, "-o", tmp_path / "a")):
        code, out, err = sshbench(*command, "--json")
        assert code == 0, err
        valid(out, COMMANDS[str(command[0])][0])
    code, out, err = sshbench("leaderboard", run, "-o", tmp_path / "board", "--json")
    assert code == 0, err
    valid(out, "leaderboard-output")
    code, out, err = sshbench("archive", run, "-o", tmp_path / "v", "--with-detections", "--json")
    assert code == 0, err
    valid(sshbench("history", tmp_path / "v", "-o", tmp_path / "h", "--json")[1], "history-output")
    valid(sshbench("verify", tmp_path / "v", "--json")[1], "verify-output")
    valid(sshbench("table", run, "--replicates", 100, "--json")[1], "table-output")
    for archived in (tmp_path / "a").rglob("identity.json"):
        valid(archived.read_text(encoding="utf-8"), "identity")
    valid(sshbench("eval", "--dataset", "sample", "--predictions", run, "--json")[1], "eval-output")
    valid(sshbench("analyze", run, "--replicates", 100, "--json")[1], "analysis")
    valid(sshbench("compare", run, run, "--replicates", 100, "--json")[1], "comparison")
    valid(sshbench("explain", run, "--dataset", "sample", "--limit", 3, "--json")[1], "explain-output")


def test_files_and_outputs_of_other_commands(sshbench: Call, tmp_path: Path) -> None:
    image = ROOT / "sshbench/datasets/sample_data/WIDER_val/images/0--Portrait/0_Portrait_sample_0_1.jpg"
    code, out, err = sshbench("detect", image, "-o", tmp_path / "d", "--detector", "haar", "--json")
    assert code == 0, err
    valid(out, "detect-output")
    valid(next((tmp_path / "d").glob("*.json")).read_text(encoding="utf-8"), "image-detections")
    quick = ("--sizes", "90x120", "--count", 1, "--min-time", 0, "--min-count", 2)
    code, out, err = sshbench("timing", "--detector", "haar", *quick, "-o", tmp_path / "t.json", "--json")
    assert code == 0, err
    valid(out, "timing")
    valid((tmp_path / "t.json").read_text(encoding="utf-8"), "timing")
    code, out, err = sshbench(
        "weights", "random", "-o", tmp_path / "w.safetensors", "--architecture", "ssh-tiny", "--json"
    )
    assert code == 0, err
    valid(out, "weights-file-output")
    (tmp_path / "s.toml").write_text(
        'images = 0\n[[detectors]]\nname = "haar"\n[[datasets]]\nname = "sample"\nlimit = 1\n'
    )
    code, out, err = sshbench("suite", tmp_path / "s.toml", "--json")
    assert code == 0, err
    valid(out, "suite-output")
    (tmp_path / "gt.txt").write_text("e/a.jpg\n1\n1 2 3 4\n")
    code, out, err = sshbench(
        "data", "convert", tmp_path / "gt.txt", tmp_path / "gt.json", "--from", "wider", "--to", "coco", "--json"
    )
    assert code == 0, err
    valid(out, "data-convert-output")


def test_measured_results_keep_to_the_schemas() -> None:
    for path in (ROOT / "results" / "measured").rglob("*.json"):
        name = "timing" if path.name.startswith("timing-") else path.stem
        if name in ("metrics", "identity", "timing"):
            jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), KNOWN[name])
    assert set(FILES) <= set(KNOWN)
