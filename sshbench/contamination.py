"""Whether the model of a result may have seen images of the benchmark; every table shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Domain = Literal["in domain", "cross-data", "unknown"]

BENCHMARKS = ("afw", "fddb", "pascal", "wider")
"""Datasets that a training set can name; for others (your own, `coco`) the answer is unknown."""


def domain_of(trained_on: Iterable[str] | None, dataset: str) -> Domain:
    """Return whether the model of a result may have seen such images.

    Args:
        trained_on: Benchmarks whose training images the model saw; None where that is not known.
        dataset: Name of the dataset that it is measured on.

    Returns:
        `in domain` where the benchmark's own training images were among the training data, `cross-data` where none of
        them was, `unknown` where the training data or the dataset is not known.

    >>> domain_of(["wider"], "wider"), domain_of(["wider"], "afw"), domain_of(None, "afw")
    ('in domain', 'cross-data', 'unknown')
    """
    if trained_on is None or dataset not in (*BENCHMARKS, "sample"):
        return "unknown"
    return "in domain" if dataset in trained_on else "cross-data"


DOMAIN_MARKS: dict[Domain, str] = {
    "in domain": "in domain",
    "cross-data": "cross-data",
    "unknown": "training data unknown",
}
"""Words for tables."""

DOMAIN_SHORT: dict[Domain, str] = {"in domain": "in", "cross-data": "cross", "unknown": "?"}
"""Marks of narrow columns."""
DOMAIN_SHORT_NOTE = "in domain, cross-data, or ? where the training data are not known"
DOMAIN_NOTE = (
    "In domain: the model was trained on this benchmark's own training images; cross-data: on none of them. "
    "The two cannot be compared."
)
