"""Published results, as shipped in `results/published/`: every row with its source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from sshbench.errors import InputError
from sshbench.resources import published_dir

_FILES = {"wider": "wider_val.csv"}


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published figure.

    Attributes:
        method: As its authors call it.
        subset: For example `easy`.
        ap: A fraction.
        kind: `paper` (a printed number) or `curve` (computed from a published curve).
        source: Where it is published.
        note: What a reader should know; may be empty.
    """

    method: str
    subset: str
    ap: float
    kind: str
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class PublishedMethod:
    """One method's figures by subset, from one source."""

    method: str
    aps: dict[str, float]
    source: str
    note: str


def published_rows(protocol: str, folder: Path | None = None) -> list[PublishedRow]:
    """All published figures for a protocol, in the file's order; none where there is no file.

    Raises:
        InputError: A row cannot be read; the text names the line.
    """
    name = _FILES.get(protocol)
    if name is None:
        return []
    path = (folder or published_dir()) / name
    rows: list[PublishedRow] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                text = {name: str(row[name]) for name in ("method", "subset", "kind", "source", "note")}
                rows.append(PublishedRow(ap=float(row["ap"]), **text))
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    "is no row 'method,subset,ap,kind,source,note'",
                    file=path,
                    line=reader.line_num,
                    value=dict(row),
                    remedy="Mend the row",
                ) from error
    return rows


def paper_methods(protocol: str) -> list[PublishedMethod]:
    """The methods of printed tables, with their figures by subset."""
    methods: dict[str, PublishedMethod] = {}
    for row in published_rows(protocol):
        if row.kind == "paper":
            entry = methods.setdefault(row.method, PublishedMethod(row.method, {}, row.source, ""))
            entry.aps[row.subset] = row.ap
            if row.note:
                methods[row.method] = PublishedMethod(row.method, entry.aps, row.source, f"{row.subset}: {row.note}")
    return list(methods.values())
