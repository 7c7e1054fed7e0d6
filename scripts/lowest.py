"""Print the lower bounds of pyproject's mandatory dependencies as a constraints file of pip: `make lowest`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(dependencies: Iterable[str]) -> list[str]:
    """Return `name==bound` of each dependency.

    >>> lowest(["numpy>=1.26.0,<3"])
    ['numpy==1.26.0']
    """
    found = []
    for text in dependencies:
        if not (match := re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", text)):
            raise ValueError(f"{PROJECT.name}: dependency '{text}' has no lower bound. Write name>=VERSION")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(lowest(project["dependencies"])))
