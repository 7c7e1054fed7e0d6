"""Results as tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE, Domain
from sshbench.evaluation.benchmarks import headline_of, shown_rule
from sshbench.evaluation.metrics import percent, pivot, title_of
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.result import Evaluation
from sshbench.flat import counted
from sshbench.published.tables import published_methods
from sshbench.report.leaderboard import Leaderboard, Section
from sshbench.report.leaderboard_text import SCOPE_TITLES, grouped, latency_text


def print_evaluation(evaluation: Evaluation) -> None:
    """Print APs beside published ones, what they are of, and what was found.

    Args:
        evaluation: The result.
    """
    record = evaluation.record
    console = Console()
    whole = record.complete and record.images == record.total_images and not record.smoke_test
    metrics = [name for name in record.metrics if not name.startswith("fold")]
    first = headline_of(metrics, evaluation.protocol)
    console.print(f"{evaluation.protocol.title}, in percent", style="bold", highlight=False, markup=False)
    console.print(_headline(evaluation, first, whole, console.width))
    if len(metrics) > len(first):
        console.print(_all(record, metrics))
    rule = shown_rule(evaluation.protocol)
    console.print(
        f"{counted(record.images, 'image')}, {counted(record.faces, 'face')}, "
        f"{counted(record.detections, 'detection')} in {record.seconds:.2f} s · "
        f"protocol {record.protocol} {record.protocol_hash}" + (f" ({rule})" if rule else ""),
        highlight=False,
    )
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
    note = f"{_SHORT_NOTE}. {DOMAIN_NOTE}" if domains - {"unknown"} else _SHORT_NOTE
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
            cells.append("-" if domain is None else _SHORT[domain])
        table.add_row(row.label, *cells)
    return table


_SHORT: dict[Domain, str] = {"in domain": "in", "cross-data": "cross", "unknown": "?"}
_SHORT_NOTE = "in domain, cross-data, or ? where the training data are not known"


def _headline(evaluation: Evaluation, metrics: list[str], whole: bool, width: int) -> Table:
    record = evaluation.record
    methods = published_methods(record.protocol) if whole else []
    titles = [title_of(name) for name in metrics]
    names = [record.detector, *(method.method for method in methods)]
    # What is left of the line for the source: rich would else squeeze the figures away.
    left = width - max(map(len, [*names, "detector"])) - sum(max(len(title), 6) for title in titles)
    left = max(left - 3 * (len(titles) + 2) - 1, 12)
    table = Table()
    table.add_column("detector")
    for title in titles:
        table.add_column(title, justify="right", min_width=max(len(title), 6))
    table.add_column("source")
    table.add_row(
        record.detector,
        *(percent(record.metrics[name]) for name in metrics),
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
