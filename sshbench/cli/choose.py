"""`sshbench choose`: which measured detectors satisfy limits, and at which threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sshbench.cli.analyze import JsonOption

if TYPE_CHECKING:
    from sshbench.choosing.choose import Candidate, Choice


def choose_command(
    on: Annotated[
        list[Path],
        typer.Option("--on", help="Folder of runs or timings, a run, or a timing file (repeatable)."),
    ],
    minimums: Annotated[
        list[str] | None, typer.Option("--min", help="Least figure, METRIC=SHARE such as AP/hard=0.8 (repeatable).")
    ] = None,
    max_ms: Annotated[float | None, typer.Option(help="Most milliseconds per image (median).")] = None,
    max_mb: Annotated[float | None, typer.Option(help="Most megabytes of weights.")] = None,
    max_memory: Annotated[float | None, typer.Option(help="Most MiB of memory.")] = None,
    max_gflop: Annotated[float | None, typer.Option(help="Most GFLOP per image.")] = None,
    min_images_per_second: Annotated[float | None, typer.Option(help="Least images per second.")] = None,
    licence: Annotated[
        Literal["permissive", "any"], typer.Option(help="What the licence of code and weights must allow.")
    ] = "any",
    domain: Annotated[
        Literal["cross-data", "any"],
        typer.Option(help="Take only models that were not trained on the dataset's own training images."),
    ] = "any",
    dataset: Annotated[str | None, typer.Option(help="Take only results on this dataset.")] = None,
    sure: Annotated[bool, typer.Option("--sure", help="Whole 95 % intervals must satisfy the limits.")] = False,
    at: Annotated[
        str, typer.Option(help="Operating point: best-f1, precision=0.9, recall=0.8, fppi=0.1, score=0.35.")
    ] = "best-f1",
    scope: Annotated[
        Literal["detect", "paper", "end-to-end", "forward"],
        typer.Option(help="What latencies cover: all but reading, the paper's stages, everything, or the network."),
    ] = "detect",
    as_json: JsonOption = False,
) -> None:
    """Choose detectors by accuracy, speed, size and licence.

    A latency counts only if it was measured with the same settings on as many pixels as the figure. Each chosen
    detector comes with its threshold and the dataset that the threshold was chosen on. Exit code 1: none satisfies all.

    Examples:

      sshbench choose --min AP/hard=0.5 --max-ms 10 --licence permissive --on runs --on timings

      sshbench choose --min AP=0.95 --domain cross-data --at precision=0.99 --on runs --sure
    """
    from sshbench.choosing.choose import choose

    choice = choose(
        on,
        minimums=minimums or (),
        max_ms=max_ms,
        max_mb=max_mb,
        max_memory_mib=max_memory,
        max_gflop=max_gflop,
        min_images_per_second=min_images_per_second,
        licence=None if licence == "any" else licence,
        domain=None if domain == "any" else domain,
        dataset=dataset,
        sure=sure,
        at=at,
        scope=scope,
    )
    if as_json:
        from sshbench.cli.outputs import ChoiceOutput
        from sshbench.cli.printing import print_json

        print_json(ChoiceOutput(candidates=choice.candidates, notes=choice.notes))
    else:
        _print(choice)
    if not choice.chosen:
        raise typer.Exit(1)


def _print(choice: Choice) -> None:
    from sshbench.cli.analysis_tables import TextTable, print_tables
    from sshbench.contamination import DOMAIN_SHORT, DOMAIN_SHORT_NOTE
    from sshbench.evaluation.metrics import percent, title_of
    from sshbench.licences import licence_kind

    tables = []
    for title in dict.fromkeys(one.dataset for one in choice.candidates):
        here = [one for one in choice.candidates if one.dataset == title]
        metrics = list(here[0].metrics)
        columns = ("detector", *map(title_of, metrics), "ms", "MB", "licence", "data", "satisfies")
        rows = tuple(
            (
                one.detector,
                *(percent(one.metrics.get(name)) for name in metrics),
                "-" if one.median_ms is None else f"{one.median_ms:.3g}",
                "-" if one.weights_mb is None else f"{one.weights_mb:.3g}",
                licence_kind(one.licence),
                "?" if one.domain is None else DOMAIN_SHORT[one.domain],
                _satisfies(one),
            )
            for one in here
        )
        tables.append(TextTable(title, columns, rows, (f"Data: {DOMAIN_SHORT_NOTE}.",)))
    print_tables(tables, markdown=False)
    for one in choice.chosen:
        typer.echo(f"{one.detector} on {one.dataset}: {_threshold(one)}")
    if not choice.chosen:
        typer.echo("No detector satisfies everything. What the nearest ones miss:")
        for one in choice.candidates[:3]:
            typer.echo(f"  {one.detector}: " + "; ".join(verdict.text for verdict in one.verdicts if not verdict.met))
    for note in choice.notes:
        typer.echo(note, err=True)


def _satisfies(one: Candidate) -> str:
    missed = sum(not verdict.met for verdict in one.verdicts)
    if one.chosen:
        return {True: "all, surely", False: "all, not surely", None: "all"}[one.sure]
    return f"misses {missed}" if missed else "not surely"


def _threshold(one: Candidate) -> str:
    found = one.operating
    if found is None or found.point is None:
        return f"no operating point ({found.missing if found else 'not computed'})"
    point = found.point
    if point.score is None or point.precision is None or point.recall is None or point.fppi is None:
        return f"no score reaches {point.rule}={point.target:g} (best there is: {point.reached})"
    rule = point.rule if point.target is None else f"{point.rule}={point.target:g}"
    return (
        f"keep scores of at least {point.threshold} ({rule}, chosen on {found.chosen_on}, {found.subset}): precision "
        f"{100 * (point.precision.value or 0):.1f} %, recall {100 * (point.recall.value or 0):.1f} %, "
        f"{point.fppi.value or 0:.3g} false detections per image"
    )
