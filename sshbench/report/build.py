"""Build a report: open runs, evaluate them again from their detections, write page, figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from sshbench.analysis.bands import Band, band
from sshbench.analysis.record import Rank
from sshbench.answers.labels import run_labels
from sshbench.curves import Curve, PRCurve, curve_columns
from sshbench.datasets import Dataset
from sshbench.errors import UsageError
from sshbench.evaluation.figures import curve_figure, shown_curves
from sshbench.evaluation.origin import evaluate_again
from sshbench.evaluators.base import Fates
from sshbench.files import write_atomic
from sshbench.plotting import save_figure
from sshbench.records import DetectionSet
from sshbench.report.analysis_parts import analysis_of
from sshbench.report.figure_view import figure_views
from sshbench.report.gallery import Picture, gallery
from sshbench.report.overlay import imported_curves
from sshbench.report.page import RunReport, render_page, sorted_with_ranks
from sshbench.report.paper_figures import COLUMN, save_paper_figures
from sshbench.report.thinning import thinned
from sshbench.runs import Run, open_run
from sshbench.tables import to_csv

if TYPE_CHECKING:
    import pandas as pd

_MOST_BANDS = 4
FIGURE_FORMATS = ("pdf", "svg", "png")
STAGES = ("read", "preprocess", "forward", "postprocess")


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written."""

    page: Path
    files: tuple[Path, ...]


def build_report(
    runs: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    images_per_run: int = 12,
    overlay: Sequence[str] | None = None,
    figures: Sequence[str] = ("svg", "png"),
    style: Literal["screen", "paper"] = "screen",
    width: float = COLUMN,
    failures: int = 0,
    analysis: bool = True,
    on_run: Callable[[str], None] | None = None,
) -> ReportFiles:
    """Write a report of one or more runs of the same protocol on the same images.

    Args:
        runs: Folders of runs.
        out: Folder for `index.html`, `pr-<subset>.svg`, `pr-<subset>.png`, `ap.csv` and `curves.csv` (thinned to what a
            plot needs; a run's own `curves/` has every point).
        data: The dataset's folder, where it is no longer where the run says.
        images_per_run: Pictures in each grid.
        overlay: Methods whose imported curves are drawn too; None for the best five.
        figures: Formats of the figures: `pdf`, `svg`, `png`.
        style: `paper` writes them to the folder `paper` as well, for print: no title, lines told apart in grey, fonts
            embedded. The figures beside the page are then SVG and PNG.
        width: Of a figure for a paper, inches.
        analysis: Analyse each run, as `sshbench analyze` does. A run's own `analysis.json` is taken where it is of
            these detections.
        failures: Items per type and run on the page of failures, `failures.html`; 0 for no such page.
        on_run: Called with each run's name when it is done.

    Raises:
        UsageError: The runs are of different datasets, images or protocols, or there is no such format of figures.
        MissingDataError: A folder holds no evaluated run, or its dataset is gone.
    """
    if not runs:
        raise UsageError("no run was named", remedy="Name at least one")
    if unknown := [kind for kind in figures if kind not in FIGURE_FORMATS]:
        raise UsageError(f"there is no figure format '{unknown[0]}'", remedy=f"Known: {', '.join(FIGURE_FORMATS)}")
    reports: list[RunReport] = []
    opened = [open_run(folder) for folder in runs]
    try:
        _check_alike(opened)
        for run, label in zip(opened, run_labels([run.identity for run in opened]), strict=True):
            reports.append(_report_run(run, label, data, images_per_run, analysis))
            if on_run is not None:
                on_run(label)
    finally:
        for run in opened:
            run.close()
    reports, places = sorted_with_ranks(reports)
    drawn = _drawn(reports, overlay)
    beside = figures if style == "screen" else ("svg", "png")
    files = _write(reports, places, drawn, out, beside, has_failures=failures > 0)
    more: list[Path] = []
    if style == "paper":
        for_paper = {one.stem: (one.curves, one.others) for one in drawn}
        more += save_paper_figures(for_paper, out / "paper", tuple(figures), width)
    if failures > 0:
        from sshbench.report.failures.page import write_failures

        more += write_failures({report.label: report.evaluation for report in reports}, out, failures)
    return ReportFiles(files.page, (*files.files, *more))


def _check_alike(runs: Sequence[Run]) -> None:
    first = runs[0].identity
    for run in runs[1:]:
        for name in ("dataset", "protocol", "protocol_hash", "dataset_fingerprint"):
            there, here = getattr(first, name), getattr(run.identity, name)
            if there != here:
                raise UsageError(
                    f"these runs cannot be compared: {name} is {there!r} in {runs[0].folder}, {here!r} in {run.folder}",
                    remedy="Make a report of each",
                )


