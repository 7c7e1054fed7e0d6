"""Analyses and comparisons as tables, on a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sshbench.analysis.intervals import note
from sshbench.analysis.record import (
    AnalysisFinding,
    AnalysisRecord,
    ComparisonRecord,
    OperatingPoint,
    Pair,
    ResamplingRecord,
    Slice,
    Spread,
)
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_SHORT, DOMAIN_SHORT_NOTE
from sshbench.errors import shorten
from sshbench.evaluation.metrics import percent, title_of
from sshbench.flat import counted
from sshbench.tables import escape_markdown, markdown_row

_SPOKEN_PAIRS = 6  # more of them are not put into words
_BEST_AND_WORST = 10  # parts of an axis of images that are shown


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table and what must be said of it.

    Attributes:
        title: Heading.
        columns: The first is of names, the others of numbers.
        rows: Cells as text.
        notes: Below the table.
        warnings: Below the notes.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def print_tables(tables: Iterable[TextTable], *, markdown: bool) -> None:
    """Print tables for people, or as Markdown."""
    if markdown:
        typer.echo("\n".join(to_markdown(table) for table in tables))
        return
    console = Console()
    for table in tables:
        console.print(table.title, style="bold", highlight=False, markup=False)
        if table.rows:
            # Without vertical lines, so that eight columns fit into 80 characters.
            shown = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
            for i, column in enumerate(table.columns):
                # The column of names gives way where the terminal is narrow.
                width = max(len(row[i]) for row in (table.columns, *table.rows))
                shown.add_column(
                    column, justify="left" if i == 0 else "right", no_wrap=True, min_width=width if i else None
                )
            for row in table.rows:
                shown.add_row(*row)
            console.print(shown, markup=False)
        for text in table.notes:
            console.print(text, style="dim", highlight=False, markup=False)
        for text in table.warnings:
            console.print(f"warning: {text}", style="yellow", highlight=False, markup=False)


def to_markdown(table: TextTable) -> str:
    r"""Return a table as Markdown.

    >>> print(to_markdown(TextTable("AP", ("run", "hard"), (("a|b", "80.00"),), ("of 3 images",))))
    **AP**
    <BLANKLINE>
    | run | hard |
    | --- | ---: |
    | a\|b | 80.00 |
    <BLANKLINE>
    of 3 images
    <BLANKLINE>
    """
    lines = [f"**{escape_markdown(table.title)}**", ""]
    if table.rows:
        lines += [markdown_row(table.columns), markdown_row(["---", *["---:"] * (len(table.columns) - 1)])]
        lines += [*(markdown_row(map(escape_markdown, row)) for row in table.rows), ""]
    for text in (*table.notes, *(f"Warning: {text}" for text in table.warnings)):
        lines += [escape_markdown(text), ""]
    return "\n".join(lines)


def analysis_tables(record: AnalysisRecord) -> list[TextTable]:
    """Return the tables of an analysis: figures, operating points, recall by part, errors, calibration."""
    tables = [_metrics(record)]
    if record.operating:
        tables.append(_operating(record))
    of_faces = [one for one in record.slices if one.of == "faces" and one.faces]
    if of_faces:
        tables.append(_slices("part", of_faces, record))
    for axis in dict.fromkeys(one.axis for one in record.slices if one.of == "images"):
        parts = [one for one in record.slices if one.axis == axis and (one.faces or one.images)]
        tables.append(_slices(axis, parts, record))
    tables += [_errors(record), _reasons(record)]
    if record.calibration:
        tables.append(_calibration(record))
    return tables


def _metrics(record: AnalysisRecord) -> TextTable:
    has_groups = any(one.se_group is not None for one in record.metrics.values())
    columns = ["percent", "value", "low", "high", "se", "effective images"]
    columns += ["se by event"] if has_groups else []
    rows = []
    for name, one in record.metrics.items():
        cells = [title_of(name), percent(one.value), percent(one.low), percent(one.high), percent(one.se)]
        cells.append(f"{record.resampling.effective_images[name]:.0f}")
        rows.append((*cells, *([percent(one.se_group)] if has_groups else [])))
    marks = [DOMAIN_MARKS[record.domain]] if not record.smoke_test else ["smoke test, measures no detector"]
    marks += [] if record.complete else ["UNFINISHED"]
    title = f"{record.detector} on {record.dataset} ({', '.join(marks)}), {counted(record.images, 'image')}"
    return TextTable(title, tuple(columns), tuple(rows), _note(record.resampling), _warnings(record.findings))


def _note(resampling: ResamplingRecord) -> tuple[str, ...]:
    return (note(resampling.units, resampling.level, f"{resampling.unit}s"),)


def _warnings(findings: Sequence[AnalysisFinding]) -> tuple[str, ...]:
    return tuple(f"{one.message}{_also(one)}" for one in findings)


def _also(finding: AnalysisFinding) -> str:
    """Name the further metrics that a finding is of, unless its text names them."""
    others = [name for name in finding.names[1:] if name not in finding.message]
    return f" (also: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''})" if others else ""


def _operating(record: AnalysisRecord) -> TextTable:
    rows = tuple(
        (
            _rule(point),
            point.threshold or "-",
            _spread(point.precision),
            _spread(point.recall),
            _number(None if point.fppi is None else point.fppi.value),
            tenth(point.f1),
            *_held_out(point),
        )
        for point in record.operating
        if point.score is not None
    )
    columns = ("rule", "score >=", "precision", "recall", "FPPI", "F1", "prec. *", "rec. *")
    notes = [
        f"{_rule(one)}: not reached, the best is {_number(one.reached) if one.rule == 'fppi' else tenth(one.reached)}"
        for one in record.operating
        if one.score is None
    ]
    notes.append(
        "A threshold holds for images with this share of faces, and FPPI for this crowding. *: chosen on four fifths "
        "of the images, measured on the rest."
    )
    return TextTable(f"Operating points, {record.subset}, percent", columns, rows, tuple(notes))


def _rule(point: OperatingPoint) -> str:
    return point.rule if point.target is None else f"{point.rule} {point.target:g}"


def tenth(fraction: float | None) -> str:
    """Return a fraction in percent with one digit, `-` where there is none."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _held_out(point: OperatingPoint) -> tuple[str, str]:
    return ("-", "-") if point.held_out is None else (tenth(point.held_out.precision), tenth(point.held_out.recall))


