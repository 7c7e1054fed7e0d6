"""`sshbench report`: runs on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sshbench.cli.panels import PanelCommand
from sshbench.errors import UsageError

_ITEMS = 200


class ReportCommand(PanelCommand):
    """The command with `--failures` for `--failures 200`: typer has no options whose value may be left out."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the usual number behind `--failures` where none follows, and parse."""
        whole = []
        for argument, following in zip(args, [*args[1:], ""], strict=True):
            whole += [argument, str(_ITEMS)] if argument == "--failures" and not following.isdigit() else [argument]
        return list(super().parse_args(ctx, whole))


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, all of one protocol on the same images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder, where it has moved.")] = None,
    images: Annotated[int, typer.Option(help="Images with boxes for each run.", min=0)] = 12,
    overlay: Annotated[
        list[str] | None,
        typer.Option(help="Imported curve to draw too (repeatable); 'none' for none. Default: the best five."),
    ] = None,
    figures: Annotated[
        str, typer.Option(metavar="FORMATS", help="Formats of the figures, of pdf, svg and png: pdf,svg.")
    ] = "svg,png",
    style: Annotated[
        Literal["screen", "paper"], typer.Option(help="'paper': figures for print as well, in the folder paper.")
    ] = "screen",
    width: Annotated[
        str | None, typer.Option(metavar="WIDTH", help="Of a figure for a paper: 3.3in (default), 84mm, 240pt.")
    ] = None,
    failures: Annotated[
        int | None,
        typer.Option(metavar="[N]", help="Write failures.html, N items per type and run (200).", min=1),
    ] = None,
    analysis: Annotated[
        bool, typer.Option("--analysis/--no-analysis", help="Slices, error costs, calibration and operating points.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write runs on one self-contained page.

    Figures, curves, analyses, settings and images with boxes.

    Beside it lie the curves as figures, and the numbers as CSV. For print, a figure has no title, lines that are told
    apart in grey, and its fonts embedded.

    Example:

      sshbench report runs/haar runs/yunet -o report

      sshbench report runs/haar runs/yunet -o report --figures pdf --style paper --width 3.3in

      sshbench report runs/haar runs/yunet -o report --failures
    """
    from sshbench.progress import progress_bar
    from sshbench.report.build import build_report
    from sshbench.report.paper_figures import COLUMN, parse_width

    if width is not None and style != "paper":
        raise UsageError("--width needs --style paper")
    with progress_bar("report", len(runs), "runs", enabled=not as_json) as bar:
        files = build_report(
            runs,
            out,
            data=data,
            images_per_run=images,
            overlay=[] if overlay == ["none"] else overlay or None,
            figures=tuple(kind.strip() for kind in figures.split(",")),
            style=style,
            width=COLUMN if width is None else parse_width(width),
            failures=failures or 0,
            analysis=analysis,
            on_run=lambda _: bar.update(1),
        )
    if as_json:
        from sshbench.cli.outputs import ReportOutput
        from sshbench.cli.printing import print_json

        print_json(ReportOutput(page=str(files.page), files=tuple(map(str, files.files))))
    else:
        typer.echo(f"report: {files.page}")
        if failures:
            typer.echo(f"failures: {files.page.with_name('failures.html')}")
