"""Results as tables on a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sshbench.evaluation import Evaluation, EvaluationRecord
from sshbench.report.published import paper_methods


def print_evaluation(evaluation: Evaluation, folder: Path | None) -> None:
    """Print APs beside published ones, what they are of, and what was found.

    Args:
        evaluation: The result.
        folder: Where the run is kept, or None where nothing was stored.
    """
    record = evaluation.record
    console = Console()
    whole = record.complete and record.images == record.total_images and not record.smoke_test
    metrics = [name for name in record.metrics if not name.startswith("fold")]
    # Many figures of one row each read better from top to bottom.
    console.print(_wide(evaluation, metrics, whole) if len(metrics) <= 4 else _long(evaluation, metrics))
    rules = evaluation.protocol.evaluation
    how = {"wider": "iou_arithmetic", "fddb": "matching"}.get(rules.kind)
    console.print(
        f"{record.images} images, {record.faces} faces, {record.detections} detections in {record.seconds:.2f} s · "
        f"protocol {record.protocol} {record.protocol_hash}" + (f" ({how} {getattr(rules, how)})" if how else ""),
        highlight=False,
    )
    if record.smoke_test:
        console.print("A smoke test on composed scenes: it shows that the pipeline works, not how good a detector is.")
    elif not whole:
        console.print("No published figures beside these: they are of another set of images.")
    for warning in record.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    if folder is not None:
        console.print(f"run: {folder}", highlight=False, markup=False)
    else:
        console.print("Nothing was stored; --out DIR keeps the run and draws the PR curves.", style="dim")


def _wide(evaluation: Evaluation, metrics: list[str], whole: bool) -> Table:
    record = evaluation.record
    table = Table(title=f"{evaluation.protocol.title}: {_common(metrics)} in percent", title_justify="left")
    table.add_column("detector")
    for name in metrics:
        table.add_column(name.removeprefix("AP/"), justify="right")
    table.add_column("source")
    table.add_row(
        record.detector,
        *(_percent(record.metrics[name]) for name in metrics),
        ", ".join(["this run", *_marks(record)]),
        style="bold",
        end_section=True,
    )
    for method in paper_methods(record.protocol) if whole else []:
        aps = (_percent(method.aps.get(name.removeprefix("AP/"))) for name in metrics)
        table.add_row(method.method, *aps, method.source, style="dim")
    return table


def _long(evaluation: Evaluation, metrics: list[str]) -> Table:
    record = evaluation.record
    title = ", ".join([f"{evaluation.protocol.title}: {record.detector}, in percent", *_marks(record)])
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("this run", justify="right")
    for name in metrics:
        table.add_row(name, _percent(record.metrics[name]))
    return table


def _common(metrics: list[str]) -> str:
    return "AP" if all(name.startswith("AP") for name in metrics) else "metrics"


def _marks(record: EvaluationRecord) -> list[str]:
    marks = [] if record.complete else ["UNFINISHED"]
    return marks + ([f"{record.images} of {record.total_images} images"] if record.images < record.total_images else [])


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"
