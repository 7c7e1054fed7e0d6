"""`sshbench analyze`: how sure is the figure of a run, where and why does it fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.errors import UsageError

DataOption = Annotated[Path | None, typer.Option(help="The dataset's folder, where it has moved.")]
ReplicatesOption = Annotated[int, typer.Option(help="Number of resampled datasets.", min=100)]
SeedOption = Annotated[int, typer.Option(help="Of the random numbers; equal seeds give equal results.", min=0)]
LevelOption = Annotated[float, typer.Option(help="Level of the intervals.", min=0.5, max=0.9999)]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a job summary.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def analyze_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for analysis.json, tables as CSV, and figures.")
    ] = None,
    data: DataOption = None,
    subset: Annotated[str | None, typer.Option(help="Subset to look at; default: the last (WIDER: hard).")] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="RULE", help="Operating point: best-f1, precision=0.9, recall=0.8, fppi=0.1 or score=0.35."
        ),
    ] = "best-f1",
    replicates: ReplicatesOption = 2000,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    unit: Annotated[
        Literal["image", "group"], typer.Option(help="What is drawn: images, or groups (WIDER: events) whole.")
    ] = "image",
    groups: Annotated[
        Path | None, typer.Option(help="CSV file 'image,group' for --unit group, where keys name no event.")
    ] = None,
    slices: Annotated[Path | None, typer.Option(help="CSV file 'image,axis,value': axes of your own.")] = None,
    cross: Annotated[str | None, typer.Option(metavar="A,B", help="Two axes whose parts are combined too.")] = None,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how sure a run is, and where and why it fails.

    Also what a threshold gives, and whether scores are probabilities.

    Detections are enough; images are not read.

    Example:

      sshbench analyze runs/yunet -o runs/yunet/analysis

      sshbench analyze runs/yunet --subset medium --at precision=0.95 --cross height,occlusion
    """
    from sshbench.answers.analyze import analyze

    if groups is not None and unit != "group":
        raise UsageError("--groups needs --unit group")
    axes = None if cross is None else tuple(cross.split(","))
    if axes is not None and len(axes) != 2:
        raise UsageError(f"--cross {cross}: two axes are needed", remedy="For example --cross height,occlusion")
    found = analyze(
        run,
        data=data,
        subset=subset,
        at=at,
        replicates=replicates,
        seed=seed,
        level=level,
        groups=groups,
        by_event=unit == "group" and groups is None,
        own_slices=slices,
        cross=None if axes is None else (axes[0], axes[1]),
    )
    files = () if out is None else found.save(out.expanduser())
    if as_json:
        from sshbench.cli.printing import print_json

        print_json(found.record)
        return
    from sshbench.cli.analysis_tables import analysis_tables, print_tables

    print_tables(analysis_tables(found.record), markdown=markdown)
    if files:
        typer.echo(f"analysis: {files[0]}", err=markdown)
