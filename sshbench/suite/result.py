"""What became of a run of a suite."""

from __future__ import annotations

from sshbench.models import StrictModel


class SuiteResult(StrictModel):
    """What became of one run.

    Attributes:
        dataset: Name of the dataset.
        detector: Name of the detector.
        folder: Of the run.
        metrics: Fractions; None where a figure is not defined, empty where the run failed.
        error: Why it failed; empty where it did not.
    """

    dataset: str
    detector: str
    folder: str
    metrics: dict[str, float | None]
    error: str = ""
