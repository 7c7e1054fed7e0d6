"""The examples of a page: its blocks of code, and the commands in them.

`# needs something`, alone in the first line of a block or behind a command, says what an example needs that the tests
do not have: the network, a GPU, a cluster, weights, hours. Such an example is not run; that its commands and options
exist is tested anyway.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", flags=re.DOTALL | re.MULTILINE)
NEEDS = re.compile(r"#.*?\bneeds ([^,;)]+)")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: As after the fence, "" where there is none.
        text: Without indentation.
        line: Of the fence, 1-based.
        needs: What the whole block needs; "" where it is run.
        file: The name in its first line, `# suite.toml`; "" where there is none.
    """

    language: str
    text: str
    line: int
    needs: str
    file: str


@dataclass(frozen=True)
class Command:
    """A line of a shell block.

    Attributes:
        words: As the shell splits them, without the redirection.
        needs: What it needs; "" where it is run.
        into: The file that takes what it prints; "" where there is none.
    """

    words: tuple[str, ...]
    needs: str
    into: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of code of a page, in order."""
    found = []
    for fence in FENCE.finditer(text):
        code = re.sub(rf"^{fence[1]}", "", fence[3], flags=re.MULTILINE)
        first = code.partition("\n")[0]
        needs = NEEDS.match(first)
        file = re.match(r"# ([\w-]+\.\w+)\b", first)
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(fence[2], code, line, needs[1].strip() if needs else "", file[1] if file else ""))
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of a shell block."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        code = " ".join(shlex.split(line, comments=True))
        if not code:
            continue
        needs = NEEDS.search(line[len(line.partition(" #")[0]) :])
        command, _, into = line.partition(" > ")
        words = tuple(shlex.split(command, comments=True))
        into = shlex.split(into, comments=True)[0] if into else ""
        found.append(Command(words, block.needs or (needs[1].strip() if needs else ""), into))
    return found
