"""Check the annotation of a benchmark's dataset, also one that cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sshbench.datasets.label_kinds import KINDS, LabelIssue
from sshbench.datasets.labels import LabelReport, check_labels
from sshbench.errors import InputError
from sshbench.evaluation.benchmarks import benchmark_named, resolve
from sshbench.evaluation.loading import dataset_root, load_dataset
from sshbench.protocols import Protocol, load_protocol


def check_annotation(
    dataset: str | Path | Protocol, data: str | Path | None = None, progress: Callable[[int], None] | None = None
) -> LabelReport:
    """List suspicious annotations of a dataset.

    Args:
        dataset: Name of a dataset, path of a protocol file, or protocol.
        data: The dataset's folder, or its annotation file; None for the protocol's own or the bundled one.
        progress: Called with the number of images that were read since the last call.

    Returns:
        What was found. Where the annotation cannot be loaded, its invalid rows are all that is found.

    Raises:
        MissingDataError: There is no annotation.
        UsageError: No folder was named for a dataset that needs one.

    >>> import sshbench
    >>> sshbench.check_annotation("sample").ok
    True
    """
    protocol = dataset if isinstance(dataset, Protocol) else load_protocol(dataset)
    folder = dataset_root(protocol, data)
    try:
        loaded = load_dataset(protocol, folder)
    except InputError as error:
        found = _all_problems(protocol, folder) or [error]
        return LabelReport(protocol.dataset, folder, 0, 0, 0, tuple(map(_issue, found)))
    return check_labels(loaded, progress)


def _all_problems(protocol: Protocol, folder: Path) -> list[InputError]:
    """Return all invalid rows, where the benchmark can list them and its files can be found."""
    problems = benchmark_named(protocol.dataset).label_problems
    try:
        return [] if problems is None else resolve(problems)(protocol, folder)
    except InputError:
        return []


def _issue(error: InputError) -> LabelIssue:
    where = f"{error.file}" + (f":{error.line}" if error.line is not None else "")
    text = error.message.removeprefix(where).removeprefix(f", field '{error.field}'").removeprefix(": ")
    return LabelIssue(
        KINDS["invalid-row"].severity,
        "invalid-row",
        text,
        error.file,
        error.line,
        error.field,
        value="",
        remedy=error.remedy or KINDS["invalid-row"].remedy,
    )
