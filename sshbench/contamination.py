"""Whether a result is on data that its model may have seen: every table says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Domain = Literal["in domain", "cross-data", "unknown"]

BENCHMARKS = ("afw", "fddb", "pascal", "wider")
"""Datasets that a training set can name; of any other (your own, `coco`) nothing can be said."""


def domain_of(trained_on: Iterable[str] | None, dataset: str) -> Domain:
    """What a result on a dataset is of.

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
"""How tables say it."""

DOMAIN_NOTE = (
    "In domain: the model was trained on this benchmark's own training images; cross-data: on none of them. "
    "The two do not compare."
)
