"""`sshbench compare`: which of several runs is better, and a gate that fails where one is worse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.analyze import DataOption, JsonOption, LevelOption, MarkdownOption, ReplicatesOption, SeedOption
from sshbench.errors import CheckFailedError, UsageError


def compare_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one protocol on the same images.")],
    baseline: Annotated[
        Path | None, typer.Option(help="Folder of the run that the others are compared with; default: all pairs.")
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Call smaller differences equal: a fraction, or points (0.5pt)."),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option("--fail-if-worse", help="Exit with 1 where a run is worse than --baseline by more than --margin."),
    ] = False,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Only this metric (repeatable).")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for comparison.json, pairs.csv, and figures.")
    ] = None,
    data: DataOption = None,
    subset: Annotated[str | None, typer.Option(help="Subset whose faces are compared; default: the last.")] = None,
    replicates: ReplicatesOption = 2000,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    markdown: MarkdownOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say which of several runs is better.

    All runs count the same resampled images. The interval of the difference decides, never the overlap of two
    intervals. --fail-if-worse fails only where the interval of (run - baseline) lies wholly below 0, or below minus
    the margin.

    Example:

      sshbench compare runs/yunet runs/centerface runs/ssh-tiny

      sshbench compare runs/new --baseline runs/main --margin 0.5pt --fail-if-worse --markdown
    """
    from sshbench.answers.compare import compare, names_of
    from sshbench.answers.gates import parse_share

    if fail_if_worse and baseline is None:
        raise UsageError("--fail-if-worse needs --baseline", remedy="Name the run to compare with")
    folders = [*runs] if baseline is None or baseline in runs else [*runs, baseline]
    names = names_of(folders)
    share = None if margin is None else parse_share(margin)
    found = compare(
        *folders,
        data=data,
        names=names,
        baseline=None if baseline is None else names[folders.index(baseline)],
        margin=share,
        metrics=metrics,
        subset=subset,
        replicates=replicates,
        seed=seed,
        level=level,
    )
    files = () if out is None else found.save(out.expanduser())
    if as_json:
        from sshbench.cli.printing import print_json

        print_json(found.record)
    else:
        from sshbench.cli.analysis_tables import comparison_tables, print_tables

        print_tables(comparison_tables(found.record), markdown=markdown)
        if files:
            typer.echo(f"comparison: {files[0]}", err=markdown)
    if fail_if_worse and (worse := found.worse_than(str(found.record.baseline), share or 0.0)):
        raise CheckFailedError("; ".join(worse), remedy="Mend it, or accept the loss with a larger --margin")
