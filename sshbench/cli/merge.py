"""`sshbench merge`: runs on parts of a dataset become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one detector on parts of a dataset.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the joined run.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder, where it has moved.")] = None,
    limit: Annotated[int | None, typer.Option(help="The --limit that the parts were made with.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Throw away what --out holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Join runs on parts of a dataset into one run.

    The runs must agree in everything but their images, and in the detections of images that several have.

    Example:

      sshbench eval --dataset wider --data ~/WIDER --detector yunet --shard 1/2 -o runs/parts

      sshbench eval --dataset wider --data ~/WIDER --detector yunet --shard 2/2 -o runs/parts

      sshbench merge runs/parts/shard-* -o runs/yunet
    """
    from sshbench.cli.eval import show
    from sshbench.evaluation.merging import merge

    show(merge(runs, out, data=data, limit=limit, overwrite=overwrite), as_json=as_json)
