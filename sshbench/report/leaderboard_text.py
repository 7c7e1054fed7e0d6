"""How the leaderboard's cells are worded, on the page and on a terminal."""

from __future__ import annotations

from sshbench.report.leaderboard import Board, Row
from sshbench.report.metrics import percent

SCOPE_TITLES = {
    "detect": "preprocessing, network and postprocessing, without reading the image",
    "paper": "what SSH's own timer counted: no reading, no NMS where it stands apart",
    "end-to-end": "everything, reading the image included",
    "forward": "the network alone",
}


def milliseconds(value: float) -> str:
    """Three digits, whole numbers from a hundred on.

    >>> milliseconds(5.3333), milliseconds(1234.5)
    ('5.33', '1234')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def published_text(row: Row, board: Board) -> str:
    """What is published for a board's dataset, and why it is not measured here where only a part is."""
    figures = [figure for figure in row.published if figure.dataset == board.protocol.dataset]
    if not figures:
        return "nothing published"
    text = f"{' / '.join(percent(figure.value) for figure in figures)} ({figures[0].conditions})"
    if board.is_part:
        text += f"; not reproduced here: that takes all {board.total_images} images"
    return text
