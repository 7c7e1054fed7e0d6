"""Every example of the README, of docs/ and of the commands' own help is run, or says what it needs."""

from __future__ import annotations

import glob
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml

from scripts.docs_reference import NEEDS, help_text
from scripts.docs_reference import commands as all_commands
from sshbench.cli import app
from tests.docs.blocks import PAGES, ROOT, Block, Command, blocks, commands
from tests.docs.world import NEED_WEIGHTS, SUITE, Call, World, adapted

MAY_FIND_SOMETHING = ("data check", "choose", "weights verify", "protocols validate")
"""Commands whose exit code 1 is an answer."""
ELSEWHERE = {"demo": "tests/report/test_report.py", "doctor": "tests/test_selftest.py"}
"""Commands that take seconds, and the files whose tests run them anyway, as the examples do."""
LAST = ("report", "leaderboard", "detect", "analyze", "compare")
"""Commands whose files no example uses; the same command on another page is not run again."""
HELP = {name: help_text(command) for name, command in all_commands()}
NO_COMMANDS = {"text", "toml", "yaml", "python", ""}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("home"))


@pytest.fixture
def at_home(world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[World]:
    """The world, entered by the page of the test."""
    world.enter(re.sub(r"\W+", "-", request.node.name))
    monkeypatch.setenv("HOME", str(world.home))
    monkeypatch.setenv("SSHBENCH_OFFLINE", "1")
    monkeypatch.chdir(world.work)
    monkeypatch.syspath_prepend(world.work)
    before = set(sys.modules)
    yield world
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(world.home)):
            del sys.modules[name]  # another page has another file of this name


def run(command: Command, world: World, sshbench: Call) -> None:
    """Run a command, and keep what it prints where its line says so."""
    if command.needs or command.words[0] != "sshbench":
        check_other(command)
        return
    words = [re.sub(r"\$\(.*?\)", "a1b2c3d", word) for word in command.words[1:]]
    made = {words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-o", "--out", "--export-predictions")}
    if words[:2] == ["data", "convert"]:
        made.add(words[3])
    words = adapted(words, world.home)
    if words[0] in ELSEWHERE:
        assert f'sshbench("{words[0]}"' in (ROOT / ELSEWHERE[words[0]]).read_text(encoding="utf-8")
        return
    if tuple(words) in world.ran and words[0] in LAST:
        return
    world.ran.add(tuple(words))
    world.provide(words, sorted(made))
    words = [one for word in words for one in (sorted(glob.glob(word)) if "*" in word else [word])]  # noqa: PTH207
    code, out, err = sshbench(*words)
    may_fail = " ".join(words).startswith(MAY_FIND_SOMETHING) or "--fail-if-slower" in words  # two passes tell nothing
    allowed = {0, 1} if may_fail else {0}
    assert code in allowed, f"sshbench {' '.join(words)}\n{out}\n{err}"
    assert "internal error" not in err
    if command.into:
        Path(command.into).write_text(out)


def check_other(command: Command) -> None:
    """Check what can be checked of a command that is not run."""
    first, *rest = command.words
    if first == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    elif first == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(re.findall(r"\[(\w+)\]", " ".join(rest))) <= set(extras)
    else:
        assert first == "git" or command.needs, f"{' '.join(command.words)}: neither run nor marked '# needs ...'"


def run_python(block: Block, names: dict[str, Any], world: World) -> None:
    """Run a block of Python in the names of its page."""
    words = re.findall(r'"([^"\n]*)"', re.sub(r'out="[^"]*"', "", block.text))
    world.provide(words, [])
    text = re.sub(r'"(\w+)"', lambda word: f'"{NEED_WEIGHTS.get(word[1], word[1])}"', block.text)
    exec(compile(text, f"line {block.line}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_a_page(page: Path, at_home: World, sshbench: Call) -> None:
    names: dict[str, Any] = {
        "__name__": page.stem,
        "model": lambda image: (np.array([[0, 0, *image.shape[1::-1]]]), np.array([0.5])),
        "boxes": np.array([[10, 20, 50, 70]]),
        "scores": np.array([0.9]),
    }
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.file and block.language in ("python", "toml"):
            (at_home.work / block.file).write_text(SUITE if block.file == "suite.toml" else block.text)
        if block.language == "sh":
            for command in commands(block):
                run(command, at_home, sshbench)
        elif block.language == "python" and not block.needs and not block.file:
            run_python(block, names, at_home)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        else:
            assert block.language in NO_COMMANDS, f"line {block.line}: no test runs a block of {block.language}"


@pytest.mark.parametrize("name", HELP, ids=lambda name: name.replace(" ", "-"))
def test_examples_of_a_help(name: str, at_home: World, sshbench: Call) -> None:
    lines = [line for line in HELP[name].splitlines() if re.match(r" +(sshbench|torchrun) ", line)]
    found = commands(Block("sh", "\n".join(line.strip() for line in lines), 0, "", ""))
    assert any(command.words[: len(name.split()) + 1] == ("sshbench", *name.split()) for command in found)
    for command in found:
        needs = "GPUs" if command.words[0] == "torchrun" else NEEDS.get(name, "")
        run(replace(command, needs=needs), at_home, sshbench)


def test_the_groups_of_commands_are_all_there() -> None:
    assert {name.partition(" ")[0] for name in HELP} == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
