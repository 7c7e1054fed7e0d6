"""`sshbench table`: runs as a table for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.analyze import DataOption, JsonOption, LevelOption, ReplicatesOption, SeedOption


def table_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one protocol on the same images.")],
    kind: Annotated[
        Literal["latex", "markdown", "csv", "html"], typer.Option("--format", "-f", help="Format of the table.")
    ] = "markdown",
    published: Annotated[bool, typer.Option("--published", help="Add published figures, with citation keys.")] = False,
    bib: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the references of published rows, as BibTeX.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the table; default: print it.")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Name of a run, in the order of the runs (repeatable).")
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Only this metric (repeatable).")] = None,
    data: DataOption = None,
    replicates: ReplicatesOption = 2000,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    as_json: JsonOption = False,
) -> None:
    """Write runs as a table for a paper.

    LaTeX (with the package booktabs), Markdown, CSV or HTML. Figures are in percent, ± half the width of their
    intervals. Bold is what is told apart from every other run by the interval of the paired difference; where the first
    place is open, nothing is bold.

    Example:

      sshbench table runs/yunet runs/haar --format latex -o table.tex

      sshbench table runs/mine --published --bib refs.bib --format latex
    """
    from sshbench.files import write_atomic
    from sshbench.paper.table import paper_table, write_bib

    made = paper_table(
        runs,
        data=data,
        published=published,
        names=names,
        metrics=metrics,
        replicates=replicates,
        seed=seed,
        level=level,
    )
    text = made.text(kind)
    files = [] if bib is None else [write_bib(made, bib)]
    if out is not None:
        files.append(write_atomic(out.expanduser(), text))
    if as_json:
        from sshbench.cli.outputs import TableOutput
        from sshbench.cli.printing import print_json

        print_json(TableOutput.of(made, text, files))
        return
    if out is None:
        typer.echo(text, nl=False)
    for path in files:
        typer.echo(f"table: {path}", err=True)
