"""Commands and Python in README and docs name what exists: commands, options, public functions; run or not."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

import sshbench
from tests.docs.blocks import PAGES, blocks, commands


def commands_of(page: Path) -> list[list[str]]:
    """Return every sshbench command of a page, as words: those in blocks, and those in running text."""
    text = page.read_text(encoding="utf-8")
    found = [list(command.words) for block in blocks(text) if block.language == "sh" for command in commands(block)]
    found += [shlex.split(line.split(" > ")[0], comments=True) for line in re.findall(r"`(sshbench [^`]*)`", text)]
    return [words[1:] for words in found if words[:1] == ["sshbench"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    from sshbench.cli import app

    root = typer.main.get_command(app)
    for words in commands_of(page):
        command, rest = root, list(words)
        while (inner := getattr(command, "commands", None)) and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            assert name in inner, f"{page.name}: sshbench {' '.join(words)}"
            command = inner[name]
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        for word in rest:
            if word.startswith("-"):
                assert word.partition("=")[0] in {*known, "--help", "--version"}, (
                    f"{page.name}: {word} in sshbench {' '.join(words)}"
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_valid_and_uses_public_names(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sshbench":
                assert hasattr(sshbench, node.attr), f"{page.name}: sshbench.{node.attr}"


def test_a_mark_is_read_in_a_line_and_in_the_first_line_of_a_block() -> None:
    (block,) = blocks("```sh\nsshbench a -o x > y   # then z; needs the network\nsshbench b 'c # d' \\\n  e\n```\n")
    first, second = commands(block)
    assert (first.words, first.into, first.needs) == (("sshbench", "a", "-o", "x"), "y", "the network")
    assert (second.words, second.into, second.needs) == (("sshbench", "b", "c # d", "e"), "", "")
    (block,) = blocks("1. text\n\n    ```sh\n    # needs a GPU\n    sshbench a\n    ```\n")
    assert [command.needs for command in commands(block)] == ["a GPU"]
