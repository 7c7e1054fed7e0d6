"""Evaluations kept in run folders: evaluate a run, store a result, keep imported detections as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import field_serializer, model_validator

from sshbench.curves import curve_csv
from sshbench.datasets.base import Dataset
from sshbench.errors import CheckFailedError, MissingDataError
from sshbench.evaluation.benchmarks import benchmark_named
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.failures import failures_text
from sshbench.evaluation.result import Evaluation
from sshbench.evaluators.base import Progress
from sshbench.files import write_atomic
from sshbench.flat import counted
from sshbench.models import FileModel
from sshbench.protocols import Protocol
from sshbench.provenance import machine, now, versions
from sshbench.records import Finding
from sshbench.run_files import seal
from sshbench.runs import FAILURES, IDENTITY, METRICS, PROTOCOL, Identity, Run, StoredImage, create_or_resume

_FIGURE = "pr.png"


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
        CheckFailedError: The run is unfinished and that was not allowed, or every image failed.
    """
    complete = run.finished
    if not complete and not allow_unfinished:
        raise CheckFailedError(
            f"the run in {run.folder} is unfinished: {run.stored()} of {run.identity.images} images are done",
            remedy="Resume it with the command that began it, or use --allow-unfinished",
        )
    failures = run.failures()
    if failures and len(failures) == run.stored():
        key, error = next(iter(failures.items()))
        text = f"there is no result: all {counted(len(failures), 'image')} failed ({key}: {error})"
        raise CheckFailedError(text, remedy=f"Fix the cause and run the same command again; the run is {run.folder}")
    detections = run.detections()
    found = [*findings, *run.findings(), *_other_sizes(run, dataset)]
    if not complete:
        text = f"UNFINISHED: only {run.stored()} of {run.identity.images} images are done and count here"
        found.insert(0, Finding("unfinished-run", text))
    return evaluate_set(
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


def _other_sizes(run: Run, dataset: Dataset) -> list[Finding]:
    """Compare the sizes of the images that the detector got with those of the annotation."""
    if dataset.faces.sizes is None:
        return []
    annotated = {key: (int(w), int(h)) for key, (w, h) in zip(dataset.keys, dataset.faces.sizes, strict=True)}
    other = {key: size for key, size in run.sizes().items() if size != annotated.get(key, size)}
    if not other:
        return []
    key, (width, height) = next(iter(other.items()))
    text = (
        f"{counted(len(other), 'image')} of another size than the annotation says, for example {key}: "
        f"{width}x{height}, not {annotated[key][0]}x{annotated[key][1]}"
    )
    return [Finding("other-size", text, tuple(other))]


def store_evaluation(run: Run, evaluation: Evaluation) -> Evaluation:
    """Write an evaluation into its run, and return it with its folder.

    Written are the record, the protocol, curves as CSV and as a picture, the failures of images with their tracebacks,
    and the list of these files.
    """
    from sshbench.evaluation.figures import run_figure
    from sshbench.plotting import save_png

    texts = {f"curves/{name}.csv": curve_csv(curve) for name, curve in evaluation.curves.items()}
    texts |= evaluation.outcome.texts or {}
    if failed := failures_text(run):
        texts[FAILURES] = failed
    for name, text in texts.items():
        write_atomic(run.folder / name, text)
    save_png(run_figure(evaluation), run.folder / _FIGURE)
    StoredProtocol(protocol=evaluation.protocol).write(run.folder / PROTOCOL)
    # Almost last, so that a run with metrics has everything that belongs to them.
    evaluation.record.write(run.folder / METRICS)
    seal(run.folder, [*texts, _FIGURE, PROTOCOL, METRICS, IDENTITY], run.digest())
    return evaluation.kept_in(run.folder)


def keep(
    evaluation: Evaluation,
    folder: Path,
    *,
    settings: Mapping[str, object],
    overwrite: bool = False,
) -> Evaluation:
    """Make a run of imported detections, so that reports can take it like any other.

    Args:
        evaluation: The result with its detections.
        folder: The run's folder.
        settings: What tells this run from others of the same detections, for example the name of the file.
        overwrite: Replace another run in the folder.

    Raises:
        IdentityError: The folder holds another run.
        UsageError: The folder holds other files, or cannot be written.
    """
    detections = evaluation.detections
    # Images that do not take part (--limit) are no part of the run.
    left_out = set(evaluation.dataset.all_keys) - set(evaluation.dataset.keys)
    identity = identity_of(
        evaluation.dataset,
        evaluation.protocol,
        detector=evaluation.record.detector,
        settings=settings,
        predictions_sha256=detections.digest,
        trained_on=evaluation.trained_on,
    )
    with create_or_resume(folder, identity, overwrite=overwrite) as run:
        if not run.finished:
            run.add_session(versions(), machine(), now())
            pairs = zip(detections.keys, detections, strict=True)
            run.add_many([StoredImage(key, found) for key, found in pairs if key not in left_out])
        return store_evaluation(run, evaluation)


def identity_of(
    dataset: Dataset,
    protocol: Protocol,
    *,
    detector: str,
    settings: Mapping[str, object],
    weights_sha256: str | None = None,
    predictions_sha256: str | None = None,
    trained_on: tuple[str, ...] | None = None,
    spelling: str | None = None,
    code: Mapping[str, str] | None = None,
) -> Identity:
    """Return who makes a run: detector and settings, dataset and protocol, versions and machine."""
    bundled = benchmark_named(dataset.name).bundled
    return Identity(
        detector=detector,
        weights_sha256=weights_sha256,
        settings=dict(settings),
        dataset=dataset.name,
        split=dataset.split,
        dataset_fingerprint=dataset.fingerprint,
        images=len(dataset.keys),
        protocol=protocol.name,
        protocol_hash=protocol.hash,
        predictions_sha256=predictions_sha256,
        trained_on=trained_on,
        spelling=spelling,
        code=dict(code or {}),
        data=None if bundled is not None and dataset.root == bundled() else str(dataset.root.resolve()),
        created=now(),
        versions=versions(),
        machine=machine(),
    )


def stored_protocol(run: Run) -> Protocol:
    """Return the protocol that a run was evaluated by, overrides included.

    Raises:
        MissingDataError: The run was never evaluated.
        InputError: The file is damaged.
    """
    path = run.folder / PROTOCOL
    if not path.is_file():
        raise MissingDataError(f"the run in {run.folder} was never evaluated", remedy="Run `sshbench eval` on it")
    return read_protocol(path)


class StoredProtocol(FileModel):
    """The file `protocol.json` of a run: the rules that it was evaluated by, overrides included.

    In format 1 the fields of the protocol were those of the file.
    """

    FORMAT: ClassVar[int] = 2

    format: int = 2
    protocol: Protocol

    @model_validator(mode="before")
    @classmethod
    def _from_format_1(cls, content: object) -> object:
        if isinstance(content, dict) and "protocol" not in content:
            return {"protocol": content}
        return content

    @field_serializer("protocol")
    def _what_is_set(self, protocol: Protocol) -> dict[str, object]:
        # The hash is taken over what is set: a default that is written would change it.
        return protocol.model_dump(mode="json", exclude_unset=True)


def read_protocol(path: Path) -> Protocol:
    """Read the protocol of a run.

    Raises:
        InputError: The file is damaged, or of a newer format.
    """
    return StoredProtocol.read(path, remedy="Evaluate the run again").protocol