def _report_run(run: Run, label: str, data: Path | None, count: int, is_analysed: bool) -> RunReport:
    evaluation = evaluate_again(run, data)
    dataset = evaluation.dataset
    detections = evaluation.detections.aligned(dataset.keys)
    outcome = evaluation.outcome
    threshold = outcome.best_f1_score()
    found = outcome.fates(min_score=threshold)
    pictures, why = _pictures(dataset, detections, found, count)
    analysis, sure = analysis_of(evaluation) if is_analysed else (None, evaluation.intervals(jackknife=False))
    return RunReport(
        label=label,
        folder=run.folder,
        identity=run.identity,
        evaluation=evaluation,
        intervals=sure,
        analysis=analysis,
        stages=_stages(run),
        threshold=threshold,
        subset=outcome.pictured,
        pictures=pictures,
        no_pictures=why,
    )


def _pictures(dataset: Dataset, detections: DetectionSet, found: Fates, count: int) -> tuple[list[Picture], str]:
    if count < 1:
        return [], "none were asked for"
    pictures = gallery(dataset, detections, found, count)
    return pictures, "" if pictures else f"no image of the dataset is below {dataset.image_root or dataset.root}"


def _stages(run: Run) -> dict[str, float]:
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for image in run.images():
        for stage in STAGES:
            if image.stages and stage in image.stages:
                seconds[stage].append(image.stages[stage])
    return {stage: 1000 * median(values) for stage, values in seconds.items() if values}


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What one figure shows: curves by label, bands by label, published curves by method."""

    name: str
    stem: str
    curves: dict[str, Curve]
    bands: dict[str, Band]
    others: dict[str, Curve]


def _drawn(reports: list[RunReport], overlay: Sequence[str] | None) -> list[_Drawn]:
    others = imported_curves(reports[0].evaluation.record, overlay)
    return [
        _Drawn(
            name,
            f"{'pr' if isinstance(curve, PRCurve) else 'roc'}-{name}",
            {report.label: report.evaluation.curves[name] for report in reports},
            _bands(reports, name),
            {label: by[name] for label, by in others.items() if name in by},
        )
        for name, curve in shown_curves(reports[0].evaluation).items()
    ]


def _write(
    reports: list[RunReport],
    places: Mapping[str, Rank],
    drawn: Sequence[_Drawn],
    out: Path,
    formats: Sequence[str],
    *,
    has_failures: bool,
) -> ReportFiles:
    files: list[Path] = []
    for one in drawn:
        figure = curve_figure(one.name, one.curves, one.others, one.bands)
        files += [save_figure(figure, out / f"{one.stem}.{kind}") for kind in formats]
    files.append(write_atomic(out / "ap.csv", to_csv(_figures(reports))))
    files.append(write_atomic(out / "curves.csv", to_csv(_curves(reports))))
    figures, data = figure_views(
        {one.name: (one.others, one.bands) for one in drawn},
        {report.label: report.evaluation for report in reports},
        [report.threshold for report in reports],
    )
    page = write_atomic(out / "index.html", render_page(reports, figures, data, places, has_failures=has_failures))
    return ReportFiles(page=page, files=(page, *files))


def _bands(reports: list[RunReport], curve: str) -> dict[str, Band]:
    """Return the bands of a curve by label; none where so many runs are drawn that they would cover each other."""
    if len(reports) > _MOST_BANDS:
        return {}
    drawn = {report.label: band(report.evaluation.outcome, curve, report.intervals.resampling) for report in reports}
    return {label: one for label, one in drawn.items() if one is not None}


def _figures(reports: list[RunReport]) -> pd.DataFrame:
    """Return one row per run and metric."""
    import pandas as pd

    tables = [report.evaluation.to_pandas() for report in reports]
    return pd.concat([table.assign(run=report.label) for table, report in zip(tables, reports, strict=True)])[
        ["run", *tables[0].columns]
    ]


def _curves(reports: list[RunReport]) -> pd.DataFrame:
    """Return one row per run, curve and point that a plot needs."""
    import pandas as pd

    tables = [
        pd.DataFrame({"run": report.label, "curve": name, **curve_columns(curve)}).iloc[thinned(curve)]
        for report in reports
        for name, curve in report.evaluation.curves.items()
    ]
    return pd.concat(tables)
