"""The local cache of imported curves: one npz without pickles and one JSON index for each benchmark.

The index names the npz, whose name holds its content's hash: writing the new npz first and the index last means that a
reader sees the old curves or the new ones, never a mixture, whenever an import is killed.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from sshbench.curves import Curve, PRCurve, ROCCurve
from sshbench.errors import InputError
from sshbench.evaluation.benchmarks import own_benchmark
from sshbench.files import cache_dir, npz_bytes, write_atomic
from sshbench.models import FileModel, StrictModel
from sshbench.published.records import Collection, ImportedCurve

_REMEDY = "Delete this file and import the curves again"


class StoredCurve(StrictModel):
    """One curve of the index; its points are an array of the npz. The other fields are those of `ImportedCurve`."""

    array: str
    method: str
    split: str
    subset: str
    figure: float
    file: str
    slack: float = 0.0


class CurveIndex(FileModel):
    """The index of imported curves of one benchmark.

    Attributes:
        arrays: Name of the npz.
        curves: In the order of import.
    """

    arrays: str
    curves: tuple[StoredCurve, ...]


def store(benchmark: Collection, curves: Iterable[ImportedCurve]) -> None:
    """Add curves to the cache; a curve of the same method, split and subset is replaced."""
    from filelock import FileLock

    folder = cache_dir("curves")
    with FileLock(folder / f"{benchmark}.lock"):
        kept = {curve.key: curve for curve in stored(benchmark)} | {curve.key: curve for curve in curves}
        content = npz_bytes({f"c{i}": curve.columns for i, curve in enumerate(kept.values())}, compressed=True)
        name = f"{benchmark}-{hashlib.sha256(content).hexdigest()[:16]}.npz"
        rows = tuple(
            StoredCurve(array=f"c{i}", **{n: getattr(c, n) for n in StoredCurve.model_fields if n != "array"})
            for i, c in enumerate(kept.values())
        )
        write_atomic(folder / name, content)
        CurveIndex(arrays=name, curves=rows).write(_index(benchmark))
        for old in folder.glob(f"{benchmark}-*.npz"):
            if old.name != name:
                # A reader on Windows may still hold it open; the next import clears it away.
                with suppress(OSError):
                    old.unlink()


def stored(benchmark: Collection) -> list[ImportedCurve]:
    """Return every curve in the cache, in the order of import; none where nothing was imported.

    Raises:
        InputError: The cache is damaged.
    """
    path = _index(benchmark)
    if not path.is_file():
        return []
    for attempt in (1, 2):
        try:
            return _read(path)
        except FileNotFoundError as error:
            # An import replaced the curves between reading the index and the npz: the new index names the new npz.
            if attempt == 2:
                raise _damaged(path) from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
            raise _damaged(path) from error
    return []


def cached(protocol: str) -> Mapping[str, Mapping[str, Curve]]:
    """Return the imported curves that lie beside results by a protocol, by method and curve; none for most protocols.

    Args:
        protocol: Name of the protocol; only a benchmark's own protocol compares with published curves.

    Raises:
        InputError: The cache is damaged.
    """
    benchmark = own_benchmark(protocol)
    if benchmark is None or benchmark.curves is None:
        return {}
    return cached_curves(protocol) if benchmark.curves == "pr" else cached_rocs()


def cached_curves(benchmark: str = "wider", split: str = "val") -> Mapping[str, Mapping[str, PRCurve]]:
    """Return imported precision-recall curves, for a report to overlay.

    Args:
        benchmark: `wider`; other benchmarks have no such curves, and nothing is returned.
        split: `val` or `test`.

    Returns:
        By method and subset. `thresholds` are NaN: no published curve says at what scores its points lie.

    Raises:
        InputError: The cache is damaged.
    """
    found: dict[str, dict[str, PRCurve]] = {}
    for curve in stored("wider") if benchmark == "wider" else ():
        if curve.split == split:
            precision, recall = curve.columns.T
            found.setdefault(curve.method, {})[curve.subset] = PRCurve(
                precision, recall, np.full(len(recall), np.nan), curve.figure
            )
    return found


def cached_rocs() -> Mapping[str, Mapping[str, ROCCurve]]:
    """Return imported FDDB curves, by method and `discrete` or `continuous`; `thresholds` are NaN.

    Raises:
        InputError: The cache is damaged.
    """
    found: dict[str, dict[str, ROCCurve]] = {}
    for curve in stored("fddb"):
        false_positives, rate = curve.columns.T
        found.setdefault(curve.method, {})[curve.subset] = ROCCurve(false_positives, rate, np.full(len(rate), np.nan))
    return found


def _index(benchmark: Collection) -> Path:
    return cache_dir("curves") / f"{benchmark}.json"


def _read(path: Path) -> list[ImportedCurve]:
    index = CurveIndex.read(path, remedy=_REMEDY)
    curves = []
    with np.load(path.parent / Path(index.arrays).name, allow_pickle=False) as arrays:
        for row in index.curves:
            columns = np.asarray(arrays[row.array], dtype=np.float64)
            if columns.ndim != 2 or columns.shape[1] != 2:
                raise ValueError("a curve has not two columns")
            curves.append(ImportedCurve(columns=columns, **row.model_dump(exclude={"array"})))
    return curves


def _damaged(path: Path) -> InputError:
    return InputError("the cache of imported curves cannot be read", file=path, remedy=_REMEDY)
