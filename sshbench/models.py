"""Base classes of everything that is read from or written to JSON and TOML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sshbench.display import short_repr
from sshbench.errors import InputError
from sshbench.files import write_atomic


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


class StrictModel(BaseModel):
    """A frozen model that refuses unknown fields and shows itself in few words."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    __repr__ = short_repr

    def __str__(self) -> str:
        return repr(self)


class FileModel(StrictModel):
    """The content of a JSON file, with a format number.

    Files without the number are of format 1.

    Attributes:
        format: Format of the file: 1, 2, ... Raised when the meaning of a field changes.
    """

    FORMAT: ClassVar[int] = 1
    """The newest format, which is the one that is written."""

    format: int = 1

    @classmethod
    def read(cls, path: Path, *, remedy: str) -> Self:
        """Read a file.

        Args:
            path: The file.
            remedy: What to do where the content is invalid.

        Raises:
            InputError: It cannot be read, it is of a newer format, or a field is invalid; the text names the field.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"cannot be read ({error})", file=path, remedy=remedy) from error
        return cls.checked(content, path, remedy=remedy)

    @classmethod
    def checked(cls, content: object, path: Path, *, remedy: str) -> Self:
        """Return what a file holds, parsed already.

        Args:
            content: Its content.
            path: The file, for the errors.
            remedy: What to do where the content is invalid.

        Raises:
            InputError: It is of a newer format, or a field is invalid; the text names the field.
        """
        number = content.get("format", 1) if isinstance(content, dict) else 1
        if isinstance(number, int) and number > cls.FORMAT:
            raise InputError(
                f"format {number}, but this version of sshbench reads formats up to {cls.FORMAT}",
                file=path,
                remedy="Update sshbench",
            )
        try:
            return cls.model_validate(content)
        except RecursionError as error:
            raise InputError("nested too deeply", file=path, remedy=remedy) from error
        except ValidationError as error:
            raise invalid_field(error, path, remedy) from error

    def write(self, path: Path) -> Path:
        """Write the file atomically, and return its path."""
        return write_atomic(path, self.model_dump_json(indent=2, by_alias=True) + "\n")


def invalid_field(error: ValidationError, path: Path, remedy: str) -> InputError:
    """Return the error that names the first invalid field of a file."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or None
    return InputError(first["msg"], file=path, field=field, value=first.get("input"), remedy=remedy)
