"""Subsets by rule: faces that count by their height and attributes, as a user's own protocol says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.flat import counted
from sshbench.protocols import Subset
from sshbench.records import BoolArray, FaceSet, Finding


def apply_rules(dataset: Dataset, subsets: Sequence[Subset]) -> Dataset:
    """Set the ignore flags of subsets that have a rule, or that no file lists.

    A rule on a subset that a file lists narrows it: a face counts if the file lists it and the rule lets it through.

    Args:
        dataset: Ground truth with the flags of the subsets that files list; not changed.
        subsets: The protocol's subsets.

    Raises:
        UsageError: A rule names an attribute that the dataset does not have, or a subset names a file that the dataset
            does not read.
    """
    ignore = dict(dataset.faces.ignore)
    invalid = dataset.faces.attributes.get("invalid")
    findings: list[Finding] = []
    changed = False
    for subset in subsets:
        if subset.ground_truth is not None and subset.name not in ignore:
            raise UsageError(
                f"subset '{subset.name}': dataset '{dataset.name}' has no list of faces '{subset.ground_truth}'",
                remedy="Choose the faces by min_height, max_height or attributes",
            )
        if subset.has_rule or subset.name not in ignore:
            ignore[subset.name] = _ignored(dataset.faces, subset)
            changed = True
            if subset.ground_truth is None and "invalid" not in subset.attributes and invalid is not None:
                count = int(np.count_nonzero((invalid != 0) & ~ignore[subset.name]))
                if count:
                    text = (
                        f"{counted(count, 'face')} marked invalid {'counts' if count == 1 else 'count'} in subset "
                        f"'{subset.name}'; attributes = {{ invalid = [0] }} leaves them out"
                    )
                    findings.append(Finding("invalid-faces", text))
    if not changed:
        return dataset
    faces = replace(dataset.faces, ignore=ignore)
    return replace(dataset, faces=faces, findings=(*dataset.findings, *findings))


def with_all(dataset: Dataset) -> Dataset:
    """Add the flags `all`, which evaluations without subsets look at, where the annotation ignores no face."""
    if "all" in dataset.faces.ignore:
        return dataset
    ignore = {**dataset.faces.ignore, "all": np.zeros(dataset.faces.total, dtype=np.bool_)}
    return replace(dataset, faces=replace(dataset.faces, ignore=ignore))


def _ignored(faces: FaceSet, subset: Subset) -> BoolArray:
    # What the annotation itself ignores stays ignored whatever the rule says.
    ignored = np.array(faces.ignore.get(subset.name, faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))))
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    if subset.min_height is not None:
        ignored |= heights < subset.min_height
    if subset.max_height is not None:
        ignored |= heights > subset.max_height
    for name, codes in subset.attributes.items():
        if name not in faces.attributes:
            known = ", ".join(faces.attributes) or "none"
            raise UsageError(
                f"subset '{subset.name}': the dataset has no attribute '{name}'", remedy=f"It has: {known}"
            )
        ignored |= ~np.isin(faces.attributes[name], codes)
    return ignored
