"""Datasets: where their files lie and how they are read, one module each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.datasets.rules import apply_rules, with_all
from sshbench.errors import UsageError
from sshbench.files import sample_dir
from sshbench.protocols import Protocol, load_protocol

__all__ = ["Dataset", "load_dataset", "load_for_protocol"]


def load_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """Load a dataset by name, with the subsets of its own protocol.

    Args:
        name: `wider`, `fddb`, `pascal`, `afw`, `coco` or `sample`.
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
        protocol: Names dataset, split, files and subsets.
        root: The dataset's folder; default: the protocol's own, and for the sample the bundled one.

    Raises:
        UsageError: The dataset needs a folder and none was given, or there is no such dataset.
        MissingDataError: Files are missing.
        InputError: An annotation file is damaged.
    """
    loader = _LOADERS.get(protocol.dataset)
    if loader is None:
        raise UsageError(f"there is no dataset named '{protocol.dataset}'", remedy=f"Known: {', '.join(_LOADERS)}")
    if root is None:
        root = sample_dir() if protocol.dataset == "sample" else protocol.layout.root
    if root is None:
        raise UsageError(f"{protocol.dataset} needs its folder", remedy="Give it by --data DIR")
    dataset = apply_rules(loader(protocol, Path(root).expanduser()), protocol.subsets)
    return dataset if protocol.evaluation.kind == "wider" else with_all(dataset)


def _load_wider(protocol: Protocol, root: Path) -> Dataset:
    from sshbench.datasets.wider import load_wider

    files = {subset.name: subset.ground_truth for subset in protocol.subsets if subset.ground_truth is not None}
    layout = protocol.layout
    return load_wider(
        root,
        subsets=files,
        split=protocol.split,
        name=protocol.dataset,
        annotation=layout.annotation,
        images=layout.images,
    )


def _load_fddb(protocol: Protocol, root: Path) -> Dataset:
    from sshbench.datasets.fddb import load_fddb

    layout = protocol.layout
    return load_fddb(root, annotation=layout.annotation, images=layout.images, sizes=layout.sizes)


def _load_pascal(protocol: Protocol, root: Path) -> Dataset:
    from sshbench.datasets.pascal import load_pascal

    layout = protocol.layout
    return load_pascal(root, annotation=layout.annotation, images=layout.images, name=protocol.dataset)


def _load_coco(protocol: Protocol, root: Path) -> Dataset:
    from sshbench.datasets.coco import load_coco

    layout = protocol.layout
    return load_coco(
        root, annotation=layout.annotation, images=layout.images, category=layout.category, split=protocol.split
    )


# A dataset's module is imported when it is used. To add one: a loader here, and a protocol that names it.
_LOADERS: dict[str, Callable[[Protocol, Path], Dataset]] = {
    "wider": _load_wider,
    "sample": _load_wider,
    "fddb": _load_fddb,
    "pascal": _load_pascal,
    "afw": _load_pascal,
    "coco": _load_coco,
}
