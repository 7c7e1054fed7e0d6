"""A specification that cannot be guessed, and the file to fill in that a user gets instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sshbench.errors import InputError
from sshbench.files import write_atomic


class NoGuessError(InputError):
    """The specification of a graph cannot be guessed.

    Attributes:
        skeleton: A TOML file to fill in.
    """

    skeleton: str = ""


def keep_new(path: Path, text: str) -> Path:
    """Write a file that is never another one's: under a name with a number where the name is taken.

    Args:
        path: The wanted name.
        text: The content; a file that has it already is left as it is.

    Returns:
        The file that has the content.
    """
    for number in count(2):
        if not path.exists():
            return write_atomic(path, text)
        if path.is_file() and path.read_bytes() == text.encode():
            return path
        path = path.with_name(f"{path.stem.rpartition('~')[0] or path.stem}~{number}{path.suffix}")
    raise AssertionError("numbers do not end")


@contextmanager
def kept_skeleton(path: Path) -> Iterator[None]:
    """Where a specification cannot be guessed, write one to fill in, and say where.

    Args:
        path: The wanted name of the file.

    Raises:
        NoGuessError: The one of the block.
    """
    try:
        yield
    except NoGuessError as error:
        with suppress(OSError):
            file = keep_new(path, error.skeleton)
            error.args = (f"{error.args[0]}. One to fill in is {file}",)
        raise
