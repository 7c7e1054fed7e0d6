"""What `sshbench data check --labels` prints."""

from __future__ import annotations

import typer

from sshbench.cli.outputs import Output
from sshbench.datasets.label_kinds import KINDS, LabelIssue
from sshbench.datasets.labels import LabelReport
from sshbench.flat import counted

_SHOWN = 10  # issues of a kind; --json lists all


class LabelCheckOutput(Output):
    """`sshbench data check --labels --json`."""

    dataset: str
    root: str
    ok: bool
    images: int
    read: int
    faces: int
    counts: dict[str, int]
    issues: tuple[LabelIssue, ...]


def output_of(report: LabelReport) -> LabelCheckOutput:
    """Return a report as it is printed with `--json`."""
    return LabelCheckOutput(
        dataset=report.dataset,
        root=str(report.root),
        ok=report.ok,
        images=report.images,
        read=report.read,
        faces=report.faces,
        counts=report.counts(),
        issues=report.issues,
    )


def show_labels(report: LabelReport) -> None:
    """Print a report for people: the kinds, and the first issues of each."""
    for code in KINDS:
        issues = [issue for issue in report.issues if issue.code == code]
        if not issues:
            continue
        errors = sum(issue.severity == "error" for issue in issues)
        severity = "error" if errors == len(issues) else "warning"
        if 0 < errors < len(issues):
            severity = f"{counted(errors, 'error')}, {counted(len(issues) - errors, 'warning')}"
        typer.echo(f"{code}: {len(issues)} ({severity}). {issues[0].remedy}")
        for issue in issues[:_SHOWN]:
            typer.echo(f"  {issue}")
        if len(issues) > _SHOWN:
            typer.echo(f"  and {len(issues) - _SHOWN} more: --json lists all")
    size = (
        f"{counted(report.images, 'annotated image')} ({report.read} read), {counted(report.faces, 'annotated face')}"
    )
    verdict = "no errors" if report.ok else "errors: see above"
    typer.echo(f"{report.dataset} in {report.root}: {size}: {verdict if report.issues else 'nothing suspicious'}")
