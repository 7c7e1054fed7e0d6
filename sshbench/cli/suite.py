"""`sshbench suite`: detectors x settings x datasets from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sshbench.cli.analyze import JsonOption
from sshbench.errors import CheckFailedError

if TYPE_CHECKING:
    from sshbench.suite.result import SuiteResult


def suite_command(
    file: Annotated[Path, typer.Argument(metavar="SUITE.TOML", help="Which detectors, settings and datasets.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for runs and pages; default: the file's name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run detectors x settings x datasets from one file.

    Builds a report for each dataset, and a leaderboard. Killed at any moment, the same command resumes; runs that are
    done are not run again. A run that fails is reported, the others go on, and the exit code is 1. docs/ci.md shows a
    file.

    Example:

      sshbench suite suite.toml -o results
    """
    from sshbench.suite.run import run_suite

    found = run_suite(file, out=out, progress=not as_json, on_run=None if as_json else _show)
    if as_json:
        from sshbench.cli.outputs import SuiteOutput
        from sshbench.cli.printing import print_json

        files = tuple(map(str, found.files))
        print_json(SuiteOutput(ok=not found.failed, results=found.results, files=files))
    else:
        for path in found.files:
            typer.echo(f"page: {path}")
    if found.failed:
        raise CheckFailedError(
            f"{len(found.failed)} of {len(found.results)} runs failed; the first: {found.failed[0].error}",
            remedy="The same command resumes them",
        )


def _show(result: SuiteResult) -> None:
    from sshbench.evaluation.metrics import percent

    figures = ", ".join(f"{name} {percent(value)}" for name, value in list(result.metrics.items())[:4])
    typer.echo(f"{result.folder}: {f'FAILED, {result.error}' if result.error else figures}")
