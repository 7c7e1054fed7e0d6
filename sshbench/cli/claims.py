"""`sshbench claims`: check what the SSH paper claims of time, size and memory."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.analyze import JsonOption
from sshbench.errors import UsageError


class _Table(StrEnum):
    same_input = "same-input"
    protocol = "protocol"
    both = "both"


def claims_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for timings, claims.json, claims.md, claims.csv.")],
    sizes: Annotated[
        str | None, typer.Option(help="Sizes of equal inputs: 400x800,640x640,600x1000,800x1200,1200x1600.")
    ] = None,
    table: Annotated[_Table, typer.Option(help="Equal inputs, published protocols, or both.")] = _Table.both,
    detector: Annotated[
        list[str] | None, typer.Option("--detector", help="Detector to measure (repeatable); default: all seven.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weights", metavar="NAME=FILE", help="Weights of a detector (repeatable); default: random."),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images; default: the bundled sample.")] = None,
    image_size: Annotated[str, typer.Option(help="Size of the images for published protocols.")] = "1024x768",
    count: Annotated[int, typer.Option(help="Number of images, used in turn.", min=1)] = 2,
    min_time: Annotated[float, typer.Option(help="Minimum time to measure at each size, seconds.", min=0)] = 1.0,
    min_count: Annotated[int, typer.Option(help="Minimum number of passes; intervals need 5.", min=1)] = 5,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="CPU threads; default: all.", min=1)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One small size and one image: a trial.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say how long it takes, and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure which claims of the SSH paper hold here.

    Two tables: one pass over inputs of equal size, and each detector by its published protocol on the same images.
    Without weights files networks have random weights: their times are right, and they find no faces. Killed at any
    moment, the same command resumes. All sizes take about an hour on two cores, these two about 25 minutes:

      sshbench claims -o claims --sizes 400x800,800x1200

      sshbench claims -o claims --weights ssh=ssh-vgg16.safetensors --weights hr-resnet101=hr_res101.mat
    """
    from sshbench.ssh_paper.check import SIZES, TABLES, ClaimOptions, check_claims, options_of
    from sshbench.ssh_paper.check import estimate as estimate_of
    from sshbench.ssh_paper.claims_text import place_text

    tables = tuple(one for one in TABLES if table is _Table.both or one.replace(" ", "-") == table.value)
    given: dict[str, str | Path] = dict(map(_pair, weights or ()))
    options: ClaimOptions = {
        "sizes": sizes or SIZES,
        "tables": tables,
        "detectors": detector or (),
        "weights": given,
        "images": images,
        "image_size": image_size,
        "count": count,
        "min_time": min_time,
        "min_count": min_count,
        "device": device,
        "threads": threads,
        "quick": quick,
    }
    if estimate or not as_json:
        whole, planned = estimate_of(options_of(**options))
        where = "on this CPU" if device == "cpu" else "if this CPU did it"
        typer.echo(f"{len(planned)} timings, about {whole / 60:.0f} minutes {where}; what {out} holds takes none")
        if estimate:
            return
    found = check_claims(out, **options, progress=not as_json)
    if as_json:
        from sshbench.cli.printing import print_json

        print_json(found.record)
        return
    for verdict in found.record.verdicts:
        typer.echo(f"{verdict.ruling}: {verdict.claim.words}")
        for place in verdict.places:
            typer.echo(f"  {place_text(place)}")
    typer.echo(f"claims: {found.files[1]}")


def _pair(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not separator or not name or not path:
        raise UsageError(f"invalid --weights '{text}'", remedy="Use NAME=FILE, such as ssh=ssh-vgg16.safetensors")
    return name, path
