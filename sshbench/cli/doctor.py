"""`sshbench doctor`: describe this machine and test what runs on it."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show this machine's abilities, test backends and evaluators.

    Each backend runs a small network, and its outputs are compared with the same network computed in numpy. Each
    evaluator is compared with outputs of the official tool on small golden sets. Exit code 1 if a backend fails its
    test or an evaluator differs.

    Example:

      sshbench doctor
    """
    from sshbench.doctor import examine

    report = examine()
    if as_json:
        from sshbench.cli.outputs import DoctorOutput, GoldenOutput
        from sshbench.cli.printing import print_json

        sets = tuple(GoldenOutput(name=g.name, differences=g.differences, ok=g.ok) for g in report.golden)
        print_json(
            DoctorOutput(
                facts=report.facts,
                checks=report.checks,
                auto=report.auto,
                reference=report.reference,
                golden=sets,
                evaluators_equal=report.evaluators_equal,
                ok=report.ok,
            )
        )
    else:
        for name, value in report.facts.items():
            typer.echo(f"{name:12} {value}")
        for check in report.checks:
            mark = {True: "ok", False: "FAILED", None: "not run"}[check.ok]
            threads = f", {check.threads} threads" if check.threads else ""
            typer.echo(f"{mark:7} {check.what}: {check.detail}{threads}")
        typer.echo(f"compared with: {report.reference}")
        typer.echo(f"precision auto and backend auto run: {report.auto}")
        for golden in report.golden:
            for difference in golden.differences:
                typer.echo(f"DIFFERS  {golden.name}: {difference}")
        if report.evaluators_equal:
            typer.echo("evaluators equal the official tools to the bit on this machine")
    if not report.ok:
        raise typer.Exit(1)
