"""Results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from sshbench.analysis.intervals import Intervals, note, with_interval
from sshbench.analysis.record import Interval
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE, DOMAIN_SHORT, DOMAIN_SHORT_NOTE
from sshbench.evaluation.benchmarks import headline_of, shown_rule
from sshbench.evaluation.metrics import percent, pivot, title_of
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.result import Evaluation
from sshbench.flat import counted
from sshbench.published.tables import published_methods
from sshbench.report.leaderboard import Leaderboard, Section
from sshbench.report.leaderboard_text import SCOPE_TITLES, grouped, latency_text


def print_evaluation(evaluation: Evaluation, intervals: Intervals | None = None) -> None:
    """Print APs beside published ones, what they are of, and what was found.

    Args:
        evaluation: The result.
        intervals: How sure its figures are.
    """
    record = evaluation.record
    console = Console()
    whole = record.complete and record.images == record.total_images and not record.smoke_test
    metrics = [name for name in record.metrics if not name.startswith("fold")]
    first = headline_of(metrics, evaluation.protocol)
    console.print(f"{evaluation.protocol.title}, in percent", style="bold", highlight=False, markup=False)
    console.print(_headline(evaluation, intervals, first, whole, console.width))
    if len(metrics) > len(first):
        console.print(_all(record, metrics))
    rule = shown_rule(evaluation.protocol)
    console.print(
        f"{counted(record.images, 'image')}, {counted(record.faces, 'face')}, "
        f"{counted(record.detections, 'detection')} in {record.seconds:.2f} s · "
        f"protocol {record.protocol} {record.protocol_hash}" + (f" ({rule})" if rule else ""),
        highlight=False,
    )
    if intervals is not None and any(one.low is not None for one in intervals.values()):
        resampling = intervals.resampling
        console.print(note(resampling.images, resampling.level), style="dim", highlight=False)
        if text := _by_event(intervals):
            console.print(text, style="dim", highlight=False)
    if record.smoke_test:
        console.print("A smoke test on composed scenes: it shows that the pipeline works, not how good a detector is.")
    elif not whole:
        console.print("No published figures beside these: they are of another set of images.")
    if not record.smoke_test and record.domain != "unknown":
        console.print(DOMAIN_NOTE, style="dim", highlight=False)
    for warning in record.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    if evaluation.folder is not None:
        console.print(f"run: {evaluation.folder}", highlight=False, markup=False)
    else:
        console.print("Nothing was stored; --out DIR keeps the run and draws the PR curves.", style="dim")


def print_leaderboard(board: Leaderboard) -> None:
    """Print the leaderboard's table, and what a reader must know of it."""
    console = Console()
    for section in board.sections:
        console.print(_section(section, timed=board.timing is not None))
    for i, one in enumerate(board.boards):
        note = ": a part, compares with no published figures" if one.is_part else ""
        timed = f"; timed on {board.timed_on(i)}" if board.timed_on(i) else ""
        console.print(f"{one.protocol.name}: {one.title}{note}{timed}", highlight=False, markup=False)
    if board.timing is not None:
        machine = board.timing.machine
        console.print(
            f"ms: median per image, {SCOPE_TITLES[board.scope]}; {machine['processor']}, "
            f"{board.timing.threads} threads; in brackets where unstable",
            highlight=False,
            markup=False,
        )
    domains = {row.domain(i) for row in board.rows for i in row.results}
    note = f"{DOMAIN_SHORT_NOTE}. {DOMAIN_NOTE}" if domains - {"unknown"} else DOMAIN_SHORT_NOTE
    console.print(f"data: {note}", style="dim", highlight=False)
    for row in board.rows:
        for position in row.results:
            for warning in row.warnings(position):
                text = f"warning: {row.label} on {board.boards[position].protocol.name}: {warning}"
                console.print(text, style="yellow", highlight=False, markup=False)
    for text in board.passed_over:
        console.print(f"warning: {text}", style="yellow", highlight=False, markup=False)
    for left_out, detectors in grouped(board.left_out):
        also = f" The same holds for {', '.join(detectors[1:])}." if detectors[1:] else ""
        text = f"warning: {left_out.reason}.{also} {left_out.remedy}"
        console.print(text, style="yellow", highlight=False, markup=False)


def _by_event(intervals: Intervals) -> str:
    """Return the standard errors by leaving out whole events, in words; empty where there are no events."""
    errors = {title_of(name): one.se_group for name, one in intervals.items() if one.se_group is not None}
    listed = ", ".join(f"{name} {percent(se)}" for name, se in errors.items())
    return f"Leaving out whole events instead: standard error {listed}" if errors else ""


def _section(section: Section, *, timed: bool) -> Table:
    """Return the table of a section, with latencies where there are timings."""
    table = Table(title=f"images fitted into {section.fit}" if section.fit else None, title_justify="left")
    table.add_column("detector", no_wrap=True)
    for _, one in section.boards:
        for metric in one.metrics:
            table.add_column(f"{one.protocol.name} {title_of(metric)}", justify="right")
        if timed:
            table.add_column("ms", justify="right")
        table.add_column("data")
    for row in section.rows:
        cells: list[str] = []
        for i, one in section.boards:
            domain = row.domain(i)
            cells += [percent(row.value(i, metric)) for metric in one.metrics]
            if timed:
                cells.append(latency_text(row, i))
            cells.append("-" if domain is None else DOMAIN_SHORT[domain])
        table.add_row(row.label, *cells)
    return table


def _headline(
    evaluation: Evaluation, intervals: Intervals | None, metrics: list[str], whole: bool, width: int
) -> Table:
    record = evaluation.record
    methods = published_methods(record.protocol) if whole else []
    titles = [title_of(name) for name in metrics]
    names = [record.detector, *(method.method for method in methods)]
    # What is left of the line for the source: rich would else squeeze the figures away.
    sure: Mapping[str, Interval] = intervals or {}
    own = [with_interval(sure[name]) if name in sure else percent(record.metrics[name]) for name in metrics]
    widths = [max(len(title), len(cell)) for title, cell in zip(titles, own, strict=True)]
    left = width - max(map(len, [*names, "detector"])) - sum(widths)
    left = max(left - 3 * (len(titles) + 2) - 1, 12)
    table = Table()
    table.add_column("detector")
    for title, least in zip(titles, widths, strict=True):
        table.add_column(title, justify="right", min_width=least)
    table.add_column("source")
    table.add_row(
        record.detector,
        *own,
        ", ".join(["this run", *_marks(record)]),
        style="bold",
        end_section=True,
    )
    for method in methods:
        figures = (percent(method.metrics.get(name)) for name in metrics)
        source = method.source if len(method.source) <= left else f"{method.source[: left - 1]}…"
        table.add_row(method.method, *figures, source, style="dim")
    return table


def _all(record: EvaluationRecord, metrics: list[str]) -> Table:
    rows, columns, cells = pivot(metrics)
    table = Table()
    table.add_column(f"all figures of {record.detector}")
    for column in columns:
        table.add_column(column or "all", justify="right")
    for row in rows:
        named = (cells.get((row, column)) for column in columns)
        table.add_row(row or "all", *("" if name is None else percent(record.metrics[name]) for name in named))
    return table


def _marks(record: EvaluationRecord) -> list[str]:
    marks = [] if record.smoke_test else [DOMAIN_MARKS[record.domain]]
    marks += [] if record.complete else ["UNFINISHED"]
    return marks + ([f"{record.images} of {record.total_images} images"] if record.images < record.total_images else [])
