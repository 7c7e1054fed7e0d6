"""The paper's tables and figures: their published figures and, where they were imported, their curves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from sshbench.curves import Curve, PRCurve, ROCCurve
from sshbench.evaluation.metrics import percent
from sshbench.models import StrictModel
from sshbench.published import cached_curves, cached_rocs
from sshbench.published.compare import published_figures
from sshbench.published.tables import published_rows


class Exhibit(StrictModel):
    """One table or figure of the paper; `exhibits.toml` explains the fields."""

    id: str
    heading: str
    about: str
    protocol: Literal["wider", "fddb", "pascal"]
    split: Literal["val", "test", "all"]
    kind: Literal["paper", "curve"]
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    curves: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """The published figures of one method.

    Attributes:
        method: As its authors call it.
        figures: By metric, fractions.
        source: Where, and what a reader should know.
    """

    method: str
    figures: Mapping[str, float]
    source: str

    def text(self, metric: str) -> str:
        """Return a figure in percent, empty where there is none."""
        return percent(self.figures[metric]) if metric in self.figures else ""


@cache
def exhibits() -> tuple[Exhibit, ...]:
    """Return the exhibits, in the paper's order.

    >>> [one.id for one in exhibits()][:2]
    ['table-1', 'figure-5-val']
    """
    content = tomllib.loads(Path(__file__).with_name("exhibits.toml").read_text(encoding="utf-8"))
    return tuple(Exhibit.model_validate(one) for one in content["exhibit"])


def published_lines(exhibit: Exhibit) -> list[PublishedLine]:
    """Return what is published, in the order of the exhibit's methods.

    Raises:
        InputError: A published table is damaged.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    sources: dict[tuple[str, str], dict[str, None]] = {}
    for method, kind, metric, value, source in _rows(exhibit):
        found.setdefault((method, kind), {})[metric] = value
        sources.setdefault((method, kind), {})[source] = None
    lines = []
    for method in exhibit.methods:
        kinds = ("paper",) if exhibit.kind == "paper" else ("curve", "paper")
        key = next(((method, kind) for kind in kinds if (method, kind) in found), None)
        if key is not None:
            lines.append(PublishedLine(method, found[key], "; ".join(sources[key])))
    return lines


def imported_lines(exhibit: Exhibit) -> dict[str, Mapping[str, Curve]]:
    """Return the imported curves of the exhibit's methods, by method and curve; none where none was imported.

    Raises:
        InputError: The cache of imported curves is damaged.
    """
    known: Mapping[str, Mapping[str, PRCurve | ROCCurve]] = {}
    if exhibit.curves and exhibit.protocol == "wider":
        known = cached_curves("wider", exhibit.split)
    elif exhibit.curves and exhibit.protocol == "fddb":
        known = cached_rocs()
    return {method: known[method] for method in exhibit.methods if method in known}


def _rows(exhibit: Exhibit) -> list[tuple[str, str, str, float, str]]:
    """Return method, kind, metric, value and source of each published figure."""
    rows = published_rows("pascal") if exhibit.protocol == "pascal" else []
    found = [(row.method, row.kind, row.metric, row.value, _noted(row.source, row.note)) for row in rows]
    if exhibit.protocol != "pascal":
        prefix = "AP" if exhibit.protocol == "wider" else "TPR@1000"
        for row in published_figures(exhibit.protocol, exhibit.split):
            figure = (f"{prefix}/{row.subset}", float(row.printed), _noted(row.source, row.note))
            found.append((row.method, row.kind, *figure))
    return found


def _noted(source: str, note: str) -> str:
    return f"{source} ({note})" if note else source
