"""`sshbench train`: SSH from images and boxes, resumable at any moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def train_command(
    config: Annotated[str, typer.Option("--config", help="Recipe: ssh-vgg16, ssh-tiny, or the path of a .toml file.")],
    data: Annotated[Path, typer.Option(help="Folder of the dataset that the recipe names.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoint, weights, tables and curves.")],
    start: Annotated[
        Path | None, typer.Option(help="Weights to start from, for example a VGG-16 trunk of `weights import`.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N; under torchrun each process takes its own GPU.")] = (
        "cpu"
    ),
    stop_after: Annotated[
        int | None, typer.Option(help="Stop after this iteration; the same command without it goes on.", min=1)
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Write the weights as float16, half the size.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train SSH by a recipe. Killed at any moment, the same command goes on from the last checkpoint.

    Examples:

      sshbench train --config ssh-tiny --data faces/ -o runs/train-tiny

      torchrun --nproc-per-node 4 -m sshbench train --config ssh-vgg16 --data ~/WIDER --start vgg16.safetensors
      --device cuda -o runs/train-vgg16
    """
    from importlib.util import find_spec

    from sshbench.errors import UsageError

    if find_spec("torch") is None:
        raise UsageError("training needs torch", remedy="pip install 'sshbench[ssh]'")
    from sshbench.cli.train_steps import Request, run

    report = run(Request(config, data, out, start, device, stop_after, half, show_progress=not as_json))
    if report is None:  # another process of torchrun speaks
        return
    if as_json:
        typer.echo(json.dumps(report))
        return
    typer.echo(f"{report['iterations']} iterations, loss {report['loss']:.4f}")
    for iteration, metric, value in report["validation"]:
        typer.echo(f"  validation after {iteration}: {metric} {100 * value:.2f}")
    for file in report["files"]:
        typer.echo(file)
