"""`sshbench detectors spec`: what a graph takes and gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def spec_command(
    model: Annotated[str, typer.Argument(help="ONNX file, or a file by torch.export (.pt2) or TorchScript (.pt).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="TOML file to write; it must be new.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Look at a graph, and guess what goes in and what comes out.

    The TOML file that comes out is for --spec, once you have checked it. Where nothing can be guessed, it is one to
    fill in, and the exit code is 2.

    Example:

      sshbench detectors spec model.onnx -o spec.toml
    """
    from sshbench.detectors.graphs.look import look_at
    from sshbench.detectors.graphs.no_guess import NoGuessError

    try:
        found = look_at(model, out=out)
    except NoGuessError as error:
        if out is None and not as_json:
            typer.echo(error.skeleton, nl=False)
        raise
    if as_json:
        from sshbench.cli.outputs import DetectorSpecOutput
        from sshbench.cli.printing import print_json

        print_json(
            DetectorSpecOutput(
                model=str(found.facts.path),
                sha256=found.facts.sha256,
                inputs=tuple(map(str, found.facts.inputs)),
                outputs=tuple(map(str, found.facts.outputs)),
                reasons=dict(found.guess.reasons),
                spec=found.guess.spec.model_dump(mode="json"),
                out=None if out is None else str(out),
            )
        )
        return
    typer.echo(f"{found.facts.path}: {found.facts.listed()}", err=True)
    typer.echo(f"guessed: {found.guess.summary}", err=True)
    typer.echo(found.guess.text if out is None else str(out), nl=out is not None)
