"""Run a detector over a dataset resumably, evaluate it, and keep the result."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from sshbench.curves import curve_csv
from sshbench.datasets.base import Dataset
from sshbench.errors import CheckFailedError, InputError, MissingDataError
from sshbench.evaluation.core import Evaluation, evaluate_set
from sshbench.evaluators.base import Progress
from sshbench.files import write_atomic
from sshbench.protocols import Protocol
from sshbench.records import Finding
from sshbench.runs import METRICS, PROTOCOL, Run


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


def store_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Write an evaluation into its run: the record, the protocol it was made by, and the curves as CSV."""
    for name, curve in evaluation.curves.items():
        write_atomic(run.folder / "curves" / f"{name}.csv", curve_csv(curve))
    for name, text in (evaluation.outcome.texts or {}).items():
        write_atomic(run.folder / name, text)
    run.write_json(PROTOCOL, evaluation.protocol.model_dump(mode="json", exclude_unset=True))
    # Last, so that a run with metrics has everything that belongs to them.
    run.write_json(METRICS, evaluation.record.model_dump(mode="json"))


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
