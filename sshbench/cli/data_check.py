"""`sshbench data check`: what of a dataset is there, and whether it is the official one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def check_command(
    dataset: Annotated[str, typer.Argument(help="wider or sample.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset (not needed for sample).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say what of a dataset is there, what is missing and where to get it, and verify the official counts.

    Exit code 1 where something is missing or wrong that the protocol needs.

    Example:

      sshbench data check wider --data ~/WIDER
    """
    from sshbench.datasets.check import check_dataset
    from sshbench.protocols import load_protocol

    report = check_dataset(load_protocol(dataset), data)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for item in report.items:
            mark = "ok     " if item.ok else "MISSING" if item.needed else "absent "
            typer.echo(f"{mark}  {item.what}: {item.detail}")
            if item.remedy:
                typer.echo(f"         {item.remedy}")
        needed = "everything that the protocol needs is there" if report.ok else "not usable yet: see above"
        typer.echo(f"{report.dataset} in {report.root}: {needed}")
    if not report.ok:
        raise typer.Exit(1)
