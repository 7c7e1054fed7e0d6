"""The steps of `sshbench eval`, apart from its options, so that `demo` takes the same path."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshbench.cli.progress import Bar, progress_bar
from sshbench.datasets import Dataset, load_for_protocol
from sshbench.errors import UsageError
from sshbench.evaluation import Evaluation, evaluate, evaluate_run, store_evaluation
from sshbench.predictions import format_of, read_text_predictions
from sshbench.predictions.wider import BoxFormat, read_wider, write_wider
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, Finding
from sshbench.runs import Identity, Run, StoredImage, create_or_resume, is_run, open_run


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        protocol: With overrides.
        data: The dataset's folder.
        limit: Only the first N images.
        out: The run's folder; None for the default.
        resume: Go on with a run that is there; False throws it away.
        allow_unfinished: Evaluate what an unfinished run holds.
        strict: No repairs.
        box_format: Of prediction files.
        settings: The user's settings of the detector.
        show_progress: Draw a progress bar on a terminal.
        started: `time.perf_counter()` at the beginning.
    """

    protocol: Protocol
    data: Path | None = None
    limit: int | None = None
    out: Path | None = None
    resume: bool = True
    allow_unfinished: bool = False
    strict: bool = False
    box_format: BoxFormat = "xywh"
    settings: Mapping[str, Any] = field(default_factory=dict)
    show_progress: bool = True
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An evaluation, the detections it is of, and the run that keeps them, if any."""

    evaluation: Evaluation
    detections: DetectionSet
    folder: Path | None = None


def choose_protocol(dataset: str | None, protocol: str | None, **numbers: object) -> Protocol:
    """The protocol of a dataset, or the one named, with other numbers where the user gave any.

    Raises:
        UsageError: Neither was named, or they do not fit.
    """
    if dataset is None and protocol is None:
        raise UsageError("name a dataset", remedy="--dataset wider, or --dataset sample for the bundled smoke test")
    chosen = load_protocol(protocol or str(dataset))
    if dataset is not None and chosen.dataset != dataset:
        raise UsageError(f"protocol '{chosen.name}' is for dataset '{chosen.dataset}', not '{dataset}'")
    changes = {name: value for name, value in numbers.items() if value is not None}
    return chosen.with_evaluation(**changes) if changes else chosen


def from_predictions(request: Request, predictions: Path) -> Outcome:
    """Evaluate prediction files, or the detections of a run."""
    whole = load_for_protocol(request.protocol, request.data)
    if is_run(predictions):
        return _from_run(request, predictions, whole)
    dataset = whole if request.limit is None else whole.limited(request.limit)
    detections, findings = _read_predictions(request, predictions, dataset, whole)
    with _evaluation_bar(request, dataset) as bar:
        evaluation = evaluate(
            detections,
            dataset,
            request.protocol,
            detector=re.sub(r"\.(zip|(txt|json)(\.gz)?|gz)$", "", predictions.name),
            findings=findings,
            started=request.started,
            progress=bar.update,
        )
    if request.out is not None:
        _keep(request, predictions, dataset, detections, evaluation)
    return Outcome(evaluation, detections, request.out)


def _evaluation_bar(request: Request, dataset: Dataset) -> AbstractContextManager[Bar]:
    return progress_bar("evaluation", len(dataset.keys), "images", enabled=request.show_progress)


def _read_predictions(
    request: Request, predictions: Path, dataset: Dataset, whole: Dataset
) -> tuple[DetectionSet, list[Finding]]:
    format_ = format_of(predictions, request.protocol.evaluation.kind)
    if format_ != "wider":
        read, findings = read_text_predictions(
            format_, predictions, whole.keys, image_ids=whole.image_ids, strict=request.strict
        )
        if dataset is not whole:
            known = set(whole.keys)
            read = read.aligned((*dataset.keys, *(key for key in read.keys if key not in known)))
        return read, findings
    with progress_bar(predictions.name, len(dataset.keys), "files", enabled=request.show_progress) as bar:
        return read_wider(
            predictions,
            dataset.keys,
            known_keys=whole.keys,
            box_format=request.box_format,
            strict=request.strict,
            progress=bar.update,
        )


def from_detector(request: Request, name: str) -> Outcome:
    """Run a detector over a dataset's images, or go on with its run, and evaluate it."""
    from sshbench.detectors.registry import load_detector
    from sshbench.inference import run_detector
    from sshbench.provenance import machine, now, versions

    dataset = load_for_protocol(request.protocol, request.data)
    if request.limit is not None:
        dataset = dataset.limited(request.limit)
    dataset = dataset.with_images()
    # The user's word goes before the protocol's policy, and that before the detector's own settings.
    detector = load_detector(name, **{**request.protocol.inference.overrides(), **request.settings})
    identity = _identity(request, dataset, name, dict(detector.settings.as_dict()), detector.weights_sha256)
    folder = request.out or Path("runs") / f"{dataset.name}-{name}-{identity.key[:8]}"
    with create_or_resume(folder, identity, overwrite=not request.resume) as run:
        left = len(dataset.keys) - len(run.done())
        if left:
            run.add_session(versions(), machine(), now())
        with progress_bar(f"{name} on {dataset.name}", left, "images", enabled=request.show_progress) as bar:
            run_detector(detector, dataset, run, on_image=lambda _: bar.update(1))
        with _evaluation_bar(request, dataset) as bar:
            evaluation = evaluate_run(run, dataset, request.protocol, started=request.started, progress=bar.update)
        _store(run, evaluation)
        return Outcome(evaluation, run.detections(), folder)


