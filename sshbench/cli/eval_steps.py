"""The steps of `sshbench eval`, apart from its options, so that `demo` takes the same path."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sshbench.benchmark import evaluate_run, store_evaluation
from sshbench.cli.progress import Bar, progress_bar
from sshbench.contamination import BENCHMARKS
from sshbench.datasets import Dataset, load_for_protocol
from sshbench.errors import UsageError
from sshbench.evaluation.core import Evaluation, evaluate_set
from sshbench.formats import read_predictions, set_name
from sshbench.formats.wider import BoxFormat, write_wider
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, Finding
from sshbench.runs import Identity, Run, StoredImage, create_or_resume, is_run, open_run

if TYPE_CHECKING:
    from sshbench.detectors.contract import Detector


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
        trained_on: Benchmarks whose training images the model saw, where the user says so.
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
    trained_on: tuple[str, ...] | None = None
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


def benchmarks_of(names: str | None) -> tuple[str, ...] | None:
    """Benchmarks that a user names, sorted; None where nothing was said.

    Raises:
        UsageError: One is not known.

    >>> benchmarks_of("wider,fddb"), benchmarks_of("none")
    (('fddb', 'wider'), ())
    """
    if names is None or names == "none":
        return None if names is None else ()
    given = sorted({name.strip() for name in names.split(",")})
    if unknown := sorted(set(given) - set(BENCHMARKS)):
        raise UsageError(f"--trained-on knows no '{unknown[0]}'", remedy=f"Known: none, {', '.join(BENCHMARKS)}")
    return tuple(given)


def from_predictions(request: Request, predictions: Path) -> Outcome:
    """Evaluate prediction files, or the detections of a run."""
    whole = load_for_protocol(request.protocol, request.data)
    if is_run(predictions):
        return _from_run(request, predictions, whole)
    dataset = whole if request.limit is None else whole.limited(request.limit)
    with progress_bar(predictions.name, len(dataset.keys), "files", enabled=request.show_progress) as bar:
        detections, findings = read_predictions(
            predictions,
            dataset,
            request.protocol.evaluation.kind,
            strict=request.strict,
            box_format=request.box_format,
            progress=bar.update,
        )
    with _evaluation_bar(request, dataset) as bar:
        evaluation = evaluate_set(
            detections,
            dataset,
            request.protocol,
            detector=set_name(predictions),
            findings=findings,
            trained_on=request.trained_on,
            started=request.started,
            progress=bar.update,
        )
    if request.out is not None:
        _keep(request, predictions, dataset, detections, evaluation)
    return Outcome(evaluation, detections, request.out)


def _evaluation_bar(request: Request, dataset: Dataset) -> AbstractContextManager[Bar]:
    return progress_bar("evaluation", len(dataset.keys), "images", enabled=request.show_progress)


def from_detector(request: Request, name: str) -> Outcome:
    """Run a detector over a dataset's images, or go on with its run, and evaluate it."""
    from sshbench.detectors.contract import FollowsImages
    from sshbench.detectors.registry import load_detector
    from sshbench.inference import run_detector
    from sshbench.provenance import machine, now, versions

    dataset = load_for_protocol(request.protocol, request.data)
    if request.limit is not None:
        dataset = dataset.limited(request.limit)
    dataset = dataset.with_images()
    # The user's word goes before the protocol's policy, and that before the detector's own settings.
    detector = load_detector(name, **{**request.protocol.inference.overrides(), **request.settings})
    findings: list[Finding] = []
    if isinstance(detector, FollowsImages):
        detector.attach(dataset)
        findings = detector.findings
    name = detector.info.name
    identity = _identity(
        request,
        dataset,
        name,
        dict(detector.settings.as_dict()),
        detector.weights_sha256,
        trained_on=_trained_on(request, detector),
    )
    folder = request.out or Path("runs") / f"{dataset.name}-{name}-{identity.key[:8]}"
    with create_or_resume(folder, identity, overwrite=not request.resume) as run:
        left = len(dataset.keys) - len(run.done())
        if left:
            run.add_session(versions(), machine(), now())
        with progress_bar(f"{name} on {dataset.name}", left, "images", enabled=request.show_progress) as bar:
            run_detector(detector, dataset, run, on_image=lambda _: bar.update(1))
        with _evaluation_bar(request, dataset) as bar:
            evaluation = evaluate_run(
                run, dataset, request.protocol, findings=findings, started=request.started, progress=bar.update
            )
        _store(run, evaluation)
        return Outcome(evaluation, run.detections(), folder)


def _trained_on(request: Request, detector: Detector) -> tuple[str, ...] | None:
    """What the user says, else the weights file, else the registry; a file of the user's own may be of any data."""
    said: tuple[str, ...] | None = getattr(detector, "trained_on", None)
    if request.trained_on is None and said is not None:
        return said
    own = request.settings.get("weights")
    if request.trained_on is not None or own is None:
        return detector.info.trained_on if request.trained_on is None else request.trained_on
    from sshbench.detectors.weights import weights_files

    known = {entry.sha256 for entry in weights_files()}
    return detector.info.trained_on if detector.weights_sha256 in known else None


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
                trained_on=request.trained_on,
                started=request.started,
                progress=bar.update,
            )
        detections = run.detections()
        if request.trained_on is None:
            request = replace(request, trained_on=run.identity.trained_on)
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
    from sshbench.plotting import save_png
    from sshbench.report.figures import run_figure

    store_evaluation(run, evaluation)
    save_png(run_figure(evaluation), run.folder / "pr.png")


def _identity(
    request: Request,
    dataset: Dataset,
    detector: str,
    settings: dict[str, Any],
    weights_sha256: str | None,
    imported: DetectionSet | None = None,
    trained_on: tuple[str, ...] | None = None,
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
        trained_on=request.trained_on if trained_on is None else trained_on,
        data=None if request.data is None else str(request.data.resolve()),
        created=now(),
        versions=versions(),
        machine=machine(),
    )
