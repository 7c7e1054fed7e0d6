"""`sshbench doctor`: what this machine has, and whether it works."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show this machine's abilities and test every backend.

    Each backend runs a small network, and its outputs are compared with the same network computed in numpy.

    Exit code 1 where a backend that is installed fails its test.

    Example:

      sshbench doctor
    """
    from sshbench.doctor import examine

    report = examine()
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for name, value in report.facts.items():
            typer.echo(f"{name:12} {value}")
        for check in report.checks:
            mark = {True: "ok", False: "FAILED", None: "not run"}[check.ok]
            threads = f", {check.threads} threads" if check.threads else ""
            typer.echo(f"{mark:7} {check.what}: {check.detail}{threads}")
        typer.echo(f"compared with: {report.reference}")
        typer.echo(f"precision auto and backend auto run: {report.auto}")
    if not report.ok:
        raise typer.Exit(1)
