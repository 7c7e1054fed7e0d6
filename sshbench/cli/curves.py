"""`sshbench curves`: published curves in the local cache, for reports to overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sshbench.cli.outputs import CurveRow
    from sshbench.published import ImportedCurve

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sshbench.cli.panels import App

curves_app = App(help="Published curves of other methods, for reports to overlay.", no_args_is_help=True)


class _Benchmark(StrEnum):
    wider = "wider"
    fddb = "fddb"


@curves_app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="Your copy of the published curves, for example plot/baselines.")],
    benchmark: Annotated[_Benchmark, typer.Option(help="Whose curves they are.")] = _Benchmark.wider,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Read published curves into the local cache.

    Says where a published figure and its curve disagree.

    For WIDER FACE this is the tree plot/baselines of the official tool, for FDDB a folder of *DiscROC.txt and
    *ContROC.txt. Each figure is computed anew from its curve.

    Example:

      sshbench curves import eval_tools/plot/baselines
    """
    from sshbench.evaluation.record import StoredFinding
    from sshbench.published import import_fddb, import_wider

    report = import_wider(folder) if benchmark is _Benchmark.wider else import_fddb(folder)
    if as_json:
        from sshbench.cli.outputs import CurvesImportOutput
        from sshbench.cli.printing import print_json

        print_json(
            CurvesImportOutput(
                benchmark=report.benchmark,
                curves=tuple(_row(report.benchmark, curve) for curve in report.curves),
                compared=report.compared,
                disagreements=report.disagreements,
                findings=tuple(map(StoredFinding.of, report.findings)),
            )
        )
        return
    methods = {(curve.method, curve.split) for curve in report.curves}
    typer.echo(f"imported {len(report.curves)} curves of {len(methods)} methods")
    for finding in report.findings:
        typer.echo(f"note: {finding}")
    typer.echo(f"compared {report.compared} published figures: {len(report.disagreements)} disagree with their curve")
    for disagreement in report.disagreements:
        typer.echo(f"  {disagreement} [{disagreement.source}]")


@curves_app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """List the imported curves with their figures.

    AP; for FDDB the true positive rate at 1000 false positives.

    Example:

      sshbench curves list
    """
    from sshbench.published import stored

    found = [("wider", curve) for curve in stored("wider")] + [("fddb", curve) for curve in stored("fddb")]
    if as_json:
        from sshbench.cli.outputs import CurvesListOutput
        from sshbench.cli.printing import print_json

        print_json(CurvesListOutput(curves=tuple(_row(benchmark, curve) for benchmark, curve in found)))
        return
    if not found:
        typer.echo("no curves imported; sshbench curves import FOLDER reads a copy of the published ones")
    by_method: dict[tuple[str, str, str], dict[str, float]] = {}
    for name, curve in found:
        by_method.setdefault((name, curve.split, curve.method), {})[curve.subset] = curve.figure
    for (name, split, method), figures in sorted(by_method.items()):
        shown = "  ".join(f"{subset} {figure:.4f}" for subset, figure in figures.items())
        typer.echo(f"{name} {split}  {method}: {shown}")


def _row(benchmark: str, curve: ImportedCurve) -> CurveRow:
    from sshbench.cli.outputs import CurveRow

    return CurveRow(
        benchmark=benchmark,
        method=curve.method,
        split=curve.split,
        subset=curve.subset,
        figure=curve.figure,
        file=curve.file,
    )
