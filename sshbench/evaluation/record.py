"""The record of an evaluation: what `--json` prints and a run keeps."""

from __future__ import annotations

from pydantic import Field

from sshbench.analysis.record import Interval
from sshbench.contamination import Domain
from sshbench.files import printable
from sshbench.models import FileModel, StrictModel
from sshbench.records import Finding

_LISTED_FILES = 20


class StoredFinding(StrictModel):
    """A finding as it is stored: the first files by name, and how many there are."""

    code: str
    message: str
    files: tuple[str, ...] = ()
    file_count: int = 0

    @classmethod
    def of(cls, finding: Finding) -> StoredFinding:
        """Return a finding with the first of its files and their number."""
        return cls(
            code=finding.code,
            message=printable(finding.message),
            files=tuple(map(printable, finding.files[:_LISTED_FILES])),
            file_count=len(finding.files),
        )

    def __str__(self) -> str:
        if not self.files:
            return self.message
        more = f" and {self.file_count - 3} more" if self.file_count > 3 else ""
        return f"{self.message} [{', '.join(self.files[:3])}{more}]"


class EvaluationRecord(FileModel):
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


class EvaluationOutput(EvaluationRecord):
    """`sshbench eval --json`: the record, and intervals by metric where they were not turned off."""

    intervals: dict[str, Interval] = Field(default_factory=dict)
