"""Runs and timings below folders, however deep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sshbench.errors import MissingDataError
from sshbench.runs import IDENTITY, METRICS


def find_results(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the folders of evaluated runs and the timing files at or below paths, each once.

    Args:
        paths: Runs, archives of runs, timing files, and folders of these.

    Raises:
        MissingDataError: A path does not exist.
    """
    runs: dict[Path, None] = {}
    timings: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise MissingDataError(f"there is nothing at {path}", remedy="Name folders of runs and timings with --on")
        if path.is_file():
            timings[path] = None
            continue
        inside = run_folders(path)
        runs.update(dict.fromkeys(inside))
        others = (one for one in sorted(path.rglob("*.json")) if not any(one.is_relative_to(run) for run in inside))
        timings.update(dict.fromkeys(one for one in others if _is_timing(one)))
    return list(runs), list(timings)


def run_folders(root: Path) -> list[Path]:
    """Return the folders of evaluated runs, and of archived ones, at or below a folder, sorted."""
    return sorted(path.parent for path in root.rglob(METRICS) if path.with_name(IDENTITY).is_file())


def _is_timing(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"scope", "sizes", "machine"} <= content.keys()
