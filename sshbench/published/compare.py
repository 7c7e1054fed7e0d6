"""Names and figures of published tables, and whether a curve confirms them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sshbench.files import published_dir
from sshbench.published.records import Collection, Disagreement, ImportedCurve
from sshbench.published.tables import read_rows

FDDB_METRIC = "TPR@1000"
"""The figure FDDB's table holds for each curve: the true positive rate at 1000 false positives."""

_TABLES = {("wider", "val"): "wider_val.csv", ("wider", "test"): "wider_test.csv", ("fddb", "all"): "fddb.csv"}
_MOST_DIGITS = 9
"""Sums in another order differ in the last bits: digits after these say nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a published table: `printed` keeps the digits as they stand there, `note` is for readers."""

    method: str
    subset: str
    printed: str
    kind: str
    source: str
    note: str = ""


def published_figures(benchmark: Collection, split: str, folder: Path | None = None) -> list[Figure]:
    """Return the rows of a benchmark's published table, in its order.

    Raises:
        InputError: A row is incomplete or its figure is not a number; the text names the line.
    """
    path = (folder or published_dir()) / _TABLES[benchmark, split]

    def figure(row: Mapping[str, str]) -> Figure:
        subset, printed = (row["subset"], row["ap"]) if benchmark == "wider" else (row["metric"], row["value"])
        Decimal(printed)
        return Figure(
            row["method"], subset.removeprefix(f"{FDDB_METRIC}/"), printed, row["kind"], row["source"], row["note"]
        )

    return read_rows(path, figure, "invalid row of a published table")


def candidates(benchmark: Collection, name: str) -> tuple[str, ...]:
    """Return the methods that a name in a collection may stand for, likeliest first; itself if none is known."""
    return tuple(_names()[benchmark]["folders"].get(name, (name,)))


def agrees(printed: str, value: float, slack: float = 0.0) -> bool:
    """Return whether a printed figure is the value, rounded or cut to the printed digits.

    Args:
        printed: The figure with its digits.
        value: The same quantity, exact.
        slack: How far below `value` the quantity may lie as well.

    >>> agrees("0.925", 0.92571), agrees("0.926", 0.92571), agrees("0.629", 0.62444)
    (True, True, False)
    """
    figure = Decimal(printed)
    exponent = figure.as_tuple().exponent
    digits = min(-exponent if isinstance(exponent, int) else 0, _MOST_DIGITS)
    unit = Decimal(1).scaleb(-digits)
    exact = Decimal(repr(value))
    cut = exact.quantize(unit, rounding=ROUND_DOWN)
    half = unit / 2
    return cut == figure or exact - Decimal(repr(slack)) - half <= figure <= exact + half


def disagreements(
    benchmark: Collection, curves: Iterable[ImportedCurve], folder: Path | None = None
) -> tuple[int, tuple[Disagreement, ...]]:
    """Compare curves with the published tables.

    Returns:
        Number of figures compared, and those that their curve does not confirm, in the tables' order.
    """
    by_key = {curve.key: curve for curve in curves}
    papers: dict[str, str] = _names()[benchmark]["papers"]
    compared, found = 0, []
    for split in sorted({curve.split for curve in by_key.values()}, reverse=True):
        for row in published_figures(benchmark, split, folder):
            curve = by_key.get((papers.get(row.method, row.method), split, row.subset))
            if curve is None:
                continue
            compared += 1
            if not agrees(row.printed, curve.figure, curve.slack if row.kind == "curve" else 0.0):
                found.append(
                    Disagreement(
                        row.method, split, row.subset, row.printed, curve.figure, row.kind, row.source, curve.file
                    )
                )
    return compared, tuple(found)


@cache
def _names() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
