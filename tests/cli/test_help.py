"""Help: every command in a panel with one whole line, every option of `eval` in a panel, words completed in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sshbench.cli import app
from sshbench.cli.panels import DATA, EVALUATE, LOOK, MODELS, MORE

Call = Callable[..., tuple[int, str, str]]
ROOT = typer.main.get_command(app)
PANELS = [EVALUATE, LOOK, MODELS, DATA, MORE]


def commands(group: Any = ROOT, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below a group, with the words that call it."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*words, name), command
        yield from commands(command, *words, name)


COMMANDS = dict(commands())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_one_line_of_help(words: tuple[str, ...]) -> None:
    line = COMMANDS[words].get_short_help_str(1000)
    assert 10 <= len(line) <= 60, line
    assert line.endswith("."), line
    assert "..." not in line


@pytest.mark.parametrize("name", ROOT.commands)  # type: ignore[attr-defined]
def test_every_command_is_in_a_panel(name: str) -> None:
    assert COMMANDS[name,].rich_help_panel in PANELS, f"register {name} with rich_help_panel=..."


@pytest.mark.parametrize("columns", [80, 100])
def test_the_list_of_commands_is_not_cut(columns: int, sshbench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 40)))
    code, out, _ = sshbench("--help")
    assert code == 0
    lines = out.splitlines()
    assert [line[:-1] for line in lines if line[:-1] in PANELS and line.endswith(":")] == PANELS
    listed = [line.split()[0] for line in lines[lines.index(f"{EVALUATE}:") :] if line.startswith("  ")]
    assert sorted(listed) == sorted(ROOT.commands)  # type: ignore[attr-defined]  # one line each
    for name in listed:
        assert any(
            line.strip().startswith(f"{name} ") and line.endswith(COMMANDS[name,].get_short_help_str(1000))
            for line in lines
        ), name


def test_options_of_eval_are_in_panels(sshbench: Call) -> None:
    without = [p.opts[0] for p in COMMANDS["eval",].params if not p.rich_help_panel and p.name != "help"]
    assert without == []
    code, out, _ = sshbench("eval", "--help")
    assert code == 0
    titles = [line[:-1] for line in out.splitlines() if line and not line.startswith(" ") and line.endswith(":")]
    assert titles == ["What to evaluate", "Prediction files", "Rules", "Detector", "Work", "Result", "Options"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_every_command(words: tuple[str, ...], sshbench: Call) -> None:
    code, out, err = sshbench(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: sshbench {' '.join(words)}")
    for param in COMMANDS[words].params:
        assert param.param_type_name == "argument" or param.opts[0] in out


def shell(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "HOME": str(home), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **environment}
    command = [sys.executable, "-m", "sshbench", *arguments]
    return subprocess.run(command, env=own, capture_output=True, text=True, check=False)


def test_completion_is_installed_into_the_shells_files(tmp_path: Path) -> None:
    done = shell(tmp_path, "--install-completion", "bash")
    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("sshbench" in path.read_text(encoding="utf-8") for path in written), written
    shown = shell(tmp_path, "--show-completion", "bash")
    assert shown.returncode == 0, shown.stderr
    assert "_SSHBENCH_COMPLETE=complete_bash" in shown.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sshbench ev", ["eval"]),
        ("sshbench data che", ["check", "check-submission"]),
        ("sshbench eval --fit", ["--fit"]),
    ],
)
def test_words_are_completed(tmp_path: Path, words: str, expected: list[str]) -> None:
    position = str(len(words.split()) - 1)
    done = shell(tmp_path, _SSHBENCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = done.stdout.split()
    assert [word for word in expected if not any(one.startswith(word) for one in found)] == []
    assert all(one.startswith(words.split()[-1]) for one in found)


def test_an_exit_of_a_detector_is_still_an_error(tmp_path: Path) -> None:
    """Only completion may end the process by itself."""
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    done = shell(tmp_path, "eval", "--dataset", "sample", "--detector", f"{tmp_path / 'leaves.py'}:detect")
    assert done.returncode != 0
