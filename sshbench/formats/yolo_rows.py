"""Rows of YOLO's text files: a box, a box with a score, a box with landmarks, or a polygon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.records import FloatArray, IntArray

TRUTH, DETECTIONS = 5, 6
"""How many numbers a row has without landmarks: `class cx cy w h`, and with a score."""

_RELATIVE = 4.0  # boxes may reach far beyond the image, but not by pixels
_LANDMARKS = (10, 15)  # five points, without and with their visibility
_CLASSES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class YoloRows:
    """The rows of one file.

    Attributes:
        boxes: float64 (n, 4), cx cy w h relative to the image's size.
        scores: float64 (n,), 0 in ground truth.
        classes: int64 (n,).
        lines: int64 (n,), line of each row, from 1.
        note: What was left out of a row, in words; empty where nothing was.
        problems: One error per invalid row, which is not among the others.
    """

    boxes: FloatArray
    scores: FloatArray
    classes: IntArray
    lines: IntArray
    note: str = ""
    problems: tuple[InputError, ...] = ()


def parse_rows(file: Path, lines: Sequence[str], columns: int, landmarks: int | None = None) -> YoloRows:
    """Parse the rows of a file.

    Args:
        file: The file, for errors.
        lines: Its lines.
        columns: TRUTH or DETECTIONS.
        landmarks: How many numbers of landmarks follow each box, where a data.yaml says so (`kpt_shape`).

    >>> rows = parse_rows(Path("a.txt"), ["0 0.5 0.5 0.2 0.1", "1 0.1 0.1 0.3 0.1 0.3 0.3", "0 640 480 20 20"], TRUTH)
    >>> rows.classes.tolist(), rows.boxes[1].round(3).tolist(), rows.note
    ([0, 1], [0.2, 0.2, 0.2, 0.2], 'polygons became their bounding boxes')
    >>> print(rows.problems[0])
    a.txt:3: expected numbers between 0 and 1: '0 640 480 20 20'. YOLO's numbers are relative to the image's size; \
divide them by width and height
    """
    table: list[list[float]] = []
    problems: list[InputError] = []
    note = ""
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            values = []
        box, left_out = _box_and_score(values, columns, landmarks)
        if (problem := _problem(file, number, line, values, box, columns)) is not None:
            problems.append(problem)
        elif box is not None:
            note = note or left_out
            table.append([*box, values[0], number])
    rows = np.array(table, dtype=np.float64).reshape(-1, 7)
    whole = rows[:, 5:].astype(np.int64)
    return YoloRows(rows[:, :4], rows[:, 4], whole[:, 0], whole[:, 1], note, tuple(problems))


def _problem(
    file: Path, number: int, line: str, values: list[float], box: list[float] | None, columns: int
) -> InputError | None:
    """Return what is wrong with a row; None where nothing is."""
    if box is None or not np.isfinite(values).all() or min(box[2], box[3]) < 0:
        remedy = "Write 'class cx cy w h" + (" score'" if columns == DETECTIONS else "'")
        if columns == DETECTIONS and len(values) == TRUTH:
            remedy += "; Ultralytics writes the scores with save_conf=True"
        return InputError("invalid row", file=file, line=number, value=line, remedy=remedy)
    if not (values[0].is_integer() and 0 <= values[0] < _CLASSES):
        remedy = "A row begins with the number of its class"
        return InputError("invalid class", file=file, line=number, value=line, remedy=remedy)
    if columns == TRUTH and max(map(abs, box[:4])) > _RELATIVE:
        remedy = "YOLO's numbers are relative to the image's size; divide them by width and height"
        return InputError("expected numbers between 0 and 1", file=file, line=number, value=line, remedy=remedy)
    return None


def _box_and_score(values: list[float], columns: int, landmarks: int | None) -> tuple[list[float] | None, str]:
    """Return cx cy w h score of a row, which may have landmarks, or be a polygon; None if it is neither."""
    more = len(values) - columns
    score = values[-1] if columns == DETECTIONS and values else 0.0
    if more == 0:
        return [*values[1:5], score], ""
    if landmarks is not None and more == landmarks:
        return [*values[1:5], score], "landmarks were left out"
    if landmarks is None and more in _LANDMARKS and not (columns == TRUTH and _is_polygon(values)):
        return [*values[1:5], score], "landmarks were left out"
    if columns == TRUTH and len(values) >= 7 and len(values) % 2:
        xs, ys = values[1::2], values[2::2]
        box = [(min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)]
        return [*box, 0.0], "polygons became their bounding boxes"
    return None, ""


def _is_polygon(values: list[float]) -> bool:
    """Return whether a row of 15 numbers is a polygon of seven points, not a box with five landmarks in it."""
    if len(values) != 15:
        return False
    cx, cy, w, h = values[1:5]
    points = [(x, y) for x, y in zip(values[5::2], values[6::2], strict=True) if x >= 0 and y >= 0]
    return any(abs(x - cx) > w or abs(y - cy) > h for x, y in points)
