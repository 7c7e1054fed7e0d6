"""The README's speed table is the committed timings', not somebody's memory of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def test_the_readme_is_up_to_date(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script.BEGIN in readme
    assert script.updated(readme) == readme, "run python scripts/update_tables.py"
