"""The command line: one module per command, registered here.

Command modules import nothing heavy at their top, so that `sshbench --help` and `sshbench eval --predictions` start
fast. Errors end here: a message without a traceback, and the exit code that the error carries.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import sshbench
from sshbench.cli.archive import archive_command
from sshbench.cli.curves import curves_app
from sshbench.cli.data import data_app
from sshbench.cli.demo import demo_command
from sshbench.cli.detect import detect_command
from sshbench.cli.detectors import detectors_app
from sshbench.cli.doctor import doctor_command
from sshbench.cli.eval import eval_command
from sshbench.cli.leaderboard import leaderboard_command
from sshbench.cli.protocols import protocols_app
from sshbench.cli.report import report_command
from sshbench.cli.timing import timing_app
from sshbench.cli.train import train_command
from sshbench.cli.weights import weights_app
from sshbench.errors import SshbenchError

_HELP = """Benchmark and evaluation suite for face detectors.

Official WIDER FACE, FDDB, PASCAL Faces and AFW numbers to the last bit, runs that survive a kill, reports to look at.

Start with: sshbench demo
"""

app = typer.Typer(
    name="sshbench",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("eval")(eval_command)
app.command("report")(report_command)
app.command("leaderboard")(leaderboard_command)
app.command("detect")(detect_command)
app.command("train")(train_command)
app.command("archive")(archive_command)
app.command("demo")(demo_command)
app.command("doctor")(doctor_command)
app.add_typer(data_app, name="data")
app.add_typer(timing_app, name="timing")
app.add_typer(detectors_app, name="detectors")
app.add_typer(weights_app, name="weights")
app.add_typer(protocols_app, name="protocols")
app.add_typer(curves_app, name="curves")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sshbench {sshbench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line; the process's exit code is 0 ok, 1 failed check, 2 wrong use."""
    try:
        app()
    except SshbenchError as error:
        typer.echo(f"sshbench: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("sshbench: interrupted; what was finished is stored, the same command resumes", err=True)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no error of ours. Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
