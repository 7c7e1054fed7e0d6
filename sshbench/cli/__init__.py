"""The command line: one module per command, registered here.

Command modules import nothing heavy at their top, so that `sshbench --help` and `sshbench eval --predictions` start
fast. Errors end here: a message without a traceback, and the exit code that the error carries.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated

import typer

import sshbench
from sshbench.cli.analyze import analyze_command
from sshbench.cli.archive import archive_command
from sshbench.cli.choose import choose_command
from sshbench.cli.claims import claims_command
from sshbench.cli.compare import compare_command
from sshbench.cli.curves import curves_app
from sshbench.cli.data import data_app
from sshbench.cli.demo import demo_command
from sshbench.cli.detect import detect_command
from sshbench.cli.detectors import detectors_app
from sshbench.cli.doctor import doctor_command
from sshbench.cli.eval import eval_command
from sshbench.cli.explain import explain_command
from sshbench.cli.history import history_command
from sshbench.cli.leaderboard import leaderboard_command
from sshbench.cli.merge import merge_command
from sshbench.cli.panels import DATA, EVALUATE, LOOK, MODELS, MORE, App
from sshbench.cli.protocols import protocols_app
from sshbench.cli.quantize import quantize_command
from sshbench.cli.report import ReportCommand, report_command
from sshbench.cli.ssh_paper import paper_command
from sshbench.cli.submit import submit_command
from sshbench.cli.suite import suite_command
from sshbench.cli.table import table_command
from sshbench.cli.timing import timing_app
from sshbench.cli.train import train_command
from sshbench.cli.verify import verify_command
from sshbench.cli.weights import weights_app
from sshbench.errors import SshbenchError

_HELP = """Benchmark and evaluation suite for face detectors.

Official WIDER FACE, FDDB, PASCAL Faces and AFW numbers to the last bit, runs that survive a kill, reports to look at.

Start with: sshbench demo
"""

app = App(
    name="sshbench",
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

app.command("eval", rich_help_panel=EVALUATE)(eval_command)
app.command("analyze", rich_help_panel=EVALUATE)(analyze_command)
app.command("compare", rich_help_panel=EVALUATE)(compare_command)
app.command("merge", rich_help_panel=EVALUATE)(merge_command)
app.command("explain", rich_help_panel=EVALUATE)(explain_command)
app.command("submit", rich_help_panel=EVALUATE)(submit_command)
app.command("suite", rich_help_panel=EVALUATE)(suite_command)
app.command("report", rich_help_panel=LOOK, cls=ReportCommand)(report_command)
app.command("table", rich_help_panel=LOOK)(table_command)
app.command("leaderboard", rich_help_panel=LOOK)(leaderboard_command)
app.command("choose", rich_help_panel=LOOK)(choose_command)
app.command("history", rich_help_panel=LOOK)(history_command)
app.command("claims", rich_help_panel=LOOK)(claims_command)
app.command("paper", rich_help_panel=LOOK)(paper_command)
app.command("detect", rich_help_panel=MODELS)(detect_command)
app.command("quantize", rich_help_panel=MODELS)(quantize_command)
app.command("train", rich_help_panel=MODELS)(train_command)
app.command("demo", rich_help_panel=MORE)(demo_command)
app.command("doctor", rich_help_panel=MORE)(doctor_command)
app.command("archive", rich_help_panel=MORE)(archive_command)
app.command("verify", rich_help_panel=MORE)(verify_command)
app.add_typer(detectors_app, name="detectors", rich_help_panel=MODELS)
app.add_typer(weights_app, name="weights", rich_help_panel=MODELS)
app.add_typer(timing_app, name="timing", rich_help_panel=MODELS)
app.add_typer(data_app, name="data", rich_help_panel=DATA)
app.add_typer(protocols_app, name="protocols", rich_help_panel=DATA)
app.add_typer(curves_app, name="curves", rich_help_panel=DATA)


_INTERRUPTED = 130
_verbose = False


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sshbench {sshbench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the command."""
    global _verbose  # read where the command has ended
    _verbose = verbose


def main() -> None:
    """Run the command line; the process's exit code is 0 ok, 1 failed check, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console that lacks a character shows another one
            stream.reconfigure(errors="replace")
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no error of ours. Python must not complain at exit either.
        _silence_stdout()
        code = 0
    except OSError as error:
        _say(f"the output cannot be written ({error.strerror})")
        _silence_stdout()
        code = 1
    raise SystemExit(code)


def _run() -> int:
    """Run the command and print every error as one line; return the exit code."""
    try:
        returned = app(prog_name="sshbench", standalone_mode=False)
    except SshbenchError as error:
        _explain(error)
        _say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        returned = _INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        return _failed_file(error)
    except MemoryError as error:
        _explain(error)
        _say("there is not enough memory. Finished work is kept; close other programs, or use smaller images")
        return 1
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a user gets one line, whatever it is
        if isinstance(error, SystemExit) and _is_completion():
            return error.code if isinstance(error.code, int) else 0
        if hasattr(error, "show"):  # wrong use of the command line, found by typer
            error.show()
            return int(getattr(error, "exit_code", 2))
        _explain(error)
        _say(
            f"internal error ({type(error).__name__}: {error}). Finished work is kept; please report it with the "
            "output of the same command after `sshbench -v`"
        )
        return 1
    if returned == _INTERRUPTED:
        _say("interrupted. Finished work is kept; the same command resumes")
    return returned if isinstance(returned, int) else 0


def _is_completion() -> bool:
    """Say whether this process only helps a shell to complete words; typer ends it by itself then."""
    return "_SSHBENCH_COMPLETE" in os.environ or sys.argv[1:2] in (["--install-completion"], ["--show-completion"])


def _failed_file(error: OSError) -> int:
    _explain(error)
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        _say(f"{where}the disk is full ({error.strerror}). Finished work is kept; free some space and run it again")
    else:
        _say(f"{where}{error.strerror or error}. Check the path and its permissions")
    return 1


def _explain(error: BaseException) -> None:
    """Print the traceback of an error where the user asked for it."""
    if _verbose:
        details = getattr(error, "details", "")
        sys.stderr.write(details or "".join(traceback.format_exception(error)))


def _say(text: str) -> None:
    with suppress(OSError):
        typer.echo(f"sshbench: {text}", err=True)


def _silence_stdout() -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