def export(outcome: Outcome, path: Path) -> None:
    """Write the detections as an official submission zip."""
    if path.suffix != ".zip":
        raise UsageError(f"--export-predictions writes a zip, not '{path.name}'", remedy="Name it *.zip")
    write_wider(path, zip(outcome.detections.keys, outcome.detections, strict=True))


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print the result: one JSON object for machines, or a table for people."""
    if as_json:
        print(json.dumps(outcome.evaluation.record.model_dump(mode="json"), ensure_ascii=False))
        return
    from sshbench.cli.tables import print_evaluation

    print_evaluation(outcome.evaluation, outcome.folder)


def _from_run(request: Request, folder: Path, whole: Dataset) -> Outcome:
    with open_run(folder) as run:
        if run.identity.dataset != whole.name:
            raise UsageError(f"the run in {folder} is of dataset '{run.identity.dataset}', not '{whole.name}'")
        dataset = whole if request.limit is None else whole.limited(request.limit)
        dataset = dataset.restricted(run.stored_keys())
        findings: list[Finding] = []
        if run.identity.images < whole.total_images:
            text = f"the run covers {run.identity.images} of {whole.total_images} images"
            findings.append(Finding("part-of-dataset", text))
        with _evaluation_bar(request, dataset) as bar:
            evaluation = evaluate_run(
                run,
                dataset,
                request.protocol,
                allow_unfinished=request.allow_unfinished,
                findings=findings,
                started=request.started,
                progress=bar.update,
            )
        detections = run.detections()
    if request.out is not None:
        _keep(request, folder, dataset, detections, evaluation)
    return Outcome(evaluation, detections, request.out or folder)


def _keep(
    request: Request, predictions: Path, dataset: Dataset, detections: DetectionSet, evaluation: Evaluation
) -> None:
    """Make a run of imported detections, so that reports can take it like any other."""
    from sshbench.provenance import machine, now, versions

    assert request.out is not None
    settings = {"predictions": predictions.name, "box_format": request.box_format}
    identity = _identity(request, dataset, evaluation.record.detector, settings, None, detections)
    with create_or_resume(request.out, identity, overwrite=not request.resume) as run:
        if not run.finished:
            run.add_session(versions(), machine(), now())
            run.add_many([StoredImage(key, found) for key, found in zip(detections.keys, detections, strict=True)])
        _store(run, evaluation)


def _store(run: Run, evaluation: Evaluation) -> None:
    from sshbench.report.figures import run_figure, save_png

    store_evaluation(run, evaluation)
    save_png(run_figure(evaluation), run.folder / "pr.png")


def _identity(
    request: Request,
    dataset: Dataset,
    detector: str,
    settings: dict[str, Any],
    weights_sha256: str | None,
    imported: DetectionSet | None = None,
) -> Identity:
    from sshbench.provenance import machine, now, versions

    return Identity(
        detector=detector,
        weights_sha256=weights_sha256,
        settings=settings,
        dataset=dataset.name,
        split=dataset.split,
        dataset_fingerprint=dataset.fingerprint,
        images=len(dataset.keys),
        protocol=request.protocol.name,
        protocol_hash=request.protocol.hash,
        predictions_sha256=None if imported is None else imported.digest,
        data=None if request.data is None else str(request.data.resolve()),
        created=now(),
        versions=versions(),
        machine=machine(),
    )