def _spread(one: Spread | None) -> str:
    if one is None or one.value is None:
        return "-"
    return (
        tenth(one.value)
        if one.low is None or one.high is None
        else f"{tenth(one.value)} ±{tenth((one.high - one.low) / 2)}"
    )


def _slices(heading: str, parts: list[Slice], record: AnalysisRecord) -> TextTable:
    of_images = heading != "part"
    notes = []
    if of_images and len(parts) > 2 * _BEST_AND_WORST:
        ranked = sorted(
            (one for one in parts if one.recall.value is not None), key=lambda one: -(one.recall.value or 0)
        )
        notes.append(
            f"The {_BEST_AND_WORST} best and the {_BEST_AND_WORST} worst of {len(parts)}; all are in slices.csv."
        )
        parts = [*ranked[:_BEST_AND_WORST], *ranked[-_BEST_AND_WORST:]]
    shown: list[tuple[str, Callable[[Slice], str]]] = [
        ("faces", lambda one: str(one.faces)),
        ("recall", lambda one: _spread(one.recall)),
        ("to rest", lambda one: _points(one.difference)),
        ("p", lambda one: p_text(one.p_adjusted)),
    ]
    if of_images:
        shown += [("precision", lambda one: tenth(one.precision)), ("FPPI", lambda one: _number(one.fppi))]
    else:
        shown += [
            ("stand.", lambda one: tenth(one.standardised)),
            ("norm.", lambda one: tenth(one.normalised_ap)),
            ("px", lambda one: "-" if one.median_height is None else f"{one.median_height:.0f}"),
        ]
        notes.append(
            "to rest: difference to the other parts, with adjusted p; stand.: recall with the heights of the whole; "
            "norm.: AP as if the part had as many faces as the whole; px: median height. There is no precision by "
            "part: a false detection has no such property."
        )
    used = [(name, cell) for name, cell in shown if any(cell(one) != "-" for one in parts)]
    rows = tuple(
        (one.part if of_images else f"{one.axis} {one.part}", *(cell(one) for _, cell in used)) for one in parts
    )
    what = heading if of_images else "properties of faces"
    title = f"Recall by {what}, {record.subset}, at {_rule(record.operating[0])}, percent"
    return TextTable(title, (heading, *(name for name, _ in used)), rows, tuple(notes))


def _points(one: Spread | None) -> str:
    return "-" if one is None or one.value is None else f"{100 * one.value:+.1f}"


