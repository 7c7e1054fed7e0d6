"""Commands and Python in README and docs name what exists: commands, options, public functions."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

import sshbench

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Return every sshbench command of a page, as words: those in blocks, and those in running text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(sshbench [^`]*)`", text)
    found = []
    for line in lines:
        words = shlex.split(line.split(" > ")[0], comments=True)
        if words[:1] == ["sshbench"]:
            found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    from sshbench.cli import app

    root = typer.main.get_command(app)
    for words in commands(page):
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
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sshbench":
                assert hasattr(sshbench, node.attr), f"{page.name}: sshbench.{node.attr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
