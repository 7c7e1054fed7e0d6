"""Evaluate a set of detections on a loaded dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from sshbench.contamination import domain_of
from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.evaluation.benchmarks import benchmark_of, evaluator_of
from sshbench.evaluation.record import EvaluationRecord, StoredFinding
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.base import Progress
from sshbench.protocols import Protocol
from sshbench.records import DetectionSet, Finding


def evaluate_set(
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
        progress: As for every `EvaluatorFunction`.

    Raises:
        UsageError: No detection is of an image of the dataset.
        SshbenchError: The ground truth lacks a subset of the protocol.
    """
    began = time.perf_counter() if started is None else started
    findings = (*findings, *_image_findings(detections, dataset, protocol, findings))
    outcome = evaluator_of(protocol)(detections, dataset.faces, protocol, progress)
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
    return Evaluation(record, protocol, outcome, detections, dataset, None if trained_on is None else tuple(trained_on))


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
    # Where detections of other images are false positives (PASCAL Faces), the reader reports them.
    if unknown and not benchmark_of(protocol).unknown_images_count and "unknown-image" not in codes:
        text = f"{len(unknown)} images of the detections are not in {dataset.name}; their detections take no part"
        found.append(Finding("unknown-image", text, unknown))
    missing = tuple(key for key in dataset.keys if key not in given)
    if missing and not codes & {"missing-image", "missing-file"}:
        text = f"{len(missing)} images of {dataset.name} have no entry in the detections: their faces count as missed"
        found.append(Finding("missing-image", text, missing))
    return found
