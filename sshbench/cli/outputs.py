"""What each command prints with `--json`: one model per command; their schemas are in docs/schemas/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.choosing.choose import Candidate
from sshbench.contamination import Domain
from sshbench.datasets.check import CheckItem
from sshbench.datasets.fetch import FetchedFile
from sshbench.doctor import Check
from sshbench.evaluation.explain import Variant
from sshbench.evaluation.record import EvaluationRecord, StoredFinding
from sshbench.models import StrictModel
from sshbench.protocols import Protocol
from sshbench.published.records import Disagreement
from sshbench.published.tables import PublishedFigure
from sshbench.runtimes.int8 import Int8Record
from sshbench.suite.history import HistoryPoint
from sshbench.suite.result import SuiteResult
from sshbench.timing.record import SeriesSummary, TimingRecord
from sshbench.verification import VerifiedItem

if TYPE_CHECKING:
    from sshbench.paper.table import PaperTable


class Output(StrictModel):
    """One JSON object on standard output.

    Attributes:
        format: Format of the object; raised when the meaning of a field changes.
    """

    format: int = 1


class ReportOutput(Output):
    """`sshbench report --json`."""

    page: str
    files: tuple[str, ...]


class TableCell(StrictModel):
    """One figure, a fraction with its interval; `best` where it is told apart from all others."""

    value: float | None
    low: float | None
    high: float | None
    best: bool


class TableRow(StrictModel):
    """One row: figures by metric; `citation` and `source` of published ones."""

    name: str
    figures: dict[str, TableCell]
    data: str
    citation: str | None
    source: str


class TableOutput(Output):
    """`sshbench table --json`; `text` is the table in the format asked for."""

    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    text: str
    files: tuple[str, ...]

    @classmethod
    def of(cls, table: PaperTable, text: str, files: Sequence[Path]) -> TableOutput:
        """Return the output for a table."""
        rows = tuple(
            TableRow(
                name=row.name,
                figures={
                    name: TableCell(value=one.value, low=one.low, high=one.high, best=one.best)
                    for name, one in row.cells.items()
                },
                data=row.data,
                citation=None if row.reference is None else row.reference.key,
                source=row.source,
            )
            for row in table.rows
        )
        return cls(metrics=table.metrics, rows=rows, notes=table.notes, text=text, files=tuple(map(str, files)))


class VerifyOutput(Output):
    """`sshbench verify --json`: everything that was compared, and whether all of it agrees."""

    ok: bool
    items: tuple[VerifiedItem, ...]


class SuiteOutput(Output):
    """`sshbench suite --json`: what became of each run, and the pages."""

    ok: bool
    results: tuple[SuiteResult, ...]
    files: tuple[str, ...]


class HistoryOutput(Output):
    """`sshbench history --json`."""

    points: tuple[HistoryPoint, ...]
    files: tuple[str, ...]


class LeftOutCombination(StrictModel):
    """A combination that cannot run here, and why."""

    combination: str
    reason: str


class SweepOutput(Output):
    """`sshbench timing --json` with several threads, batches, backends or precisions."""

    records: tuple[TimingRecord, ...]
    left_out: tuple[LeftOutCombination, ...]


class ChoiceOutput(Output):
    """`sshbench choose --json`: those that satisfy everything first."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]


class FilesOutput(Output):
    """`sshbench archive --json`."""

    files: tuple[str, ...]


class ExplainOutput(Output):
    """`sshbench explain --json`: `official` is the evaluation's record, `variants` begin with the official figures."""

    official: EvaluationRecord
    variants: tuple[Variant, ...]
    notes: tuple[str, ...]


class LeaderboardRow(StrictModel):
    """One detector: records and latencies by the title of the board."""

    detector: str
    results: dict[str, EvaluationRecord]
    latency_ms: dict[str, SeriesSummary]


class LeaderboardFinding(StrictModel):
    """A latency that is not shown, and why."""

    code: str
    message: str
    detector: str
    dataset: str
    title: str
    size: str
    images: int
    run_pixels: float | None
    timing_pixels: float | None
    timed_on: str
    scope: str
    unknown: str


class LeaderboardOutput(Output):
    """`sshbench leaderboard --json`."""

    files: tuple[str, ...]
    rows: tuple[LeaderboardRow, ...]
    findings: tuple[LeaderboardFinding, ...]
    passed_over: tuple[str, ...] = ()


class MissingOutput(StrictModel):
    """Something that the page of the paper lacks, and the command that fills it; empty where none can."""

    what: str
    command: str


class PaperOutput(Output):
    """`sshbench paper --json`."""

    page: str
    files: tuple[str, ...]
    missing: tuple[MissingOutput, ...]


class DetectOutput(Output):
    """`sshbench detect --json`; `faces` are found, of which `drawn` are drawn."""

    images: int
    faces: int
    drawn: int
    skipped: tuple[str, ...]
    out: str


class DataCheckOutput(Output):
    """`sshbench data check --json`."""

    dataset: str
    root: str
    ok: bool
    items: tuple[CheckItem, ...]


