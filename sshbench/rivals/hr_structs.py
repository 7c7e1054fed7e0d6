"""MATLAB structs as scipy reads them, addressed by the names of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError
from sshbench.formats.matlab import load_mat

REMEDY = "Give a network that MatConvNet's DagNN saved for HR, such as hr_res101.mat"


class Struct:
    """One struct of a MATLAB file.

    Args:
        record: The struct, or an array whose first element it is.
        path: The file.
        where: Its place in the file, for messages.
    """

    def __init__(self, record: Any, path: Path, where: str) -> None:
        self._record = record.reshape(-1)[0] if isinstance(record, np.ndarray) and record.size else record
        self._path, self._where = path, where
        if not isinstance(self._record, np.void) or self._record.dtype.names is None:
            raise self.error("is not a struct")

    def error(self, what: str, field: str = "", value: object = None) -> InputError:
        """Return the error that names this struct, or one of its fields."""
        place = f"{self._where}.{field}" if field else self._where
        return InputError(what, file=self._path, field=place, value=value, remedy=REMEDY)

    def has(self, field: str) -> bool:
        """Return whether there is such a field."""
        return field in (self._record.dtype.names or ())

    def raw(self, field: str) -> Any:
        """Return the value of a field.

        Raises:
            InputError: There is no such field.
        """
        if not self.has(field):
            raise self.error("is missing", field)
        return self._record[field]

    def struct(self, field: str) -> Struct:
        """Return the struct in a field."""
        return Struct(self.raw(field), self._path, f"{self._where}.{field}")

    def structs(self, field: str) -> Iterator[Struct]:
        """Return the structs of a struct array, in order."""
        records = np.asarray(self.raw(field)).reshape(-1)
        return (Struct(record, self._path, f"{self._where}.{field}({i})") for i, record in enumerate(records, start=1))

    def text(self, field: str) -> str:
        """Return a text; of none, an empty one."""
        return _text(self.raw(field))

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the texts of a cell array, or the only one of a text."""
        value = np.asarray(self.raw(field))
        if value.dtype == object:
            return tuple(_text(part) for part in value.reshape(-1))
        return (_text(value),) if value.size else ()

    def numbers(self, field: str, count: int | None = None) -> list[float]:
        """Return numbers in MATLAB's order; a single one is repeated `count` times.

        Raises:
            InputError: They are no numbers, or of another count.
        """
        value = np.asarray(self.raw(field))
        self._check_numbers(field, value)
        found = [float(number) for number in value.reshape(-1, order="F")]
        found = found * count if count is not None and len(found) == 1 else found
        if count is not None and len(found) != count:
            raise self.error(f"must be {count} numbers", field, found)
        return found

    def whole(self, field: str, count: int) -> tuple[int, ...]:
        """Return whole numbers, as `numbers`."""
        found = self.numbers(field, count)
        if any(number != int(number) for number in found):
            raise self.error("must be whole numbers", field, found)
        return tuple(int(number) for number in found)

    def array(self, field: str) -> npt.NDArray[np.float32]:
        """Return an array of finite numbers as float32."""
        value = np.asarray(self.raw(field))
        self._check_numbers(field, value)
        return value.astype(np.float32)

    def _check_numbers(self, field: str, value: npt.NDArray[Any]) -> None:
        if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise self.error("must be finite numbers", field, value.dtype)


def network_struct(path: Path) -> Struct:
    """Return the struct of the network in a MATLAB file: the variable `net`, or all variables.

    Raises:
        InputError: The file cannot be read, or holds no such struct.
    """
    try:
        content = load_mat(path.read_bytes(), path)
    except Exception as error:  # scipy raises many kinds
        raise InputError(f"cannot be read as a MATLAB file of version 7 or older ({error})", file=path) from error
    if "net" not in content:
        names = ", ".join(sorted(name for name in content if not name.startswith("__")))
        raise InputError("has no variable 'net'", file=path, value=names, remedy=REMEDY)
    return Struct(content["net"], path, "net")


def _text(value: Any) -> str:
    found = np.asarray(value).reshape(-1)
    return str(found[0]) if found.size else ""
