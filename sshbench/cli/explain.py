"""`sshbench explain`: why another tool gives other figures of WIDER FACE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from sshbench.evaluation.explain import Explanation


_WIDEST = len("-100.000")


def explain_command(
    predictions: Annotated[Path, typer.Argument(help="Folder or zip of prediction files, or a run's folder.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset (not needed for sample).")] = None,
    dataset: Annotated[str | None, typer.Option(help="wider (default) or sample.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol by name, or the path of a .toml file.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this switch (repeatable); default: all.")] = None,
    together: Annotated[bool, typer.Option("--together", help="Also all switches of --only at once.")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first N images.")] = None,
    box_format: Annotated[
        Literal["xywh", "xyxy", "cxcywh"] | None,
        typer.Option(help="Boxes of prediction files: x y w h, x1 y1 x2 y2, or centre w h. Default: the format's."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show why other tools give other figures of WIDER FACE.

    Evaluates predictions by the official protocol, then with each deviation of other tools, and with those of the
    widely used Python port at once. Says by how many points each moves AP.

    Example:

      sshbench explain detections.zip --data ~/WIDER

      sshbench explain detections.zip --data ~/WIDER --only unsorted --only score-cut --together
    """
    from sshbench.evaluation.explain import explain

    found = explain(
        predictions,
        data=data,
        dataset=dataset or protocol or "wider",
        protocol=protocol,
        only=only,
        together=together,
        limit=limit,
        box_format=box_format,
        progress=not as_json,
    )
    if as_json:
        from sshbench.cli.outputs import ExplainOutput
        from sshbench.cli.printing import print_json

        print_json(ExplainOutput(official=found.evaluation.record, variants=found.variants, notes=found.notes))
        return
    _print(found)


def _print(found: Explanation) -> None:
    """Print AP and differences as a table, then the switches in words."""
    from rich.console import Console
    from rich.table import Table

    from sshbench.evaluation.explain import points_text
    from sshbench.evaluation.metrics import percent

    console = Console()
    evaluation = found.evaluation
    title = f"{evaluation.record.detector} on {evaluation.protocol.title}: AP in percent, and difference in points"
    console.print(title, style="bold", highlight=False, markup=False)
    table = Table()
    table.add_column("rules", no_wrap=True)
    for name in found.subsets:
        table.add_column(name, justify="right", no_wrap=True)
    for name in found.subsets:
        table.add_column(f"± {name}", justify="right", no_wrap=True, min_width=_WIDEST)
    for one in found.variants:
        moves = ("" if not one.switches else points_text(points) for points in one.points.values())
        table.add_row(one.name, *map(percent, one.ap.values()), *moves, style=None if one.switches else "bold")
    console.print(table)
    for one in found.variants[1:]:
        what = one.what if len(one.switches) == 1 else ", ".join(one.switches)
        console.print(f"{one.name}: {what}", highlight=False, markup=False)
    for note in found.notes:
        console.print(f"note: {note}", style="dim", highlight=False, markup=False)
    for warning in evaluation.record.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
