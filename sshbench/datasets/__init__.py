"""Datasets: where their files lie and how they are read, one module each."""

from __future__ import annotations

from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.protocols import Protocol, load_protocol
from sshbench.resources import sample_dir

__all__ = ["Dataset", "load_dataset", "load_for_protocol"]


def load_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """Load a dataset by name, with the subsets of its own protocol.

    Args:
        name: `wider` or `sample`.
        root: The dataset's folder; not needed for the bundled sample.

    Raises:
        UsageError: The dataset needs a folder and none was given, or there is no such dataset.
        MissingDataError: Files are missing.
        InputError: An annotation file is damaged.

    >>> load_dataset("sample").name
    'sample'
    """
    return load_for_protocol(load_protocol(name), root)


def load_for_protocol(protocol: Protocol, root: str | Path | None = None) -> Dataset:
    """Load the dataset that a protocol names, with the protocol's subsets.

    Args:
        protocol: Names dataset, split and subset files.
        root: The dataset's folder; not needed for the bundled sample.

    Raises:
        UsageError: The dataset needs a folder and none was given, or there is no such dataset.
        MissingDataError: Files are missing.
        InputError: An annotation file is damaged.
    """
    # Imported here so that a dataset's module is only loaded when it is used.
    from sshbench.datasets.wider import load_wider

    if protocol.dataset not in ("wider", "sample"):
        raise UsageError(f"there is no dataset named '{protocol.dataset}'", remedy="Known: wider, sample")
    if protocol.dataset == "sample":
        root = sample_dir() if root is None else root
    if root is None:
        raise UsageError(f"{protocol.dataset} needs its folder", remedy="Give it by --data DIR")
    subsets = {subset.name: subset.ground_truth for subset in protocol.subsets}
    return load_wider(root, subsets=subsets, split=protocol.split, name=protocol.dataset)
