"""`sshbench archive`: the small part of runs, to keep or to commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def archive_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs of one protocol on the same images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder, where it has moved.")] = None,
    with_detections: Annotated[
        bool, typer.Option("--with-detections", help="Keep detections too, so that others can verify the figures.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Keep the small part of runs: figures, protocol, a report.

    Identity, protocol and figures, and a report without images: small enough to commit.

    Example:

      sshbench archive runs/haar runs/yunet -o results/measured/afw

      sshbench archive runs/mine -o mine --with-detections
    """
    from sshbench.archive import archive_runs

    files = archive_runs(runs, out, data=data, with_detections=with_detections)
    if as_json:
        from sshbench.cli.outputs import FilesOutput
        from sshbench.cli.printing import print_json

        print_json(FilesOutput(files=tuple(map(str, files))))
        return
    for path in files:
        typer.echo(str(path))
