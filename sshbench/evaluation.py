"""One evaluation from detections to a record that can be printed, stored and compared."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from sshbench.contamination import Domain, domain_of
from sshbench.curves import PRCurve
from sshbench.datasets.base import Dataset
from sshbench.dispatch import Curve, Outcome, Progress, evaluate_by
from sshbench.errors import CheckFailedError, InputError, MissingDataError, UsageError
from sshbench.protocols import Protocol
from sshbench.records import DetectionSet, Finding
from sshbench.runs import METRICS, PROTOCOL, Run, write_atomic

_LISTED_FILES = 20


class StoredFinding(BaseModel):
    """A finding as it is stored: the first files by name, and how many there are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    message: str
    files: tuple[str, ...] = ()
    file_count: int = 0

    @classmethod
    def of(cls, finding: Finding) -> StoredFinding:
        """Shorten a finding to what is worth storing."""
        return cls(
            code=finding.code,
            message=finding.message,
            files=finding.files[:_LISTED_FILES],
            file_count=len(finding.files),
        )

    def __str__(self) -> str:
        if not self.files:
            return self.message
        more = f" and {self.file_count - 3} more" if self.file_count > 3 else ""
        return f"{self.message} [{', '.join(self.files[:3])}{more}]"


class EvaluationRecord(BaseModel):
    """What `--json` prints and a run keeps as `metrics.json`.

    Attributes:
        dataset: Name of the dataset.
        detector: Name of the detector, or of the prediction set.
        protocol: Name of the protocol.
        protocol_hash: Hash of its content, overrides included.
        metrics: By name, unrounded fractions; None where no face counts.
        images: Images that took part.
        faces: Annotated faces in them, ignored ones included.
        counted: By subset, the faces that count.
        detections: Detections that took part: not those of images that are unknown or passed over.
        seconds: Time from the first file read to the last figure.
        complete: False for metrics of an unfinished run.
        total_images: Images of the whole dataset: where it is larger than `images`, this is a part of it.
        smoke_test: The dataset shows that the pipeline works and measures nothing.
        dataset_fingerprint: Hash of annotations and image list.
        domain: Whether the model may have seen such images: see `contamination.domain_of`.
        warnings: What readers and checks found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    detector: str
    protocol: str
    protocol_hash: str
    metrics: dict[str, float | None]
    images: int
    faces: int
    counted: dict[str, int]
    detections: int
    seconds: float
    complete: bool = True
    total_images: int
    smoke_test: bool = False
    dataset_fingerprint: str
    domain: Domain = "unknown"
    warnings: tuple[StoredFinding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """An evaluation's record, curves and matching.

    Attributes:
        record: What is stored and printed.
        protocol: The protocol it was made by.
        curves: By name, PR or ROC curves.
        outcome: The evaluator's own result among others, for reports.
    """

    record: EvaluationRecord
    protocol: Protocol
    curves: Mapping[str, Curve]
    outcome: Outcome


def evaluate(
    detections: DetectionSet,
    dataset: Dataset,
    protocol: Protocol,
    *,
    detector: str = "detections",
    findings: Sequence[Finding] = (),
    trained_on: Sequence[str] | None = None,
    complete: bool = True,
    started: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate detections on a dataset by a protocol.

    Args:
        detections: Of the dataset's images, in any order. Images of the dataset without an entry, and entries of
            unknown images, are reported as findings.
        dataset: Images and ground truth.
        protocol: The rules.
        detector: Name that the result carries.
        findings: What reading the detections found; kept in the record.
        trained_on: Benchmarks whose training images the model saw; None where that is not known.
        complete: False marks the metrics as those of an unfinished run.
        started: `time.perf_counter()` when the work began, so that `seconds` covers reading too; default now.
        progress: As for `evaluate_by`.

    Raises:
        UsageError: No detection is of an image of the dataset.
        SshbenchError: The ground truth lacks a subset of the protocol.
    """
    began = time.perf_counter() if started is None else started
    findings = (*findings, *_image_findings(detections, dataset, protocol, findings))
    outcome = evaluate_by(detections, dataset, protocol, progress)
    record = EvaluationRecord(
        dataset=dataset.name,
        detector=detector,
        protocol=protocol.name,
        protocol_hash=protocol.hash,
        metrics={name: None if math.isnan(value) else value for name, value in outcome.metrics.items()},
        images=len(dataset.keys),
        faces=dataset.faces.total,
        counted=dict(outcome.counted),
        detections=outcome.used,
        seconds=time.perf_counter() - began,
        complete=complete,
        total_images=dataset.total_images,
        smoke_test=protocol.smoke_test,
        dataset_fingerprint=dataset.fingerprint,
        domain=domain_of(trained_on, dataset.name),
        warnings=tuple(StoredFinding.of(finding) for finding in (*dataset.findings, *findings, *outcome.findings)),
    )
    return Evaluation(record=record, protocol=protocol, curves=outcome.curves, outcome=outcome)


