"""Evaluate while a model is trained: collect predictions image by image, then compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import overload

import numpy.typing as npt

from sshbench.datasets.base import Dataset
from sshbench.errors import UsageError
from sshbench.evaluation.api import Prediction, as_detections, evaluate
from sshbench.evaluation.loading import load_benchmark
from sshbench.evaluation.result import Evaluation
from sshbench.protocols import Protocol
from sshbench.records import Detections


class Evaluator:
    """Predictions that are collected and evaluated, for training loops.

    Args:
        dataset: As for `evaluate`.
        data: As for `evaluate`.
        protocol: As for `evaluate`.
        detector: Name that results carry.

    Attributes:
        dataset: Images and ground truth; loaded once.
        protocol: The rules.

    >>> import sshbench
    >>> evaluator = sshbench.Evaluator("sample")
    >>> for image in evaluator.dataset.keys:
    ...     evaluator.update(image, [[10, 20, 50, 70]], [0.9])
    >>> evaluator.compute().record.detections
    24
    >>> evaluator.reset()
    >>> len(evaluator)
    0
    """

    def __init__(
        self,
        dataset: str | Path | Protocol | Dataset,
        *,
        data: str | Path | None = None,
        protocol: str | Path | Protocol | None = None,
        detector: str = "model",
    ) -> None:
        self.dataset, self.protocol = load_benchmark(dataset, data, protocol)
        self._detector = detector
        self._known = frozenset(self.dataset.all_keys)
        self._found: dict[str, Detections] = {}

    @overload
    def update(self, image: Mapping[str, Prediction]) -> None: ...

    @overload
    def update(self, image: str, boxes: Detections) -> None: ...

    @overload
    def update(self, image: str, boxes: npt.ArrayLike, scores: npt.ArrayLike) -> None: ...

    def update(
        self,
        image: str | Mapping[str, Prediction],
        boxes: npt.ArrayLike | Detections | None = None,
        scores: npt.ArrayLike | None = None,
    ) -> None:
        """Add the predictions of one image, or of several by key; an image added before is replaced.

        Args:
            image: Key of the image, or predictions by key.
            boxes: Numbers (n, 4), corners x1, y1, x2, y2 in pixels of the original image, x2 = x1 + w; or `Detections`.
            scores: Numbers (n,), higher is more certain.

        Raises:
            UsageError: The dataset does not have the image, or the arrays have another shape.
        """
        if not isinstance(image, str):
            for key, prediction in image.items():
                self._add(key, prediction)
        elif isinstance(boxes, Detections):
            self._add(image, boxes)
        elif boxes is None or scores is None:
            raise UsageError(f"image '{image}': boxes and scores are needed", remedy="Pass both")
        else:
            self._add(image, (boxes, scores))

    def _add(self, key: str, prediction: Prediction) -> None:
        if key not in self._known:
            raise UsageError(
                f"there is no image '{key}' in {self.dataset.name}",
                remedy=f"Its keys are like '{self.dataset.keys[0]}': `evaluator.dataset.keys` lists them",
            )
        self._found[key] = as_detections(key, prediction)

    def compute(self, *, only_updated: bool = False) -> Evaluation:
        """Evaluate the predictions collected so far; more can be added afterwards.

        Args:
            only_updated: Evaluate on the images that were added only, for a validation on a part of the dataset. The
                default evaluates on all images: those without predictions count as images without detections.

        Raises:
            UsageError: `only_updated`, and no image was added.
        """
        if only_updated and not self._found:
            raise UsageError("no image was added", remedy="Call update first")
        part = self.dataset.restricted(set(self._found)) if only_updated else self.dataset
        return evaluate(part, self._found, protocol=self.protocol, detector=self._detector)

    def reset(self) -> None:
        """Discard all predictions."""
        self._found.clear()

    def __len__(self) -> int:
        """Return the number of images that have predictions."""
        return len(self._found)

    def __repr__(self) -> str:
        return f"Evaluator({self.protocol.name}, {len(self)} of {len(self.dataset.keys)} images have predictions)"
