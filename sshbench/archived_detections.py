"""The detections of an archived run: one compact file, exact to the bit, that can be committed.

```
detections.npz   numpy arrays without pickles, compressed
  format         1
  keys           image keys, UTF-8, one per line
  counts         int64, detections of each image
  boxes, scores  float64 (ellipses too where there are some), and positions int64, each as planes of equal bytes:
                 uint8 (8, values), the lowest byte of every value first, because such planes are compressed better
```
"""

from __future__ import annotations

import sqlite3
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError, SshbenchError
from sshbench.files import write_arrays
from sshbench.records import DetectionSet, offsets_of
from sshbench.run_database import COLUMNS, in_memory

DETECTIONS = "detections.npz"
_FORMAT = 1
_COLUMNS = {"boxes": 4, "scores": 0, "ellipses": 5}
_REMEDY = "Copy the archive again from where it was made"


def write_detections(path: Path, detections: DetectionSet) -> Path:
    """Write detections to a file, atomically, and return its path; equal detections give equal bytes.

    Raises:
        SshbenchError: An image key has a line break.
    """
    if broken := [key for key in detections.keys if "\n" in key]:
        raise SshbenchError(f"the image key {broken[0]!r} has a line break", remedy="Rename the image")
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(_FORMAT),
        "keys": np.frombuffer("\n".join(detections.keys).encode(), dtype=np.uint8),
        "counts": np.diff(detections.offsets),
    }
    for name in (*_COLUMNS, "positions"):
        values = getattr(detections, name)
        if values is not None:
            arrays[name] = _planes(values)
    return write_arrays(path, arrays, compressed=True)


def read_detections(path: Path) -> DetectionSet:
    """Read detections that `write_detections` wrote.

    Raises:
        InputError: The file is damaged, or of a newer format.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            number = int(arrays["format"])
            if number > _FORMAT:
                text = f"format {number}, but this version of sshbench reads formats up to {_FORMAT}"
                raise InputError(text, file=path, remedy="Update sshbench")
            text = arrays["keys"].tobytes().decode()
            values = {name: _values(arrays[name], "<f8") for name in _COLUMNS if name in arrays}
            positions = _values(arrays["positions"], "<i8") if "positions" in arrays else None
            counts = np.asarray(arrays["counts"], dtype=np.int64)
        tables = {
            name: found.reshape(-1, _COLUMNS[name]) if _COLUMNS[name] else found for name, found in values.items()
        }
        keys = tuple(text.split("\n")) if len(counts) else ()
        return DetectionSet(keys=keys, offsets=offsets_of(counts.tolist()), positions=positions, **tables)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, SshbenchError) as error:
        raise InputError(f"the detections cannot be read ({error})", file=path, remedy=_REMEDY) from error


def open_detections(path: Path) -> sqlite3.Connection:
    """Return a run's database in memory, with the detections of a file.

    Raises:
        InputError: The file is damaged, or of a newer format.
    """
    detections = read_detections(path)
    rows = []
    for key, one in zip(detections.keys, detections, strict=True):
        optional = (None if values is None else values.tobytes() for values in (one.ellipses, one.positions))
        rows.append((key, one.boxes.tobytes(), one.scores.tobytes(), *optional, "{}"))
    connection = in_memory()
    filled = (*COLUMNS[:5], "stages")
    with connection:
        connection.executemany(f"INSERT INTO images ({', '.join(filled)}) VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _planes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    kind = "<i8" if values.dtype.kind == "i" else "<f8"
    flat = np.ascontiguousarray(values, dtype=kind).reshape(-1)
    return np.ascontiguousarray(flat.view(np.uint8).reshape(-1, 8).T)


def _values(planes: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    if planes.dtype != np.uint8 or planes.ndim != 2 or len(planes) != 8:
        raise ValueError("no planes of bytes")
    return np.ascontiguousarray(planes.T).reshape(-1).view(kind)
