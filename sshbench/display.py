"""Short representations: what an object is and how much it holds, never all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from sshbench.errors import shorten

_MAX_VALUE, _MAX_ALL, _MAX_KEYS = 80, 1000, 6


def short_repr(self: object) -> str:
    """Return the type and the fields of an object, arrays by type and shape, collections by size; for `__repr__`.

    Args:
        self: A dataclass or a pydantic model.

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(repr=False)
    ... class Points:
    ...     name: str
    ...     values: np.ndarray
    ...     __repr__ = short_repr
    >>> Points("a", np.zeros((1000, 2)))
    Points(name='a', values=float64 (1000, 2))
    """
    shown = [f"{name}={short_value(getattr(self, name))}" for name in _names(self)]
    text = f"{type(self).__name__}({', '.join(shown)})"
    return shorten(text, _MAX_ALL)


def short_value(value: object) -> str:
    """Return a value in at most about 80 characters."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, Mapping):
        return f"{{{_listed(map(str, value), len(value))}}}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        short = len(value) <= _MAX_KEYS and all(isinstance(one, str | int | float | None) for one in value)
        return shorten(repr(value), _MAX_VALUE) if short else f"<{len(value)} items>"
    return shorten(repr(value), _MAX_VALUE)


def _names(self: object) -> Iterable[str]:
    if dataclasses.is_dataclass(self):
        return (one.name for one in dataclasses.fields(self) if one.repr and not one.name.startswith("_"))
    fields: Mapping[str, object] = getattr(type(self), "model_fields")  # noqa: B009 - only pydantic models have it
    return fields


def _listed(names: Iterable[str], count: int) -> str:
    first = [name for name, _ in zip(names, range(_MAX_KEYS), strict=False)]
    return shorten(", ".join(first), _MAX_VALUE) + (f", ... {count} in all" if count > len(first) else "")