def p_text(p: float | None) -> str:
    """Return a p value with three digits, `<.001` for smaller ones."""
    if p is None:
        return "-"
    return "<.001" if p < 0.001 else f"{p:.3f}"


def _errors(record: AnalysisRecord) -> TextTable:
    errors = record.errors
    rows = [(one.name, str(one.detections), str(one.at_point), _spread(one.cost)) for one in errors.types]
    rows += [("all false", "", "", _spread(errors.all_false)), ("all missed", "", "", _spread(errors.all_missed))]
    notes = (
        "Number: detections (missed: faces); at the point: those at the operating point. Cost: what the metric would "
        "gain without this type of error alone. Costs do not add up to what is missing.",
    )
    title = f"Errors and their cost in {errors.metric}, points"
    return TextTable(title, ("type", "number", "at the point", "cost"), tuple(rows), notes)


def _reasons(record: AnalysisRecord) -> TextTable:
    reasons = record.errors.reasons
    rows = (
        ("a detection of a lower score hits it", str(reasons.score)),
        ("a detection overlaps it, but has a better face", str(reasons.taken)),
        ("a detection is near, but not near enough", str(reasons.localisation)),
        ("such a detection, of a lower score", str(reasons.low)),
        ("no detection is near", str(reasons.nothing)),
    )
    return TextTable("Why faces are missed at the operating point", ("reason", "faces"), rows)


def _calibration(record: AnalysisRecord) -> TextTable:
    rows = tuple(
        (
            f"{row.from_score:g}",
            str(row.detections),
            *(tenth(value) for value in (row.ece, row.ece_floor, row.mce, row.bias, row.brier, row.recall)),
        )
        for row in record.calibration
    )
    columns = ("from score", "detections", "ECE", "its floor", "MCE", "bias", "Brier", "recall")
    notes = ("ECE improves when hard detections are dropped, and says nothing of missed faces: see recall.",)
    return TextTable(f"Calibration, {record.subset}, percent", columns, rows, notes)


def comparison_tables(record: ComparisonRecord) -> list[TextTable]:
    """Return the tables of a comparison: figures with ranks, and the differences of pairs, each metric apart."""
    metrics = list(record.runs[0].metrics)
    ranks = {(metric, rank.run): rank for metric, several in record.ranks.items() for rank in several}
    first = metrics[0] if not record.ranks else list(record.ranks)[-1]
    ordered = sorted(record.runs, key=lambda run: -(run.metrics[first].value or 0))
    rows = []
    for run in ordered:
        cells = [run.name if run.name != record.baseline else f"{run.name} (baseline)"]
        for metric in metrics:
            one = run.metrics[metric]
            cells.append(_spread(Spread(value=one.value, low=one.low, high=one.high)))
            if record.ranks:
                cells.append(ranks[metric, run.name].places)
        rows.append((*cells, DOMAIN_SHORT[run.domain]))
    columns = ["run"]
    for metric in metrics:
        columns += [title_of(metric), *(["rank"] if record.ranks else [])]
    title = f"{counted(len(record.runs), 'run')} on {record.dataset}, {counted(record.images, 'image')}, percent"
    notes = [*_note(record.resampling), f"data: {DOMAIN_SHORT_NOTE}."]
    if record.ranks:
        notes.append(
            "rank: places that the differences leave open, after adjustment for all pairs; each metric is a family of "
            "its own."
        )
    tables = [TextTable(title, (*columns, "data"), tuple(rows), tuple(notes), _warnings(record.findings))]
    return tables + [_pairs(metric, [pair for pair in record.pairs if pair.metric == metric]) for metric in metrics]


def _pairs(metric: str, pairs: list[Pair]) -> TextTable:
    rows = tuple(
        (
            shorten(f"{pair.a} - {pair.b}", 60),
            "-" if pair.difference is None else f"{100 * pair.difference:+.2f}",
            "-" if pair.low is None or pair.high is None else f"{100 * pair.low:+.2f} to {100 * pair.high:+.2f}",
            p_text(pair.p_adjusted),
            percent(pair.se_group),
        )
        for pair in pairs
    )
    columns = ("pair", "diff.", "interval", "adj. p", "se, event")
    words = tuple(f"{pair.a} - {pair.b}: {pair.words}" for pair in pairs) if len(pairs) <= _SPOKEN_PAIRS else ()
    return TextTable(f"Differences in {title_of(metric)}, points", columns, rows, words)
