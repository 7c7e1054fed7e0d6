"""A prediction set as a detector: detectors that run elsewhere take part with the images that are here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter
from sshbench.errors import MissingDataError, UsageError
from sshbench.predictions import read_predictions, set_name
from sshbench.records import Detections, DetectionSet, Finding, Image

_KINDS = {"afw": "pascal", "sample": "wider"}  # whose text format a dataset shares


class Replay(WeightsAdapter):
    """Detections out of a WIDER zip or folder, an FDDB or PASCAL text file, or COCO json, image by image."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="replay",
        title="a prediction set: replay:FILE",
        source="the file's",
        licence="the file's",
        weights=None,
        training_data="not known: say it by --trained-on",
        defaults=Settings(),
        defaults_source="none: the detections are taken as they are",
    )

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        super().__init__(settings=settings, weights=weights)
        self.findings: list[Finding] = []
        self._detections: DetectionSet | None = None
        self._current: Detections | None = None

    def load(self) -> None:
        """Check that there is a file, and take its name."""
        if self._weights is None:
            raise UsageError("replay needs a prediction set", remedy="--detector replay:detections.zip")
        if not self._weights.exists():
            raise MissingDataError(f"there is no prediction set {self._weights}", remedy="Check the path")
        if self.settings != self.info.defaults:
            raise UsageError("replay takes detections as they are: it has no settings")
        self.info = replace(self.info, name=set_name(self._weights))  # type: ignore[misc]  # this one's own

    def attach(self, dataset: Dataset) -> None:
        """Read the detections of a dataset's images."""
        assert self._weights is not None
        kind = _KINDS.get(dataset.name, dataset.name)
        read, self.findings = read_predictions(self._weights, dataset, kind)
        self._detections = read.aligned(dataset.keys)
        self._where = {key: i for i, key in enumerate(dataset.keys)}
        self.weights_sha256 = self._detections.digest

    def seek(self, key: str) -> None:
        """Say which image comes next."""
        self._current = None if self._detections is None else self._detections[self._where[key]]

    def preprocess(self, image: Image) -> Prepared:
        """Nothing to prepare."""
        return Prepared(np.empty(0), 1.0)

    def forward(self, prepared: Prepared) -> Any:
        """The stored detections of the image that was announced."""
        if self._current is None:
            raise UsageError(
                "a prediction set knows images by name, not by content",
                remedy="Use `sshbench eval --detector replay:FILE`",
            )
        return self._current

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """As they are."""
        found: Detections = outputs
        return found
