"""The page of a report: one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import sshbench
from sshbench.analysis.compare import pairs, ranks
from sshbench.analysis.intervals import Intervals, note
from sshbench.analysis.record import AnalysisRecord, Rank
from sshbench.contamination import DOMAIN_MARKS, DOMAIN_NOTE
from sshbench.evaluation.benchmarks import compared_metric, headline_of, shown_rule
from sshbench.evaluation.metrics import percent, pivot, title_of
from sshbench.evaluation.record import EvaluationRecord
from sshbench.evaluation.result import Evaluation
from sshbench.protocols import Protocol
from sshbench.published.tables import published_methods
from sshbench.report.analysis_parts import analysis_parts
from sshbench.report.figure_view import FigureView
from sshbench.report.gallery import Picture
from sshbench.report.text import printable, thousands
from sshbench.runs import Identity


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """One run as the page shows it.

    Attributes:
        label: Its name in this report.
        folder: Where it lies.
        identity: Who made it.
        evaluation: Computed again from its detections.
        intervals: How sure its figures are.
        analysis: Where and why it fails; None where the evaluator does not say what it adds up per image.
        stages: Median milliseconds per image by stage; empty for imported predictions.
        threshold: Raw score of the operating point.
        subset: The subset for which that was chosen, and whose outcomes are drawn.
        pictures: The grid.
        no_pictures: Why the grid is empty, where it is.
    """

    label: str
    folder: Path
    identity: Identity
    evaluation: Evaluation
    intervals: Intervals
    analysis: AnalysisRecord | None
    stages: dict[str, float]
    threshold: float
    subset: str
    pictures: list[Picture]
    no_pictures: str


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A run's figures by row and column: names of metrics, None where there is none."""

    heading: str
    columns: list[str]
    rows: list[tuple[str, list[str | None]]]


def environment() -> Environment:
    """Where the templates are rendered: everything escaped, nothing undefined, no control characters."""
    return Environment(
        loader=PackageLoader("sshbench", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def sorted_with_ranks(reports: Sequence[RunReport]) -> tuple[list[RunReport], dict[str, Rank]]:
    """Sort runs by the figure that detectors are ranked by, and return the places that each may have, by label.

    There are no ranks for one run, or for runs of different images (unfinished ones).
    """
    first = reports[0].evaluation
    metric = compared_metric(list(first.record.metrics), first.protocol)
    ordered = sorted(reports, key=lambda report: -(report.evaluation.record.metrics[metric] or 0))
    alike = len({report.evaluation.record.dataset_fingerprint for report in reports}) == 1
    if len(reports) < 2 or not alike or metric not in reports[0].intervals:
        return ordered, {}
    sure = {report.label: report.intervals for report in ordered}
    return ordered, {rank.run: rank for rank in ranks(pairs(sure, metric), list(sure))}


def render_page(
    reports: Sequence[RunReport],
    figures: Sequence[FigureView],
    data: Mapping[str, object],
    places: Mapping[str, Rank] | None = None,
    *,
    has_failures: bool = False,
) -> str:
    """Fill the template.

    Args:
        reports: The runs, at least one, all of one protocol and one set of images, in the order of the page.
        figures: The curves.
        data: What the script needs of them.
        places: By label, the places that a run may have.
        has_failures: Whether the page of failures lies beside this one.
    """
    record = reports[0].evaluation.record
    protocol = reports[0].evaluation.protocol
    comparable = not record.smoke_test and record.images == record.total_images
    analysed = {report.label: report.analysis for report in reports if report.analysis is not None}
    text: str = (
        environment()
        .get_template("page.html.j2")
        .render(
            reports=reports,
            record=record,
            protocol=protocol,
            metrics=headline_of(list(record.metrics), protocol),
            ranked_by=title_of(compared_metric(list(record.metrics), protocol)),
            places=places or {},
            has_failures=has_failures,
            interval_note=_interval_note(reports[0].intervals),
            by_event=any(one.se_group is not None for one in reports[0].intervals.values()),
            title_of=title_of,
            others=_others(record, protocol),
            shown_rule=shown_rule(protocol),
            subsets=list(record.counted),
            figures=figures,
            data=data,
            parts=analysis_parts(analysed) if analysed else None,
            overlaid=list(dict.fromkeys(line.label for one in figures for line in one.curves.others)),
            published=published_methods(record.protocol) if comparable else [],
            unfinished=[report.label for report in reports if not report.evaluation.record.complete],
            version=sshbench.__version__,
            percent=percent,
            thousands=thousands,
            details=_details,
            domain_marks=DOMAIN_MARKS,
            domain_note=DOMAIN_NOTE,
        )
    )
    return text


def _interval_note(intervals: Intervals) -> str:
    if all(one.low is None for one in intervals.values()):
        return ""
    return note(intervals.resampling.images, intervals.resampling.level)


def _others(record: EvaluationRecord, protocol: Protocol) -> list[FigureTable]:
    """Return tables of the figures that the first one leaves out: one of all figures, one of the folds."""
    whole = [name for name in record.metrics if not name.startswith("fold")]
    folds = [name for name in record.metrics if name.startswith("fold")]
    tables = []
    if len(whole) > len(headline_of(whole, protocol)):
        tables.append(_figure_table("All figures", whole))
    if folds:
        tables.append(_figure_table("Folds, at 100 false positives in each", folds))
    return tables


def _figure_table(heading: str, names: list[str]) -> FigureTable:
    rows, columns, cells = pivot(names)
    listed = [(row or "all", [cells.get((row, column)) for column in columns]) for row in rows]
    return FigureTable(heading, [column or "all" for column in columns], listed)


def _details(report: RunReport) -> list[tuple[str, str]]:
    identity, protocol = report.identity, report.evaluation.protocol
    return [
        ("detector", identity.detector),
        *([("model", identity.spelling)] if identity.spelling else []),
        *((f"sha256 of {file}", digest) for file, digest in identity.code.items()),
        ("settings", _line(identity.settings)),
        ("weights sha256", identity.weights_sha256 or "none"),
        ("trained on", _trained_on(identity.trained_on)),
        ("dataset", f"{identity.dataset} {identity.split}, fingerprint {identity.dataset_fingerprint}"),
        ("protocol", f"{identity.protocol} version {protocol.version}, hash {identity.protocol_hash}"),
        ("evaluation", _line(protocol.evaluation.model_dump())),
        ("made", identity.created),
        ("versions", _line(identity.versions)),
        ("machine", _line(identity.machine)),
        ("run", str(report.folder)),
    ]


def _trained_on(benchmarks: tuple[str, ...] | None) -> str:
    return "not known" if benchmarks is None else ", ".join(benchmarks) or "none of the benchmarks"


def _line(content: dict[str, Any]) -> str:
    parts = []
    for name, value in content.items():
        if value not in (None, {}, ""):
            parts.append(f"{name} {json.dumps(value) if isinstance(value, dict) else value}")
    return ", ".join(parts)
