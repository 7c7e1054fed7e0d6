"""Stored predictions as a detector, so that detectors that run elsewhere take part with the images that are here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.detectors.adapter import WeightsAdapter
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.detectors.with_file import WithFile
from sshbench.errors import MissingDataError, UsageError
from sshbench.evaluation.benchmarks import benchmark_named
from sshbench.evaluation.loading import load_predictions
from sshbench.formats import set_name
from sshbench.records import Detections, DetectionSet, Finding, Image


class Replay(WeightsAdapter):
    """Detections from a WIDER zip or folder, an FDDB or PASCAL text file, or COCO json."""

    info = DetectorInfo(
        name="replay",
        title="a prediction set: replay:FILE",
        source="the file's",
        licence="the file's",
        training_data="unknown: state it with --trained-on",
        defaults_source="none: the detections are taken as they are",
    )

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        super().__init__(settings=settings, weights=weights)
        self.findings: list[Finding] = []
        self._detections: DetectionSet | None = None
        self._current: Detections | None = None

    def load(self) -> None:
        """Check that the file exists, and take its name."""
        if self._weights is None:
            raise UsageError("replay needs a prediction set", remedy="--detector replay:detections.zip")
        if not self._weights.exists():
            raise MissingDataError(f"prediction set {self._weights} does not exist", remedy="Check the path")
        if self.settings != self.info.defaults:
            raise UsageError("replay has no settings: it takes detections as they are")
        self.info = replace(self.info, name=set_name(self._weights))

    def attach(self, dataset: Dataset) -> None:
        """Read the detections of a dataset's images."""
        assert self._weights is not None
        read, self.findings = load_predictions(self._weights, dataset, benchmark_named(dataset.name))
        self._detections = read.aligned(dataset.keys)
        self._where = {key: i for i, key in enumerate(dataset.keys)}
        self.weights_sha256 = self._detections.digest

    def seek(self, key: str) -> None:
        """Announce the next image."""
        self._current = None if self._detections is None else self._detections[self._where[key]]

    def preprocess(self, image: Image) -> Prepared[None]:
        """Return nothing: stored detections need no input."""
        return Prepared(None, 1.0)

    def forward(self, prepared: Prepared[None]) -> Detections:
        """Return the stored detections of the announced image."""
        if self._current is None:
            raise UsageError(
                "a prediction set knows images by name, not by content",
                remedy="Use `sshbench eval --detector replay:FILE`",
            )
        return self._current

    def postprocess(self, outputs: Detections, prepared: Prepared[None]) -> Detections:
        """Return them unchanged."""
        return outputs


def of_file(file: str, *, spec: str | None = None) -> WithFile:
    """Return `replay` for a prediction set: what `replay:FILE` means.

    Raises:
        UsageError: A spec is given.
    """
    if spec is not None:
        raise UsageError(f"replay:{file} takes no --spec", remedy="Leave --spec out")
    return WithFile(Replay, file, f"replay:{file}")
