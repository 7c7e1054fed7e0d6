"""Protection from detectors: whatever a detector's code raises, prints or does ends as one clear error.

`contained` catches exceptions and output, `time_limit` ends an image that takes too long, and `CrashLog` tells the next
process what ended the last one.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sshbench.errors import DetectorError, SshbenchError, shorten

_PACKAGE = Path(__file__).parents[1]
_STANDARD = Path(sysconfig.get_path("stdlib"))
_GRACE = 10.0  # seconds between the error and the end of the process, for code that does not return to Python


@contextmanager
def contained(detector: str, doing: str) -> Iterator[None]:
    """Turn every exception of a detector's code into a DetectorError, `sys.exit` and `os._exit` included.

    What it prints goes to standard error.

    Args:
        detector: Name of the detector.
        doing: What it does, for the message: `the detection`, `loading`.

    Raises:
        SshbenchError: The code raised it.
        DetectorError: The code raised something else; `details` has the traceback.

    >>> with contained("mine", "loading"):
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    sshbench.errors.DetectorError: detector 'mine' failed during loading (SystemExit: 0)
    """
    process, leave = os.getpid(), os._exit

    def caught_exit(status: int) -> NoReturn:
        if os.getpid() == process:
            raise SystemExit(status)
        leave(status)  # a child process of the detector's

    try:
        with redirect_stdout(sys.stderr):
            os._exit = caught_exit
            try:
                yield
            finally:
                os._exit = leave
    except SshbenchError:
        raise
    except (Exception, SystemExit) as error:
        said = shorten(" ".join(str(error).split()), 300)
        text = f"{type(error).__name__}: {said}" if said else type(error).__name__
        frame = frame_of(error)
        text += f", in {Path(frame.filename).name}:{frame.lineno}" if frame else ""
        details = "".join(traceback.format_exception(error))
        raise DetectorError(f"detector '{detector}' failed during {doing} ({text})", details=details) from error


def frame_of(error: BaseException | None) -> traceback.FrameSummary | None:
    """Return the innermost frame of an error that is neither of this package nor of Python nor installed.

    >>> frame_of(ValueError())
    """
    if error is None:
        return None
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        theirs = path.is_relative_to(_STANDARD) or path.is_relative_to(_PACKAGE) or "site-packages" in path.parts
        if not theirs and path.is_file():
            return frame
    return None


@contextmanager
def time_limit(detector: str, seconds: float | None) -> Iterator[None]:
    """End a block that takes too long with an error; on Windows and in other threads than the main one, do nothing.

    Args:
        detector: Name of the detector.
        seconds: The limit; None for no limit.

    Raises:
        DetectorError: The block took longer.
    """
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        raise DetectorError(
            f"detector '{detector}' took longer than {seconds:g} seconds",
            remedy="Allow more time with --image-timeout",
            details="".join(traceback.format_stack(frame)),
        )

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class CrashLog:
    """A file into which Python writes the stack when the process crashes or hangs in native code.

    A process that another one kills leaves the file empty; that is how the next process tells the two apart.

    Args:
        path: The file; it is emptied when the context is entered and removed when it is left.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> str:
        """Return the stack that the last process left behind; empty if it did not crash."""
        try:
            return self._path.read_text(errors="replace")[:20_000]
        except OSError:
            return ""

    def clear(self) -> None:
        """Remove what the last process left behind, once it is stored elsewhere."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def watch(self) -> Iterator[CrashLog]:
        """Write the stack of a crash to the file while the block runs."""
        before = faulthandler.is_enabled()
        try:
            with self._path.open("w") as self._file:
                faulthandler.enable(self._file)
                try:
                    yield self
                finally:
                    faulthandler.cancel_dump_traceback_later()
                    if before and sys.__stderr__ is not None:
                        faulthandler.enable(sys.__stderr__)
                    else:
                        faulthandler.disable()
        finally:
            self._path.unlink(missing_ok=True)

    def limit(self, seconds: float | None) -> None:
        """End the process with its stack in the file if it does not call this again in time; None: no limit."""
        faulthandler.cancel_dump_traceback_later()
        if seconds:
            faulthandler.dump_traceback_later(seconds + _GRACE, file=self._file, exit=True)
