"""The result of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sshbench.records import Finding, FloatArray

Collection = Literal["wider", "fddb"]
"""Benchmarks whose authors publish curves that can be imported."""


@dataclass(frozen=True, slots=True, eq=False)
class ImportedCurve:
    """One published curve as it was read.

    Attributes:
        method: Name of the method in `results/published/`, else its name in the files.
        split: `val` or `test`; `all` for FDDB.
        subset: `easy`, `medium` or `hard`; `discrete` or `continuous` for FDDB.
        columns: float64 (t, 2): precision and recall; for FDDB false positives and true positive rate.
        figure: AP of the curve; for FDDB its true positive rate at 1000 false positives. A fraction.
        file: The file it was read from, relative to the folder that was imported.
        slack: How far below `figure` a thinned copy of the same curve may lie; 0.0 where figures are exact.
    """

    method: str
    split: str
    subset: str
    columns: FloatArray
    figure: float
    file: str
    slack: float = 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it among the curves of a benchmark."""
        return self.method, self.split, self.subset

    def same_points(self, other: ImportedCurve) -> bool:
        """Return whether the other has the same points, to the last bit."""
        return np.array_equal(self.columns, other.columns, equal_nan=True)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A published figure that its own curve does not confirm.

    Attributes:
        method: As the published table calls it.
        split: `val` or `test`; `all` for FDDB.
        subset: As in `ImportedCurve`.
        printed: The figure as it stands in the table, digits and all.
        by_curve: The figure computed from the imported curve.
        kind: `paper` or `curve`, as in the table.
        source: Where the figure is published.
        file: The curve's file.
    """

    method: str
    split: str
    subset: str
    printed: str
    by_curve: float
    kind: str
    source: str
    file: str

    def __str__(self) -> str:
        return f"{self.method} {self.subset} ({self.split}): {self.printed} printed, {self.by_curve:.5f} by the curve"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The curves of an import, and how they compare with the published tables.

    Attributes:
        benchmark: `wider` or `fddb`.
        curves: Every curve imported.
        compared: Number of published figures that were compared with a curve.
        disagreements: Those that the curve does not confirm.
        findings: What else a user should know, for example a misnamed variable.
    """

    benchmark: Collection
    curves: tuple[ImportedCurve, ...]
    compared: int
    disagreements: tuple[Disagreement, ...]
    findings: tuple[Finding, ...] = field(default=())