class SubmissionOutput(Output):
    """`sshbench submit --json` and `sshbench data check-submission --json`; only the first has a run."""

    file: str
    split: str
    ok: bool
    images: int
    detections: int
    items: tuple[CheckItem, ...]
    run: str | None
    warnings: tuple[StoredFinding, ...]


class DataFetchOutput(Output):
    """`sshbench data fetch --json`."""

    dataset: str
    folder: str
    page: str
    terms: str
    files: tuple[FetchedFile, ...]


class DataConvertOutput(Output):
    """`sshbench data convert --json`; `rows` are faces or detections."""

    target: str
    images: int
    detections: bool
    rows: int
    losses: tuple[str, ...]


class GoldenOutput(StrictModel):
    """One golden set: how the evaluator differs from the official tool."""

    name: str
    differences: tuple[str, ...]
    ok: bool


class DoctorOutput(Output):
    """`sshbench doctor --json`."""

    facts: dict[str, str]
    checks: tuple[Check, ...]
    auto: str
    reference: str
    golden: tuple[GoldenOutput, ...]
    evaluators_equal: bool
    ok: bool


class DetectorRow(StrictModel):
    """One detector of the list."""

    name: str
    title: str
    training_data: str


class DetectorsOutput(Output):
    """`sshbench detectors list --json`."""

    detectors: tuple[DetectorRow, ...]


class DetectorCheckRow(StrictModel):
    """One thing that was tried."""

    what: str
    ok: bool
    message: str


class DetectorCheckOutput(Output):
    """`sshbench detectors check --json`."""

    detector: str
    ok: bool
    items: tuple[DetectorCheckRow, ...]


class DetectorSpecOutput(Output):
    """`sshbench detectors spec --json`."""

    model: str
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reasons: dict[str, str]
    spec: dict[str, object]
    out: str | None


class DetectorOutput(Output):
    """`sshbench detectors info --json`."""

    name: str
    title: str
    source: str
    licence: str
    weights: str | None
    training_data: str
    settings: dict[str, object]
    settings_source: str
    ranges: dict[str, tuple[float, float]]
    fixed_size: tuple[int, int] | None
    trained_on: tuple[str, ...] | None
    domains: dict[str, Domain]
    timing_only: str
    published: tuple[PublishedFigure, ...]


class WeightsRow(StrictModel):
    """One weights file of the registry, and where it is on this machine."""

    name: str
    sha256: str
    bytes: int
    licence: str
    repository: str
    url: str
    package: str
    member: str
    literal: str
    training_data: str
    by_hand: str
    path: str | None


class WeightsListOutput(Output):
    """`sshbench weights list --json`."""

    weights: tuple[WeightsRow, ...]


class WeightsFetchOutput(Output):
    """`sshbench weights fetch --json`: paths by file name."""

    files: dict[str, str]


class WeightsVerifyOutput(Output):
    """`sshbench weights verify --json`: by file name `ok`, `not here`, that no hash is known, or what is wrong."""

    verdicts: dict[str, str]


class WeightsExportOutput(Output):
    """`sshbench weights export --json`: largest relative differences by library and output."""

    file: str
    reference: str
    differences: dict[str, dict[str, float]]
    largest_relative_difference: float


class QuantizeOutput(Output):
    """`sshbench quantize --json`: `calibration` is what the identity of a run calls it."""

    file: str
    calibration: str
    record: Int8Record


class WeightsFileOutput(Output):
    """`sshbench weights info|import|random --json`."""

    file: str
    sha256: str
    architecture: str
    parameters: int
    part: str
    metadata: dict[str, str]


class ProtocolRow(StrictModel):
    """One protocol of the list."""

    name: str
    title: str
    hash: str
    dataset: str
    evaluation: str


class ProtocolsOutput(Output):
    """`sshbench protocols list --json`."""

    protocols: tuple[ProtocolRow, ...]


class ProtocolOutput(Output):
    """`sshbench protocols show --json`."""

    hash: str
    protocol: Protocol


class ProtocolValidateOutput(Output):
    """`sshbench protocols validate --json`."""

    name: str
    hash: str
    counted: dict[str, int]
    problems: tuple[str, ...]


class CurveRow(StrictModel):
    """One imported curve."""

    benchmark: str
    method: str
    split: str
    subset: str
    figure: float
    file: str


class CurvesImportOutput(Output):
    """`sshbench curves import --json`."""

    benchmark: str
    curves: tuple[CurveRow, ...]
    compared: int
    disagreements: tuple[Disagreement, ...]
    findings: tuple[StoredFinding, ...]


class CurvesListOutput(Output):
    """`sshbench curves list --json`."""

    curves: tuple[CurveRow, ...]


class TimingsOutput(Output):
    """`sshbench timing --json` of several detectors; of one it prints its record."""

    records: tuple[TimingRecord, ...]


class TrainOutput(Output):
    """`sshbench train --json`; `validation` holds iteration, metric and value."""

    iterations: int
    loss: float | None
    validation: tuple[tuple[int, str, float], ...]
    files: tuple[str, ...]
