"""What analyses and comparisons of runs share: a run evaluated again, its intervals, and writing the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.analysis.intervals import Intervals, intervals, merged
from sshbench.analysis.record import AnalysisFinding, AnalysisRecord, ComparisonRecord, ResamplingRecord
from sshbench.analysis.resample import Resampling
from sshbench.analysis.subject import Subject
from sshbench.errors import UsageError, did_you_mean
from sshbench.evaluation.benchmarks import headline_of
from sshbench.evaluation.origin import evaluate_again
from sshbench.evaluation.result import Evaluation
from sshbench.files import write_atomic
from sshbench.records import Finding
from sshbench.runs import open_run
from sshbench.tables import to_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_FEW_IMAGES = 500

RunLike = Evaluation | str | Path
"""A result of `evaluate` or `run`, or the folder of a run."""


def evaluation_of(run: RunLike, data: str | Path | None) -> Evaluation:
    """Return a result as it is, or evaluate the run in a folder again.

    Raises:
        MissingDataError: The folder holds no evaluated run, or its dataset is gone.
    """
    if isinstance(run, Evaluation):
        return run
    with open_run(Path(run).expanduser()) as opened:
        return evaluate_again(opened, None if data is None else Path(data).expanduser())


def subject_of(evaluation: Evaluation, subset: str | None, resampling: Resampling) -> Subject:
    """Return one curve of an evaluation, for analysis.

    Raises:
        UsageError: There is no such curve, or the evaluator does not say what it adds up per image.
    """
    if not evaluation.outcome.measures:
        raise UsageError(
            f"the evaluation of {evaluation.record.dataset} does not say what it adds up per image",
            remedy="Give its Outcome `measures` and `ledgers`",
        )
    return Subject.of(
        evaluation.outcome,
        evaluation.detections,
        evaluation.dataset.faces,
        evaluation.protocol,
        subset=subset,
        resampling=resampling,
    )


def intervals_of(evaluation: Evaluation, resampling: Resampling, names: Sequence[str] | None) -> Intervals:
    """Return the intervals of metrics, default: those that people quote.

    Raises:
        UsageError: There is no such metric.
    """
    metrics = list(evaluation.record.metrics)
    chosen = headline_of(metrics, evaluation.protocol) if names is None else names
    if unknown := [name for name in chosen if name not in metrics]:
        raise UsageError(f"there is no metric '{unknown[0]}'", remedy=did_you_mean(unknown[0], metrics))
    return intervals(evaluation.outcome, resampling, names=chosen, events=evaluation.events)


def resampling_record(evaluation: Evaluation, sure: Intervals) -> ResamplingRecord:
    """Return how the intervals of an evaluation were computed."""
    resampling = sure.resampling
    return ResamplingRecord(
        unit="image" if resampling.groups is None else "group",
        units=resampling.units,
        replicates=resampling.replicates,
        seed=resampling.seed,
        level=resampling.level,
        effective_images=dict(sure.effective_images),
        alignment="fixed" if evaluation.protocol.evaluation.kind == "pascal" else None,
        grid_offset=dict(sure.grid_offset) or None,
    )


def save_all(
    folder: Path,
    name: str,
    record: AnalysisRecord | ComparisonRecord,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Figure],
) -> tuple[Path, ...]:
    """Write a record, a CSV per table, and an SVG and a PNG per figure; return the files, the record first."""
    from sshbench.plotting import save_figure

    written = [write_atomic(folder / f"{table}.csv", to_csv(rows)) for table, rows in tables.items()]
    for stem, figure in figures.items():
        written += [save_figure(figure, folder / f"{stem}.{kind}") for kind in ("svg", "png")]
    return (record.write(folder / name), *written)


def few_images(images: int) -> list[Finding]:
    """Return the finding that says that there are few images, where there are."""
    if images >= _FEW_IMAGES:
        return []
    text = f"{images} images: types of errors and small parts are qualitative below {_FEW_IMAGES} images"
    return [Finding("qualitative", text)]


def stored(findings: Sequence[Finding]) -> tuple[AnalysisFinding, ...]:
    """Return findings as records keep them, one of each code."""
    return tuple(AnalysisFinding(code=one.code, message=one.message, names=one.files) for one in merged(findings))
