"""`sshbench verify`: whether the figures of an archive come out again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.analyze import JsonOption
from sshbench.errors import CheckFailedError


def verify_command(
    archive: Annotated[Path, typer.Argument(help="Folder of archived runs with detections, or of one.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Protocol (name or file) that the figures must be of; default: the shipped one of their name."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate archived detections again; say what agrees.

    Compared are figures and counts (to the bit), hashes (protocol, dataset, detections) and identity, but not warnings.
    The exit code is 1 where something does not agree. `sshbench archive --with-detections` makes such an archive.

    Example:

      sshbench verify results/mine --data ~/WIDER
    """
    from sshbench.verification import verify_archive

    found = verify_archive(archive, data=data, protocol=protocol)
    if as_json:
        from sshbench.cli.outputs import VerifyOutput
        from sshbench.cli.printing import print_json

        print_json(VerifyOutput(ok=found.ok, items=found.items))
    else:
        run = ""
        for item in found.items:
            if item.run != run:
                run = item.run
                typer.echo(run)
            text = item.found if item.agrees else f"{item.archived} in the archive, {item.found} here"
            typer.echo(f"  {'agrees' if item.agrees else 'DIFFERS':8} {item.what}: {text}")
    differing = [item.what for item in found.items if not item.agrees]
    if differing:
        raise CheckFailedError(
            f"{len(differing)} of {len(found.items)} do not agree ({', '.join(differing[:3])})",
            remedy="The archive was changed, or made from other data, rules or versions",
        )
