"""`sshbench paper`: the SSH paper's tables and figures, published and measured, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.analyze import JsonOption


def paper_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page, its figures as CSV, and a suite.")],
    on: Annotated[
        list[Path] | None,
        typer.Option("--on", help="Folder of runs, timings and claims, searched to any depth (repeatable)."),
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="A copy of official curves to import; default: those imported before.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the SSH paper's tables and figures on one page.

    What was measured stands beside the published figures, which are always there; published curves are where they were
    imported. The page says what is missing, and which command fills it; the suite beside it runs the paper's detectors
    on its datasets.

    Example:

      sshbench paper -o page --on results --curves eval_tools/plot/baselines
    """
    from sshbench.ssh_paper.page import build_paper

    made = build_paper(out, on=on or (), curves=curves)
    if as_json:
        from sshbench.cli.outputs import MissingOutput, PaperOutput
        from sshbench.cli.printing import print_json

        missing = tuple(MissingOutput(what=one.what, command=one.command) for one in made.missing)
        print_json(PaperOutput(page=str(made.page), files=tuple(map(str, made.files)), missing=missing))
        return
    for one in made.missing:
        typer.echo(f"missing: {one.what}{f': {one.command}' if one.command else ''}")
    typer.echo(f"page: {made.page}")
