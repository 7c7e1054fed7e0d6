"""`sshbench demo`: from images to a report, on the bundled sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the runs and the report.")] = Path("demo"),
) -> None:
    """Run detectors on the bundled sample, and write a report.

    Those that need no download.

    SSH (ssh-tiny, whose weights travel with the package) and Haar always run; YuNet runs where its weights file is
    found.

    Example:

      sshbench demo --out demo
    """
    from sshbench.benchmark import run
    from sshbench.cli.tables import print_evaluation
    from sshbench.detectors.registry import detector_info
    from sshbench.detectors.weights import locate_weights
    from sshbench.report.build import build_report

    names = ["ssh-tiny", "haar"]
    yunet = detector_info("yunet").weights
    if yunet is not None and locate_weights(yunet) is not None:
        names.append("yunet")
    folders = []
    for name in names:
        print_evaluation(run(name, "sample", out=out / name))
        folders.append(out / name)
    files = build_report(folders, out / "report")
    if "yunet" not in names:
        typer.echo(f"yunet was left out: put {yunet} into a folder and name it in SSHBENCH_WEIGHTS to run it too.")
    typer.echo(f"Report: {files.page.resolve()}")
