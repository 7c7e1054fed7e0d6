"""The page of a leaderboard: one HTML file that needs nothing else, and reads without its script."""

from __future__ import annotations

import sshbench
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE
from sshbench.detectors.pixels import TOLERANCE
from sshbench.evaluation.metrics import percent, title_of
from sshbench.report import leaderboard_plot
from sshbench.report.leaderboard import Leaderboard
from sshbench.report.leaderboard_latency import megapixels
from sshbench.report.leaderboard_plot import first_plot
from sshbench.report.leaderboard_table import board_table
from sshbench.report.leaderboard_text import LICENCE_NOTE, SCOPE_TITLES, WORK_NOTE, grouped, published_text
from sshbench.report.page import environment


def page(board: Leaderboard, *, note: str = "") -> str:
    """Return the page as HTML.

    Args:
        board: The leaderboard.
        note: A sentence of your own for its top.
    """
    tables = [
        board_table(board, position, section.rows) for section in board.sections for position, _ in section.boards
    ]
    text: str = (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            boards=board.boards,
            rows=board.rows,
            sections=board.sections,
            tables=tables,
            plots={table.position: first_plot(table) for table in tables},
            size=leaderboard_plot,
            timing=board.timing,
            timed_on=[board.timed_on(position) for position in range(len(board.boards))],
            sure_of=any(run.intervals for row in board.rows for run in row.results.values()),
            left_out=grouped(board.left_out),
            note=note,
            megapixels=megapixels,
            tolerance=TOLERANCE,
            scope=SCOPE_TITLES[board.scope],
            domain_marks=DOMAIN_MARKS,
            domain_note=DOMAIN_NOTE,
            licence_note=LICENCE_NOTE,
            work_note=WORK_NOTE,
            published=published_text,
            percent=percent,
            title_of=title_of,
            version=sshbench.__version__,
        )
    )
    return text
