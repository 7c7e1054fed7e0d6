"""`sshbench leaderboard`: compare detectors by accuracy and speed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer


def leaderboard_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of evaluated runs, or of what `sshbench archive` kept.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page, its table and its figure.")],
    timing: Annotated[
        list[Path] | None,
        typer.Option(help="Timing kept by `sshbench timing --out`, or a folder of them."),
    ] = None,
    comparison: Annotated[
        list[Path] | None,
        typer.Option(help="comparison.json of `sshbench compare`, for rank intervals (repeatable)."),
    ] = None,
    scope: Annotated[
        Literal["detect", "paper", "end-to-end", "forward"],
        typer.Option(help="What latencies cover: all but reading, the paper's stages, everything, or the network."),
    ] = "detect",
    metric: Annotated[
        str | None, typer.Option(help="Metric drawn against speed; default: AP, on WIDER FACE AP/hard.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Compare detectors by accuracy and speed on one page.

    Runs may be of several datasets. A latency stands beside an accuracy only if detector, weights and settings are the
    same and the network got the same number of pixels per image (means within 5 %). Others are listed with the reason.
    Figures have intervals where `sshbench analyze -o RUN` wrote analysis.json into the run's folder.

    Example:

      sshbench leaderboard runs/afw-haar runs/afw-yunet --timing timings -o leaderboard
    """
    from sshbench.cli.tables import print_leaderboard
    from sshbench.errors import MissingDataError
    from sshbench.report.leaderboard_collect import collect
    from sshbench.report.leaderboard_files import write_leaderboard

    timings: list[Path] = []
    for path in timing or []:
        found = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise MissingDataError(f"there is no timing file {path}", remedy="Measure one with `sshbench timing --out`")
        timings += found
    board = collect(runs, timings, comparisons=comparison or (), scope=scope, metric=metric)
    files = write_leaderboard(board, out)
    if as_json:
        from sshbench.cli.outputs import LeaderboardFinding, LeaderboardOutput, LeaderboardRow
        from sshbench.cli.printing import print_json

        titles = [one.title for one in board.boards]
        rows = tuple(
            LeaderboardRow(
                detector=row.identity.detector,
                results={titles[i]: run.record for i, run in row.results.items()},
                latency_ms={titles[i]: latency.summary for i, latency in row.latencies.items()},
            )
            for row in board.rows
        )
        findings = tuple(
            LeaderboardFinding(**asdict(one), code=one.code, message=f"{one.reason}. {one.remedy}")
            for one in board.left_out
        )
        print_json(
            LeaderboardOutput(files=tuple(map(str, files)), rows=rows, findings=findings, passed_over=board.passed_over)
        )
        return
    print_leaderboard(board)
    typer.echo(f"leaderboard: {files[0]}")
