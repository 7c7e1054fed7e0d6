"""Every fault of the shared table is in `faults.toml`, with a test that exists, or the reason why there is none."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTED = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())


def kind_of(fault: str) -> str:
    """Return `tests`, `by-hand` or `left`; empty where no pattern fits."""
    return next((kind for kind in ("left", "by-hand", "tests") for p in LISTED[kind] if fnmatchcase(fault, p)), "")


def test_every_test_exists() -> None:
    sources = "\n".join(path.read_text() for path in ROOT.rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)", sources))
    assert set(LISTED["tests"].values()) <= defined


def test_every_fault_is_listed(shared: Path) -> None:
    table = (shared / "faults" / "README.md").read_text()
    faults = re.findall(r"^\| ([A-Z]\w*-\S+) \|", table, flags=re.MULTILINE)
    assert len(faults) > 200
    kinds = Counter(map(kind_of, faults))
    assert not kinds[""]
    assert kinds["left"] == 2
