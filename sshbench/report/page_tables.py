"""Tables of the page as data: what a cell shows, and the raw number behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sshbench.analysis.record import AnalysisRecord, ErrorsRecord, OperatingPoint, Slice, Spread
from sshbench.report.text import thousands

SAME = "\N{EN DASH}"
"""What a cell shows that has nothing to show."""
MOST_GROUPS = 3
"""Runs whose columns stand side by side; with more of them, each has rows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What it shows.
        value: The raw number; None where there is none.
        half: Half the width of its interval, in the number's unit; None where there is none.
    """

    text: str
    value: float | None = None
    half: float | None = None


@dataclass(frozen=True, slots=True)
class PageTable:
    """One table; the first `names` columns are text, the others numbers.

    Attributes:
        title: What a screen reader calls it.
        columns: Headings.
        groups: Headings above them with the number of their columns; empty where there are none.
        names: Columns of text.
        rows: Cells.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    names: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section: a drawing as SVG, a table, and notes below; folded away by the script where it is long."""

    heading: str
    table: PageTable
    drawing: str = ""
    notes: tuple[str, ...] = ()
    is_long: bool = False


def number(value: float | None, form: str = "") -> Cell:
    """Return a cell with a number as it is."""
    if value is None or not math.isfinite(value):
        return Cell(SAME)
    return Cell(form.format(value) if form else thousands(value), value)


def share(value: float | None, digits: int = 1) -> Cell:
    """Return a cell with a fraction in percent.

    >>> share(0.1234)
    Cell(text='12.3', value=0.1234, half=None)
    """
    return Cell(SAME) if value is None else Cell(f"{100 * value:.{digits}f}", value)


def spread(one: Spread | None) -> Cell:
    r"""Return a cell with a fraction in percent and half the width of its interval.

    >>> spread(Spread(value=0.5, low=0.45, high=0.57)).text
    '50.0 ±\xa06.0'
    """
    if one is None or one.value is None:
        return Cell(SAME)
    if one.low is None or one.high is None:
        return share(one.value)
    half = (one.high - one.low) / 2
    return Cell(f"{100 * one.value:.1f} ±\N{NO-BREAK SPACE}{100 * half:.1f}", one.value, half)


def signed(one: Spread | None) -> Cell:
    """Return a cell with a difference in points."""
    if one is None or one.value is None:
        return Cell(SAME)
    return Cell(f"{100 * one.value:+.1f}".replace("-", "\N{MINUS SIGN}"), one.value)


def p_value(p: float | None) -> Cell:
    """Return a cell with a p value."""
    return Cell(SAME) if p is None else Cell("<.001" if p < 0.001 else f"{p:.3f}", p)


def slices_table(axis: str, records: dict[str, AnalysisRecord]) -> PageTable:
    """Return recall by part of an axis, runs side by side; one run has more columns."""
    by_run = [{one.part: one for one in record.slices if one.axis == axis} for record in records.values()]
    parts = {part: one for parts in by_run for part, one in parts.items() if one.faces or one.images}
    of_images = next(iter(parts.values())).of == "images"
    common: list[tuple[str, Callable[[Slice], Cell]]] = [
        ("faces", lambda one: number(one.faces)),
        ("median px", lambda one: number(one.median_height)),
    ]
    own: list[tuple[str, Callable[[Slice], Cell]]] = [("recall", lambda one: spread(one.recall))]
    if of_images and len(records) <= MOST_GROUPS:
        own += [("precision", lambda one: share(one.precision))]
    if len(records) == 1:
        own += [("to the rest", lambda one: signed(one.difference)), ("p", lambda one: p_value(one.p_adjusted))]
        own += [("FPPI", lambda one: number(one.fppi, "{:.3g}"))] if of_images else []
        if not of_images:
            own += [
                ("standardised", lambda one: share(one.standardised)),
                ("normalised AP", lambda one: share(one.normalised_ap)),
            ]
    empty = [Cell(SAME)] * len(own)
    rows = []
    for part, first in parts.items():
        cells = [Cell(part), *(cell(first) for _, cell in common)]
        for one in (several.get(part) for several in by_run):
            cells += empty if one is None else [cell(one) for _, cell in own]
        rows.append(tuple(cells))
    headings = (axis, *(name for name, _ in common), *([name for name, _ in own] * len(records)))
    groups = (("", 1 + len(common)), *((label, len(own)) for label in records)) if len(records) > 1 else ()
    return without_empty(PageTable(f"Recall by {axis}", headings, tuple(rows), groups))


def without_empty(table: PageTable) -> PageTable:
    """Return the table without columns in which no cell has anything to show, where it has no groups."""
    if table.groups:
        return table
    kept = [c for c in range(len(table.columns)) if any(row[c].text != SAME for row in table.rows)]
    rows = tuple(tuple(row[c] for c in kept) for row in table.rows)
    return PageTable(table.title, tuple(table.columns[c] for c in kept), rows, names=table.names)


def errors_table(errors: dict[str, ErrorsRecord]) -> PageTable:
    """Return types of errors with their numbers and costs, runs side by side."""
    first = next(iter(errors.values()))
    title = f"Errors and their cost in {first.metric}, points"
    names = [kind.name for kind in first.types] + ["all false", "all missed"]
    columns = ("number", "at the point", "cost")
    if len(errors) == 1:
        rows = [(Cell(name), *_error_cells(first, i)) for i, name in enumerate(names)]
        return PageTable(title, ("type", *columns), tuple(rows))
    if len(errors) > MOST_GROUPS:
        rows = [
            (Cell(name), Cell(label), *_error_cells(one, i))
            for i, name in enumerate(names)
            for label, one in errors.items()
        ]
        return PageTable(title, ("type", "run", *columns), tuple(rows), names=2)
    rows = [
        (Cell(name), *(cell for one in errors.values() for cell in _error_cells(one, i)))
        for i, name in enumerate(names)
    ]
    groups = (("", 1), *((label, len(columns)) for label in errors))
    return PageTable(title, ("type", *(columns * len(errors))), tuple(rows), groups)


def _error_cells(errors: ErrorsRecord, position: int) -> list[Cell]:
    if position < len(errors.types):
        one = errors.types[position]
        return [number(one.detections), number(one.at_point), spread(one.cost)]
    whole = (errors.all_false, errors.all_missed)[position - len(errors.types)]
    return [Cell(SAME), Cell(SAME), spread(whole)]


REASONS = (
    ("score", "a detection of a lower score hits it"),
    ("taken", "a detection overlaps it, but has a better face"),
    ("localisation", "a detection is near, but not near enough"),
    ("low", "such a detection, of a lower score"),
    ("nothing", "no detection is near"),
)


def reasons_table(errors: dict[str, ErrorsRecord]) -> PageTable:
    """Return why faces are missed, runs side by side."""
    rows = [(Cell(text), *(number(getattr(one.reasons, name)) for one in errors.values())) for name, text in REASONS]
    columns = ("reason", *(errors if len(errors) > 1 else ["faces"]))
    return PageTable("Why faces are missed at the operating point", tuple(columns), tuple(rows))


def calibration_table(records: dict[str, AnalysisRecord]) -> PageTable:
    """Return how well scores are probabilities, by run and least score."""
    rows = [
        (
            Cell(label),
            number(row.from_score, "{:.4g}"),
            number(row.detections),
            *(share(value) for value in (row.ece, row.ece_floor, row.mce, row.bias, row.brier, row.recall)),
        )
        for label, record in records.items()
        for row in record.calibration
    ]
    columns = ("run", "from score", "detections", "ECE", "its floor", "MCE", "bias", "Brier", "recall")
    return PageTable("Calibration", columns, tuple(rows))


def operating_table(records: dict[str, AnalysisRecord]) -> PageTable:
    """Return what thresholds give, by rule and run."""
    rules = dict.fromkeys(rule_of(point) for record in records.values() for point in record.operating)
    rows = [
        (Cell(rule), Cell(label), *_point_cells(point))
        for rule in rules
        for label, record in records.items()
        for point in record.operating
        if rule_of(point) == rule
    ]
    columns = ("rule", "run", "score ≥", "precision", "recall", "FPPI", "F1", "held-out precision", "held-out recall")
    return PageTable("Operating points", columns, tuple(rows), names=2)


def rule_of(point: OperatingPoint) -> str:
    """Return a rule in words.

    >>> rule_of(OperatingPoint(rule="fppi", target=0.1, score=None))
    'FPPI 0.1'
    """
    names = {"best-f1": "best F1", "fppi": "FPPI", "lrp": "least LRP error"}
    name = names.get(point.rule, point.rule)
    return name if point.target is None else f"{name} {point.target:g}"


def _point_cells(point: OperatingPoint) -> list[Cell]:
    if point.score is None:
        best = ""
        if point.reached is not None:
            best = f", best {point.reached:.3g}" if point.rule == "fppi" else f", best {100 * point.reached:.1f}"
        return [Cell(f"not reached{best}"), *([Cell(SAME)] * 6)]
    held = point.held_out
    return [
        Cell(point.threshold or f"{point.score:.6g}", point.score),
        spread(point.precision),
        spread(point.recall),
        number(None if point.fppi is None else point.fppi.value, "{:.3g}"),
        share(point.f1),
        share(None if held is None else held.precision),
        share(None if held is None else held.recall),
    ]


def axes_of_records(records: Sequence[AnalysisRecord]) -> list[str]:
    """Return the axes of slices that have faces or images, those of faces first."""
    found = [one for record in records for one in record.slices if one.faces or one.images]
    return list(dict.fromkeys(one.axis for of in ("faces", "images") for one in found if one.of == of))
