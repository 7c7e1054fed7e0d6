"""The tables in docs/ and the committed page show the committed results."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sshbench.analysis.record import ComparisonRecord
from sshbench.report.leaderboard_files import write_leaderboard

ROOT = Path(__file__).parents[1]


def test_the_tables_are_up_to_date(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    for file, name, table in script.TABLES:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert script.updated(text, name, table()) == text, f"{file}: run python -m scripts.update_tables"


def test_the_committed_leaderboard_is_up_to_date(module_at: Callable[[Path], ModuleType], tmp_path: Path) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    write_leaderboard(script.collected(), tmp_path, note=script.NOTE)
    committed = script.MEASURED / "leaderboard"
    for name in ("leaderboard.csv", "index.html", "speed-accuracy.svg"):
        made, kept = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path, committed))
        if name.endswith(".svg"):
            made, kept = _without_paths(made), _without_paths(kept)
        made, kept = _without_version(made), _without_version(kept)
        assert made == kept, f"{name}: run python -m scripts.update_tables"
    assert {path.name for path in committed.iterdir()} == {path.name for path in tmp_path.iterdir()}


def test_every_committed_run_on_fitted_images_is_in_the_second_table(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    runs = sorted(path.parent for path in (script.MEASURED / "wider-fit-640x480").glob("*/identity.json"))
    own, equal = script.collected().sections
    assert (own.fit, equal.fit) == ("", "640x480")
    assert sorted(row.identity.detector for row in equal.rows) == [run.name for run in runs]
    ((position, board),) = equal.boards
    assert (board.images, board.total_images) == (3226, 3226)
    for row in equal.rows:
        assert row.identity.data is None
        assert row.identity.settings["resize"] == "original"
        assert row.identity.settings["extra"]["tta"] == "fit-640x480"
        if row.fixed_size is None:
            assert row.results[position].pixels.input == pytest.approx(245_578, abs=1), "all get the same pixels"
    table = script.leaderboard().partition("### Equal pixels")[2].partition("###")[0]
    assert all(f"\n| {run.name} |" in table for run in runs)


def test_the_reproduction_is_up_to_date(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    text = (script.MEASURED / "reproduction.csv").read_text(encoding="utf-8")
    assert text == script.reproduction_csv(), "run python -m scripts.update_tables"
    for row in script.reproduced():
        explained = row.note or abs(row.difference) <= 0.5
        assert explained, f"{row.detector} on {row.figure.dataset}: {row.difference:+.2f} points need a reason"


def _without_paths(text: str) -> str:
    """Keep of a drawing only what it says: its paths differ between versions of Matplotlib."""
    return re.sub(r"<svg.*?</svg>", lambda svg: "\n".join(re.findall(r"<!-- .*? -->", svg[0])), text, flags=re.DOTALL)


def test_the_committed_comparisons_are_of_the_committed_runs(module_at: Callable[[Path], ModuleType]) -> None:
    script = module_at(ROOT / "scripts" / "update_tables.py")
    board = script.collected()
    placed = [(row, position) for row in board.rows for position in row.places]
    records = [ComparisonRecord.read(path, remedy="") for path in script.MEASURED.glob("*/comparison.json")]
    assert len(placed) == sum(len(record.runs) for record in records) > 0
    by_detections = {run.detections_digest: run for record in records for run in record.runs}
    for row, position in placed:
        chosen, run = board.boards[position].chosen, row.results[position]
        compared = by_detections[run.detections or ""]
        assert compared.metrics[chosen].value == row.value(position, chosen)
        sure = row.interval(position, chosen)
        assert sure is not None
        assert (sure.low, sure.high) == (compared.metrics[chosen].low, compared.metrics[chosen].high)


def _without_version(page: str) -> str:
    """Leave out the version in the page's footer, which every commit changes."""
    return re.sub(r"sshbench \d[\w.+]*(?=</footer>)", "sshbench", page)
