"""The README's tables and the committed page are those of the committed results, not somebody's memory of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from sshbench.report.leaderboard import collect
from sshbench.report.leaderboard_files import write_leaderboard

ROOT = Path(__file__).parents[1]


def test_the_readme_is_up_to_date(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(mark.format(name) in readme for mark in script.MARKS for name in ("timings", "leaderboard"))
    assert script.updated(readme) == readme, "run python scripts/update_tables.py"


def test_the_committed_leaderboard_is_up_to_date(module_at: Callable[[Path], ModuleType], tmp_path: Path) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    write_leaderboard(collect(script.RUNS, script.TIMINGS), tmp_path)
    kept = (script.MEASURED / "leaderboard" / "leaderboard.csv").read_text(encoding="utf-8")
    assert (tmp_path / "leaderboard.csv").read_text(encoding="utf-8") == kept
