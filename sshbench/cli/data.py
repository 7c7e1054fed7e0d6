"""`sshbench data`: get datasets and look whether they are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="Get datasets and look whether they are whole.", no_args_is_help=True)


@data_app.command("check")
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


@data_app.command("fetch")
def fetch_command(
    dataset: Annotated[str, typer.Argument(help="wider.")],
    data: Annotated[Path, typer.Option(help="Folder to put it into.")],
    part: Annotated[
        list[str] | None, typer.Option(help="Only this part (repeatable): split, eval_tools, val, train, test.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Download a dataset from the addresses that its own page names, check it and unpack it.

    An interrupted download goes on where it stopped; what is there and right is kept. Without --part: what evaluation
    needs.

    Example:

      sshbench data fetch wider --data ~/WIDER --part split --part eval_tools
    """
    from collections.abc import Iterator
    from contextlib import contextmanager

    from sshbench.cli.progress import progress_bar
    from sshbench.datasets.download import Progress
    from sshbench.datasets.fetch import dataset_source, fetch_dataset

    @contextmanager
    def bar(description: str, total: int | None) -> Iterator[Progress]:
        with progress_bar(description, total, "B", enabled=not as_json) as shown:
            yield shown.update

    if not as_json:
        typer.echo(dataset_source(dataset).terms)
    report = fetch_dataset(
        dataset, data, parts=part, progress=bar, on_file=None if as_json else lambda file: typer.echo(str(file))
    )
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        typer.echo(f"`sshbench data check {dataset} --data {data}` says what can be done with it.")
