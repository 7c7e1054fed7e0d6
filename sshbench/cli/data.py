"""`sshbench data`: get datasets and look whether they are whole."""

from __future__ import annotations

import json
from dataclasses import asdict
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

    An interrupted download goes on where it stopped. Without --part: what evaluation needs.

    Example:

      sshbench data fetch wider --data ~/WIDER --part split --part eval_tools
    """
    from sshbench.cli.progress import progress_bar
    from sshbench.datasets.fetch import dataset_source, fetch_file

    source = dataset_source(dataset)
    chosen = source.chosen(part)
    if not as_json:
        typer.echo(source.terms)
    fetched = []
    for file in chosen:
        total = None if file.bytes is None else file.bytes / 1e6
        with progress_bar(file.name, total, "MB", enabled=not as_json) as bar:
            result = fetch_file(file, data, progress=lambda count, bar=bar: bar.update(count / 1e6))  # type: ignore[misc]
        fetched.append(result)
        if not as_json:
            checked = "sha256 as published" if result.checked else f"no published checksum; sha256 {result.sha256}"
            typer.echo(f"{file.name}: {result.bytes} bytes, {checked}, {result.files} files")
    if as_json:
        typer.echo(json.dumps({"dataset": dataset, "page": source.page, "files": [asdict(f) for f in fetched]}))
