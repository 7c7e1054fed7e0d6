"""JSON schemas of all files and of what commands print with `--json`; docs/schemas/ holds them.

`python scripts/write_schemas.py` writes them again.
"""

from __future__ import annotations

from pydantic import BaseModel

from sshbench.analysis.record import AnalysisRecord, ComparisonRecord
from sshbench.cli import outputs
from sshbench.cli.label_output import LabelCheckOutput
from sshbench.datasets.fetch import RECORD, FetchRecord
from sshbench.detectors.annotate import ImageDetections
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.evaluation.record import EvaluationOutput, EvaluationRecord
from sshbench.evaluation.storing import StoredProtocol
from sshbench.published.store import CurveIndex
from sshbench.report.measured import ArchivedIdentity
from sshbench.runtimes.int8 import Int8Record
from sshbench.ssh_paper.record import ClaimsRecord
from sshbench.timing.record import TimingRecord

FILES: dict[str, tuple[str, type[BaseModel]]] = {
    "metrics": ("`metrics.json` of a run", EvaluationRecord),
    "identity": ("`identity.json` of a run or an archive", ArchivedIdentity),
    "protocol": ("`protocol.json` of a run", StoredProtocol),
    "timing": ("a file of `sshbench timing --out`", TimingRecord),
    "image-detections": ("the JSON of an image by `sshbench detect`", ImageDetections),
    "fetched": (f"`{RECORD}` of a dataset's folder", FetchRecord),
    "analysis": ("`analysis.json` of `sshbench analyze --out`", AnalysisRecord),
    "comparison": ("`comparison.json` of `sshbench compare --out`", ComparisonRecord),
    "claims": ("`claims.json` of `sshbench claims`", ClaimsRecord),
    "graph-spec": ("the TOML file of `--spec`", GraphSpec),
    "int8": ("the property `sshbench.int8` of a quantized ONNX file", Int8Record),
    "curves": ("the index of imported curves in the cache", CurveIndex),
}
"""By name of the schema, the file in words and its model."""

COMMANDS: dict[str, tuple[str, type[BaseModel]]] = {
    "eval": ("eval-output", EvaluationOutput),
    "analyze": ("analysis", AnalysisRecord),
    "compare": ("comparison", ComparisonRecord),
    "merge": ("metrics", EvaluationRecord),
    "explain": ("explain-output", outputs.ExplainOutput),
    "report": ("report-output", outputs.ReportOutput),
    "table": ("table-output", outputs.TableOutput),
    "submit": ("submission-output", outputs.SubmissionOutput),
    "leaderboard": ("leaderboard-output", outputs.LeaderboardOutput),
    "detect": ("detect-output", outputs.DetectOutput),
    "quantize": ("quantize-output", outputs.QuantizeOutput),
    "train": ("train-output", outputs.TrainOutput),
    "suite": ("suite-output", outputs.SuiteOutput),
    "timing (several ways)": ("sweep-output", outputs.SweepOutput),
    "choose": ("choose-output", outputs.ChoiceOutput),
    "claims": ("claims", ClaimsRecord),
    "paper": ("paper-output", outputs.PaperOutput),
    "history": ("history-output", outputs.HistoryOutput),
    "archive": ("archive-output", outputs.FilesOutput),
    "verify": ("verify-output", outputs.VerifyOutput),
    "doctor": ("doctor-output", outputs.DoctorOutput),
    "data check": ("data-check-output", outputs.DataCheckOutput),
    "data check (--labels)": ("label-check-output", LabelCheckOutput),
    "data check-submission": ("submission-output", outputs.SubmissionOutput),
    "data fetch": ("data-fetch-output", outputs.DataFetchOutput),
    "data convert": ("data-convert-output", outputs.DataConvertOutput),
    "timing": ("timing", TimingRecord),
    "timing (several detectors)": ("timings-output", outputs.TimingsOutput),
    "detectors list": ("detectors-list-output", outputs.DetectorsOutput),
    "detectors check": ("detectors-check-output", outputs.DetectorCheckOutput),
    "detectors info": ("detectors-info-output", outputs.DetectorOutput),
    "detectors spec": ("detectors-spec-output", outputs.DetectorSpecOutput),
    "weights list": ("weights-list-output", outputs.WeightsListOutput),
    "weights fetch": ("weights-fetch-output", outputs.WeightsFetchOutput),
    "weights verify": ("weights-verify-output", outputs.WeightsVerifyOutput),
    "weights import": ("weights-file-output", outputs.WeightsFileOutput),
    "weights info": ("weights-file-output", outputs.WeightsFileOutput),
    "weights random": ("weights-file-output", outputs.WeightsFileOutput),
    "weights export": ("weights-export-output", outputs.WeightsExportOutput),
    "protocols list": ("protocols-list-output", outputs.ProtocolsOutput),
    "protocols show": ("protocols-show-output", outputs.ProtocolOutput),
    "protocols validate": ("protocols-validate-output", outputs.ProtocolValidateOutput),
    "curves import": ("curves-import-output", outputs.CurvesImportOutput),
    "curves list": ("curves-list-output", outputs.CurvesListOutput),
}
"""By command, the name of the schema and its model."""


def schemas() -> dict[str, dict[str, object]]:
    """Return all schemas by name."""
    models = {name: model for name, (_, model) in FILES.items()} | dict(COMMANDS.values())
    return {name: model.model_json_schema() for name, model in sorted(models.items())}


def index() -> str:
    """Return the page that lists the schemas, in Markdown."""
    files = [f"| {what} | [{name}.json]({name}.json) |" for name, (what, _) in FILES.items()]
    commands = [
        f"| `sshbench {command} --json` | [{name}.json]({name}.json) |" for command, (name, _) in COMMANDS.items()
    ]
    return "\n".join(
        [
            "# JSON schemas",
            "",
            "Every file and every `--json` output has a format number and a schema. A file without the number is",
            "of format 1. Later versions read older formats; a file of a newer format is refused.",
            "`python scripts/write_schemas.py` writes this folder, and a test keeps it equal to the code.",
            "",
            "| file | schema |",
            "|---|---|",
            *files,
            "",
            "| command | schema |",
            "|---|---|",
            *commands,
            "",
        ]
    )
