"""Published results, as shipped in `results/published/`: every row with its source."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sshbench.errors import InputError
from sshbench.evaluation.benchmarks import own_benchmark
from sshbench.files import published_dir

_Row = TypeVar("_Row")
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published figure.

    Attributes:
        method: As its authors call it.
        metric: As in our own results, for example `AP/easy`.
        value: A fraction.
        kind: `paper` (a printed number) or `curve` (computed from a published curve).
        source: Where it is published.
        note: What a reader should know; may be empty.
    """

    method: str
    metric: str
    value: float
    kind: str
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class PublishedMethod:
    """One method's figures by metric, from one source."""

    method: str
    metrics: dict[str, float]
    source: str
    note: str


def published_rows(protocol: str, folder: Path | None = None) -> list[PublishedRow]:
    """Return all published figures for a protocol, in the file's order; none where there is no file.

    Raises:
        InputError: A row cannot be read; the text names the line.
    """
    benchmark = own_benchmark(protocol)
    if benchmark is None or not benchmark.published:
        return []
    path = (folder or published_dir()) / benchmark.published
    return read_rows(path, _published_row, "invalid row, expected 'method,metric,value,kind,source,note'")


def _published_row(row: Mapping[str, str]) -> PublishedRow:
    text = {name: str(row[name]) for name in ("method", "kind", "source", "note")}
    # WIDER's tables have a column for the subset and one for its AP.
    metric = f"AP/{row['subset']}" if "subset" in row else row["metric"]
    return PublishedRow(metric=metric, value=float(row["ap"] if "subset" in row else row["value"]), **text)


def read_rows(path: Path, parse: Callable[[Mapping[str, str]], _Row], invalid: str) -> list[_Row]:
    """Read a published table (CSV with a header), row by row.

    Args:
        path: The table.
        parse: Makes something of a row, by column; it may raise what a missing column or a wrong number raises.
        invalid: What the error says of a row that cannot be parsed.

    Raises:
        InputError: A row cannot be parsed; the text names the line.
    """
    rows: list[_Row] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                rows.append(parse(row))
            except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
                raise InputError(
                    invalid, file=path, line=reader.line_num, value=dict(row), remedy="Fix the row"
                ) from error
    return rows


def published_methods(protocol: str) -> list[PublishedMethod]:
    """Return the methods shown beside a result: all of printed tables, then the best published curves, eight in all."""
    methods: dict[str, dict[str, PublishedMethod]] = {"paper": {}, "curve": {}}
    for row in published_rows(protocol):
        known = methods[row.kind]
        entry = known.setdefault(row.method, PublishedMethod(row.method, {}, row.source, ""))
        entry.metrics[row.metric] = row.value
        if row.note:
            note = row.note if entry.note in ("", row.note) else f"{entry.note}; {row.metric}: {row.note}"
            known[row.method] = PublishedMethod(row.method, entry.metrics, entry.source, note)
    printed = list(methods["paper"].values())
    curves = [method for method in methods["curve"].values() if method.method not in methods["paper"]]
    curves.sort(key=lambda method: -max(method.metrics.values()))
    return printed + curves[: max(0, _SHOWN - len(printed))]


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """A figure that was published for a detector of this package.

    Attributes:
        dataset: On which.
        metric: As in our own results.
        value: A fraction.
        conditions: The protocol it was published under: split, input size, thresholds.
        source: Where.
    """

    dataset: str
    metric: str
    value: float
    conditions: str
    source: str


def published_of_detector(name: str, folder: Path | None = None) -> list[PublishedFigure]:
    """Return what is published for a detector, by its name in sshbench.

    Raises:
        InputError: The table cannot be read.
    """
    path = (folder or published_dir()) / "detectors.csv"
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        found = []
        for row in reader:
            if row["detector"] == name:
                try:
                    value = float(row["value"])
                except ValueError as error:
                    raise InputError(
                        "not a number", file=path, line=reader.line_num, value=row["value"], remedy="Fix the row"
                    ) from error
                found.append(PublishedFigure(row["dataset"], row["metric"], value, row["conditions"], row["source"]))
    return found
