"""Check that a folder holds a benchmark's dataset."""

from __future__ import annotations

from pathlib import Path

from sshbench.datasets.check import CheckItem, DataReport, check_contents
from sshbench.datasets.fetch import fetchable
from sshbench.errors import InputError, MissingDataError
from sshbench.evaluation.benchmarks import benchmark_named, resolve
from sshbench.evaluation.loading import dataset_root, load_dataset
from sshbench.protocols import Protocol


def check_dataset(protocol: Protocol, root: Path | None) -> DataReport:
    """Say what of a dataset is there, what is missing, and whether its counts are the official ones.

    Args:
        protocol: Names the files and the official counts.
        root: The dataset's folder; None for the protocol's own or the bundled one.

    Raises:
        MissingDataError: There is no such folder.
        UsageError: No folder was named for a dataset that needs one.
    """
    folder = dataset_root(protocol, root)
    if not folder.exists():
        raise MissingDataError(f"there is no folder {folder}", remedy="Name the dataset's folder with --data")
    check_files = benchmark_named(protocol.dataset).check_files
    items = [] if check_files is None else resolve(check_files)(protocol, folder)
    try:
        dataset = load_dataset(protocol, folder)
    except (InputError, MissingDataError) as error:
        items.append(CheckItem("annotation", False, True, error.message, error.remedy))
    else:
        items += check_contents(dataset, protocol, _source(protocol, folder))
    return DataReport(protocol.dataset, folder, tuple(items))


def _source(protocol: Protocol, folder: Path) -> str:
    page = protocol.sources[0].url if protocol.sources else "the dataset's page"
    if protocol.dataset in fetchable():
        command = f"`sshbench data fetch {protocol.dataset} --data {folder} --part {protocol.split}`"
        return f"with {command} or from {page}"
    return f"from {page}"
