"""The leaderboard as files: a page that needs nothing else, its table as CSV, and its figure."""

from __future__ import annotations

from pathlib import Path

from sshbench.files import write_atomic
from sshbench.plotting import save_png, to_svg
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_figure import speed_accuracy
from sshbench.report.leaderboard_page import page
from sshbench.tables import to_csv


def write_leaderboard(board: Leaderboard, out: Path, *, note: str = "") -> list[Path]:
    """Write `index.html`, `leaderboard.csv`, and where latencies are shown `speed-accuracy.svg` and `.png`.

    Args:
        board: The leaderboard.
        out: Folder.
        note: A sentence of your own for the top of the page.

    Returns:
        The files, the page first.
    """
    files = [write_atomic(out / "leaderboard.csv", to_csv(board.to_pandas()))]
    if any(row.latencies for row in board.rows):
        figure = speed_accuracy(board)
        files.append(write_atomic(out / "speed-accuracy.svg", to_svg(figure, "speed-accuracy")))
        files.append(save_png(figure, out / "speed-accuracy.png"))
    return [write_atomic(out / "index.html", page(board, note=note)), *files]
