"""`sshbench protocols`: the rules of each benchmark, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.panels import App

protocols_app = App(help="The rules of each benchmark, number by number.", no_args_is_help=True)

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@protocols_app.command("list")
def list_command(as_json: _AsJson = False) -> None:
    """List the shipped protocols.

    Example:

      sshbench protocols list
    """
    from sshbench.protocols import load_protocol, protocol_names

    protocols = [load_protocol(name) for name in protocol_names()]
    if as_json:
        from sshbench.cli.outputs import ProtocolRow, ProtocolsOutput
        from sshbench.cli.printing import print_json

        rows = (
            ProtocolRow(name=p.name, title=p.title, hash=p.hash, dataset=p.dataset, evaluation=p.evaluation.kind)
            for p in protocols
        )
        print_json(ProtocolsOutput(protocols=tuple(rows)))
        return
    for p in protocols:
        typer.echo(f"{p.name:8} {p.hash}  {p.title}; evaluation {p.evaluation.kind}, dataset {p.dataset}")


@protocols_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="Name of a shipped protocol, or the path of a .toml file.")],
    as_json: _AsJson = False,
) -> None:
    """Show the file of a protocol: a start for one of your own.

    Every number has its source.

    Example:

      sshbench protocols show wider > my.toml
    """
    from sshbench.protocols import load_protocol, protocol_path

    protocol = load_protocol(name)
    if as_json:
        from sshbench.cli.outputs import ProtocolOutput
        from sshbench.cli.printing import print_json

        print_json(ProtocolOutput(hash=protocol.hash, protocol=protocol))
        return
    typer.echo(protocol_path(name).read_text(encoding="utf-8"), nl=False)


@protocols_app.command("validate")
def validate_command(
    path: Annotated[str, typer.Argument(help="Path of a .toml file, or the name of a shipped protocol.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset: also try subsets and counts on it.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Check a protocol, and with --data its subsets on a dataset.

    The dataset must have what the subsets ask for.

    Exit code 2 where the file is wrong, 1 where the dataset is not what the protocol expects.

    Example:

      sshbench protocols validate my.toml --data ~/faces
    """
    from sshbench.protocols import load_protocol

    protocol = load_protocol(path)
    counted: dict[str, int] = {}
    problems: list[str] = []
    if data is not None or protocol.layout.root is not None:
        from sshbench.evaluation.loading import load_dataset

        dataset = load_dataset(protocol, data)
        counted = {name: dataset.faces.counted(name) for name in dataset.faces.ignore}
        problems = _differences(protocol.expected.images, len(dataset.keys), "images")
        problems += _differences(protocol.expected.faces, dataset.faces.total, "faces")
        for subset in protocol.subsets:
            problems += _differences(subset.counted, counted[subset.name], f"faces of subset '{subset.name}'")
    if as_json:
        from sshbench.cli.outputs import ProtocolValidateOutput
        from sshbench.cli.printing import print_json

        print_json(
            ProtocolValidateOutput(name=protocol.name, hash=protocol.hash, counted=counted, problems=tuple(problems))
        )
    else:
        typer.echo(f"{protocol.name} {protocol.hash}: valid; evaluation {protocol.evaluation.kind}")
        for name, number in counted.items():
            typer.echo(f"  {name}: {number} faces count")
        for problem in problems:
            typer.echo(f"  WRONG: {problem}")
    if problems:
        raise typer.Exit(1)


def _differences(expected: int | None, found: int, what: str) -> list[str]:
    return [f"{expected} {what} expected, {found} found"] if expected is not None and expected != found else []
