"""Where and why runs fail: the sections of the page that come from analysis records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.analysis.intervals import Intervals
from sshbench.analysis.record import ANALYSIS, AnalysisRecord, CalibrationBin, Spread
from sshbench.answers.analyze import analyze
from sshbench.errors import InputError
from sshbench.evaluation.result import Evaluation
from sshbench.report.curve_view import style_of
from sshbench.report.page_tables import (
    Part,
    axes_of_records,
    calibration_table,
    errors_table,
    operating_table,
    reasons_table,
    rule_of,
    slices_table,
)
from sshbench.report.svg import Mark, dot_chart, scatter

_LONG = 15  # rows of a table that is folded away
_DRAWN_RUNS = 6  # more of them cannot be told apart in a row of dots
_BEST = "best-f1"


@dataclass(frozen=True, slots=True)
class AnalysisParts:
    """The sections.

    Attributes:
        subset: The curve that they are of.
        point: The operating point in words.
        slices: One part per axis.
        errors: Costs, and why faces are missed.
        calibration: Scores as probabilities.
        operating: What thresholds give.
        findings: By label, what the reader should know.
    """

    subset: str
    point: str
    slices: tuple[Part, ...]
    errors: tuple[Part, ...]
    calibration: tuple[Part, ...]
    operating: tuple[Part, ...]
    findings: dict[str, tuple[str, ...]]


def stored_analysis(evaluation: Evaluation) -> AnalysisRecord | None:
    """Return the `analysis.json` in a run's folder, or in `analysis` within it, if it is of these detections.

    It must be of the curve and the operating point that the page shows (the last subset, best F1). An older one, or one
    that cannot be read, is passed over.
    """
    if evaluation.folder is None:
        return None
    for path in (evaluation.folder / ANALYSIS, evaluation.folder / "analysis" / ANALYSIS):
        if path.is_file() and (record := _read(path)) is not None and _fits(record, evaluation):
            return record
    return None


def _read(path: Path) -> AnalysisRecord | None:
    try:
        return AnalysisRecord.read(path, remedy="Run `sshbench analyze` again")
    except InputError:
        return None


def _fits(record: AnalysisRecord, evaluation: Evaluation) -> bool:
    own = evaluation.record
    return (
        record.detections_digest == evaluation.detections.digest
        and (record.protocol_hash, record.dataset_fingerprint) == (own.protocol_hash, own.dataset_fingerprint)
        and (record.images, record.complete) == (own.images, own.complete)
        and record.subset == evaluation.outcome.pictured
        and bool(record.operating)
        and record.operating[0].rule == _BEST
    )


def analysis_of(evaluation: Evaluation) -> tuple[AnalysisRecord | None, Intervals]:
    """Return the analysis of a run, stored or made now, and its intervals.

    There is no analysis where the evaluator does not say what it adds up per image.
    """
    if (record := stored_analysis(evaluation)) is not None:
        return record, evaluation.intervals(jackknife=False)
    if not evaluation.outcome.measures:
        return None, evaluation.intervals(jackknife=False)
    made = analyze(evaluation)
    return made.record, made.intervals


def analysis_parts(records: dict[str, AnalysisRecord]) -> AnalysisParts:
    """Arrange the analyses of runs, by label in the order of the page."""
    first = next(iter(records.values()))
    point = rule_of(first.operating[0]) if first.operating else ""
    return AnalysisParts(
        subset=first.subset,
        point=point,
        slices=tuple(_slices(axis, records) for axis in axes_of_records(list(records.values()))),
        errors=_errors(records),
        calibration=_calibration(records),
        operating=_operating(records),
        findings={
            label: tuple(one.message for one in record.findings) for label, record in records.items() if record.findings
        },
    )


def _slices(axis: str, records: dict[str, AnalysisRecord]) -> Part:
    table = slices_table(axis, records)
    names = [row[0].text for row in table.rows]
    is_long = len(names) > _LONG
    rows = []
    for name in names:
        found = [
            (run, next((one for one in record.slices if (one.axis, one.part) == (axis, name)), None))
            for run, record in enumerate(records.values())
        ]
        marks = [_dot(one.recall, run, list(records)[run], "recall") for run, one in found if one is not None]
        rows.append((name, [mark for mark in marks if mark is not None]))
    drawing = "" if is_long or len(records) > _DRAWN_RUNS else dot_chart(rows, "recall, %", f"Recall by {axis}", 100.0)
    return Part(axis, table, drawing, is_long=is_long)


def _dot(one: Spread, run: int, label: str, what: str) -> Mark | None:
    if one.value is None:
        return None
    low, high = (None, None) if one.low is None or one.high is None else (100 * one.low, 100 * one.high)
    range_text = "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    title = f"{label}: {what} {100 * one.value:.1f}{range_text}"
    return Mark(100 * one.value, 0.0, low, high, style_of(run), title, run)


def _errors(records: dict[str, AnalysisRecord]) -> tuple[Part, ...]:
    errors = {label: record.errors for label, record in records.items()}
    first = next(iter(errors.values()))
    rows = []
    for position, kind in enumerate(first.types):
        marks = [_dot(one.types[position].cost, i, label, "cost") for i, (label, one) in enumerate(errors.items())]
        rows.append((kind.name, [mark for mark in marks if mark is not None]))
    drawing = "" if len(records) > _DRAWN_RUNS else dot_chart(rows, f"cost in {first.metric}, points", "Cost of errors")
    notes = (
        "Number: detections (missed: faces); at the point: those at the operating point. Cost: what the figure would "
        "gain without this type of error alone. Costs do not add up to what is missing, and one may be negative.",
    )
    return (
        Part("Cost of each type", errors_table(errors), drawing, notes),
        Part("Why faces are missed", reasons_table(errors)),
    )


def _calibration(records: dict[str, AnalysisRecord]) -> tuple[Part, ...]:
    if not any(record.calibration for record in records.values()):
        return ()
    marks = [
        Mark(100 * one.score, 100 * one.right.value, *_ends(one.right), style_of(run), _bin_title(label, one), run)
        for run, (label, record) in enumerate(records.items())
        for row in record.calibration[:1]
        if row.ece is not None  # else the scores are no probabilities
        for one in row.bins
        if one.right.value is not None
    ]
    names = ("score, %", "share right, %")
    drawing = scatter(marks, names, "Reliability") if marks and len(records) <= _DRAWN_RUNS else ""
    notes = (
        "A dot on the diagonal: of detections with this score, so many are right. ECE: mean distance from it; "
        "its floor: what it would be by chance where every score is exactly right. Bias above 0: over-confident. ECE "
        "improves when hard detections are dropped and says nothing of missed faces: see recall.",
    )
    return (Part("Scores as probabilities", calibration_table(records), drawing, notes),)


def _ends(one: Spread) -> tuple[float | None, float | None]:
    return (None, None) if one.low is None or one.high is None else (100 * one.low, 100 * one.high)


def _bin_title(label: str, one: CalibrationBin) -> str:
    return f"{label}: score {one.low:.3g} to {one.high:.3g}, {100 * (one.right.value or 0):.1f} % right"


def _operating(records: dict[str, AnalysisRecord]) -> tuple[Part, ...]:
    if not any(record.operating for record in records.values()):
        return ()
    notes = (
        "A threshold holds for images with this share of faces, and FPPI (false detections per image) for this "
        "crowding. Held out: the threshold is chosen on four fifths of the images and measured on the rest.",
    )
    return (Part("What a threshold gives", operating_table(records), "", notes),)
