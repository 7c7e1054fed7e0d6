"""Every error sshbench raises on purpose.

```
SshbenchError                 anything a user can fix; `exit_code` is what the command line returns
├── UsageError         (2)    wrong option, unknown name, options that do not go together
├── InputError         (2)    a file says something it must not: names file, line or field, value and remedy
├── MissingDataError   (2)    a dataset, annotation or weights file is not where it was looked for
├── CheckFailedError   (1)    a check the user asked for did not hold (strict mode, data check, unfinished run)
├── IdentityError      (1)    a run on disk was made with other settings than the ones asked for now
├── DetectorError      (1)    a detector failed, or returned something other than detections
└── DownloadError      (1)    a download is incomplete
```
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class SshbenchError(Exception):
    """Base of all errors that name what is wrong and how to fix it.

    Args:
        message: What is wrong, in one sentence.
        remedy: What the user can do about it, in one sentence; may be empty.

    Attributes:
        details: Traceback of a user's code that failed; empty if there is none.

    >>> print(SshbenchError("the folder is empty", remedy="Pass another one"))
    the folder is empty. Pass another one
    """

    exit_code = 1
    details = ""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}. {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Let errors of all kinds travel between processes whole."""
        return _restored, (type(self), self.args, self.__dict__)


class UsageError(SshbenchError):
    """A wrong option, an unknown name, or options that contradict each other."""

    exit_code = 2


class InputError(SshbenchError):
    """A file holds something invalid.

    Args:
        message: What is wrong.
        file: The file it is wrong in.
        line: 1-based line number, where there is one.
        field: Name of the field or column, where there is one.
        value: The offending value, shown shortened.
        remedy: How to fix it.
        details: Traceback, where the file is code that failed.

    >>> print(InputError("invalid size", file="sizes.txt", line=3, value="a 10", remedy="Write 'name width height'"))
    sizes.txt:3: invalid size: 'a 10'. Write 'name width height'
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | Path,
        line: int | None = None,
        field: str | None = None,
        value: object = None,
        remedy: str = "",
        details: str = "",
    ) -> None:
        where = f"{file}" + (f":{line}" if line is not None else "") + (f", field '{field}'" if field else "")
        shown = "" if value is None else f": {shorten(repr(value))}"
        super().__init__(f"{where}: {message}{shown}", remedy=remedy)
        self.file = str(file)
        self.line = line
        self.field = field
        self.value = value
        self.details = details


class MissingDataError(SshbenchError):
    """A dataset, an annotation or a weights file is not where it was looked for."""

    exit_code = 2


class CheckFailedError(SshbenchError):
    """A check that the user asked for did not hold."""


class IdentityError(SshbenchError):
    """A run on disk was made with other settings than the ones asked for now."""


class DetectorError(SshbenchError):
    """A detector raised an error, took too long, or returned something other than detections.

    Args:
        message: What it did.
        remedy: What the user can do about it.
        details: The traceback of its error, if it raised one.
    """

    def __init__(self, message: str, *, remedy: str = "", details: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.details = details


class DownloadError(SshbenchError):
    """A download is incomplete, or not the expected file."""


def _restored(kind: type[SshbenchError], args: tuple[object, ...], fields: dict[str, object]) -> SshbenchError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


def shorten(text: str, limit: int = 80) -> str:
    """Return `text` cut to `limit` characters, with an ellipsis where it was cut.

    >>> shorten("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def did_you_mean(name: str, known: Iterable[str], *, listed: str = "Known") -> str:
    """Return the remedy for an unknown name: the most similar known one, if any is similar, and the list of all.

    Args:
        name: The unknown name.
        known: The known ones, in the order in which they are listed.
        listed: What the list is called; "" leaves it out, where it would be long.

    >>> did_you_mean("widr", ["fddb", "wider"]), did_you_mean("x", ["a", "b"], listed="Sizes")
    ("Did you mean 'wider'? Known: fddb, wider", 'Sizes: a, b')
    """
    from difflib import get_close_matches  # here, so that it is loaded only where an error is shown

    names = list(known)
    parts = [f"Did you mean '{near}'?" for near in get_close_matches(name, names, n=1)]
    return " ".join([*parts, f"{listed}: {', '.join(names)}"] if listed else parts)
