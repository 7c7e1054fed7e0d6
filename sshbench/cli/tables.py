"""Results as tables on a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sshbench.evaluation import Evaluation
from sshbench.report.published import paper_methods


def print_evaluation(evaluation: Evaluation, folder: Path | None) -> None:
    """Print APs beside published ones, what they are of, and what was found.

    Args:
        evaluation: The result.
        folder: Where the run is kept, or None where nothing was stored.
    """
    record = evaluation.record
    console = Console()
    subsets = list(evaluation.curves)
    table = Table(title=f"{evaluation.protocol.title}: AP in percent", title_justify="left")
    table.add_column("detector")
    for name in subsets:
        table.add_column(name, justify="right")
    table.add_column("source")
    marks = [] if record.complete else ["UNFINISHED"]
    marks += [f"{record.images} of {record.total_images} images"] if record.images < record.total_images else []
    table.add_row(
        record.detector,
        *(_percent(record.metrics[f"AP/{name}"]) for name in subsets),
        ", ".join(["this run", *marks]),
        style="bold",
        end_section=True,
    )
    whole = record.complete and record.images == record.total_images and not record.smoke_test
    if whole:
        for method in paper_methods(record.protocol):
            table.add_row(
                method.method, *(_percent(method.aps.get(name)) for name in subsets), method.source, style="dim"
            )
    console.print(table)
    console.print(
        f"{record.images} images, {record.faces} faces, {record.detections} detections in {record.seconds:.2f} s · "
        f"protocol {record.protocol} {record.protocol_hash} (IoU {evaluation.protocol.evaluation.iou_arithmetic})",
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


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"