def _image_findings(
    detections: DetectionSet, dataset: Dataset, protocol: Protocol, known: Sequence[Finding]
) -> list[Finding]:
    """Compare the images of detections with those of the dataset.

    Raises:
        UsageError: They have no image in common.
    """
    wanted, given = set(dataset.keys), set(detections.keys)
    if wanted and given and not wanted & given:
        raise UsageError(
            f"no detection is of an image of {dataset.name}: the detections have keys such as "
            f"'{detections.keys[0]}', the dataset such as '{dataset.keys[0]}'",
            remedy="Use the dataset's own keys: `dataset.keys` lists them",
        )
    found: list[Finding] = []
    codes = {finding.code for finding in known}
    everything = set(dataset.all_keys)
    unknown = tuple(key for key in detections.keys if key not in everything)
    # By the protocol of PASCAL Faces, detections of other images are false positives, and its reader reports them.
    if unknown and protocol.evaluation.kind != "pascal" and "unknown-image" not in codes:
        text = f"{len(unknown)} images of the detections are not in {dataset.name}; their detections take no part"
        found.append(Finding("unknown-image", text, unknown))
    missing = tuple(key for key in dataset.keys if key not in given)
    if missing and not codes & {"missing-image", "missing-file"}:
        text = f"{len(missing)} images of {dataset.name} have no entry in the detections: their faces count as missed"
        found.append(Finding("missing-image", text, missing))
    return found


def evaluate_run(
    run: Run,
    dataset: Dataset,
    protocol: Protocol,
    *,
    allow_unfinished: bool = False,
    findings: Sequence[Finding] = (),
    trained_on: Sequence[str] | None = None,
    started: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the detections of a run on the images it covers.

    Args:
        run: Open for reading or writing.
        dataset: The dataset the run was made on, whole or the run's part of it.
        protocol: The rules.
        allow_unfinished: Evaluate the images done so far; the record is then marked.
        findings: What the caller found; kept in the record.
        trained_on: As for `evaluate`; default: what the run's identity says.
        started: As for `evaluate`.
        progress: As for `evaluate`.

    Raises:
        CheckFailedError: The run is unfinished and that was not allowed.
    """
    complete = run.finished
    if not complete and not allow_unfinished:
        raise CheckFailedError(
            f"the run in {run.folder} is unfinished: {run.stored()} of {run.identity.images} images are done",
            remedy="Go on with it by the command that began it, or use --allow-unfinished",
        )
    detections = run.detections()
    found = [*findings, *run.findings()]
    if not complete:
        text = f"UNFINISHED: only {run.stored()} of {run.identity.images} images are done and count here"
        found.insert(0, Finding("unfinished-run", text))
    return evaluate(
        detections,
        dataset.restricted(set(detections.keys)),
        protocol,
        detector=run.identity.detector,
        findings=found,
        trained_on=run.identity.trained_on if trained_on is None else trained_on,
        complete=complete,
        started=started,
        progress=progress,
    )


def store_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Write an evaluation into its run: the record, the protocol it was made by, and the curves as CSV."""
    for name, curve in evaluation.curves.items():
        write_atomic(run.folder / "curves" / f"{name}.csv", curve_csv(curve))
    for name, text in (evaluation.outcome.texts or {}).items():
        write_atomic(run.folder / name, text)
    run.write_json(PROTOCOL, evaluation.protocol.model_dump(mode="json", exclude_unset=True))
    # Last, so that a run with metrics has everything that belongs to them.
    run.write_json(METRICS, evaluation.record.model_dump(mode="json"))


def curve_csv(curve: Curve) -> str:
    """A curve as CSV, every number in its shortest exact form."""
    if isinstance(curve, PRCurve):
        header, columns = "recall,precision,threshold", (curve.recall, curve.precision, curve.thresholds)
    else:
        header = "false_positives,true_positive_rate,threshold"
        columns = (curve.false_positives, curve.true_positive_rate, curve.thresholds)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return header + "\n" + "".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in rows)


def stored_protocol(run: Run) -> Protocol:
    """The protocol a run was evaluated by, overrides included.

    Raises:
        MissingDataError: The run was never evaluated.
        InputError: The file is damaged.
    """
    path = run.folder / PROTOCOL
    if not path.is_file():
        raise MissingDataError(f"the run in {run.folder} was never evaluated", remedy="Run `sshbench eval` on it")
    try:
        return Protocol.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"is no protocol ({error})", file=path, remedy="Evaluate the run again") from error
