"""Test-time augmentation: a detector that sees an image at several scales and in a mirror, by a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sshbench.boxes import aligned_iou, nms
from sshbench.detectors.contract import Detector, ExplainsItself, FollowsImages, Prepared, Settings
from sshbench.detectors.cost import HasCost, NetworkCost, mean_cost
from sshbench.detectors.recipe import RECIPE, RECIPE_HASH, Merge, Pass, Recipe
from sshbench.errors import UsageError
from sshbench.records import Detections, FloatArray, Image


@runtime_checkable
class ResizesExactly(Protocol):
    """A detector that resizes images itself, without rounding pixels to whole grey levels; optional."""

    def preprocess_at(self, image: Image, scale: float) -> Prepared[Any]:
        """Turn an image into the input at a scale; `postprocess` then returns boxes in pixels of the resized image."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """An image as the passes see it.

    Attributes:
        width: Of the fitted image.
        passes: Each with the network's input.
        back: Original pixels per pixel of the fitted image, float64 (4,), for the corners of a box.
    """

    width: int
    passes: list[tuple[Pass, Prepared[Any]]]
    back: FloatArray


def explaining_part(detector: Detector) -> ExplainsItself | None:
    """Return the detector, or the one inside an augmented one, if a result must say more of it; else None."""
    inner = detector.detector if isinstance(detector, Augmented) else detector
    return inner if isinstance(inner, ExplainsItself) else None


class Augmented:
    """A detector that runs another one on every pass of a recipe and merges what it finds.

    Args:
        detector: A loaded detector.
        recipe: The recipe.

    Raises:
        UsageError: The detector resizes images itself, so that the recipe's scales would have no effect, or it follows
            the images of a dataset.
    """

    def __init__(self, detector: Detector, recipe: Recipe) -> None:
        if isinstance(detector, FollowsImages):
            raise UsageError(f"detector '{detector.info.name}' takes no --tta: its detections are made already")
        if recipe.changes_size and (detector.info.fixed_size or detector.settings.resize != "original"):
            what = "has a fixed input" if detector.info.fixed_size else f"resizes to {detector.settings.resize}"
            raise UsageError(
                f"recipe '{recipe.name}' has several scales, but detector '{detector.info.name}' {what}",
                remedy="Use a recipe of one scale, such as flip, or --resize original",
            )
        self.detector = detector
        self.recipe = recipe
        self.info = detector.info
        self.weights_sha256 = detector.weights_sha256
        self.trained_on = getattr(detector, "trained_on", None)

    @property
    def settings(self) -> Settings:
        """The detector's settings, with the name of the recipe and its hash."""
        inner = self.detector.settings
        return replace(inner, extra={**inner.extra, RECIPE: self.recipe.name, RECIPE_HASH: self.recipe.hash})

    @settings.setter
    def settings(self, settings: Settings) -> None:
        extra = {name: value for name, value in settings.extra.items() if name not in (RECIPE, RECIPE_HASH)}
        self.detector.settings = replace(settings, extra=extra)

    def load(self) -> None:
        """Do nothing: the detector is loaded already."""

    def fit(self, image: Image) -> Image:
        """Return the image, shrunk to fit into the recipe's `fit` where it is larger.

        `preprocess` does it too, and leaves an image as it is that was fitted before.
        """
        height, width = image.shape[:2]
        size = self.recipe.fitted(width, height)
        if size == (width, height):
            return image
        import cv2

        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def preprocess(self, image: Image) -> Prepared[_Seen]:
        """Fit the image and make the detector's input for every pass."""
        fitted = self.fit(image)
        height, width = fitted.shape[:2]
        # Each side by its own factor: sides of the fitted image are whole numbers.
        back = np.tile((image.shape[1] / width, image.shape[0] / height), 2)
        passes = self.recipe.passes_for(height, width)
        made = [(one, self._input(fitted, one)) for one in passes]
        return Prepared(_Seen(width, made, back), 1.0)

    def _input(self, fitted: Image, one: Pass) -> Prepared[Any]:
        if isinstance(self.detector, ResizesExactly) and one.scale != 1:
            return self.detector.preprocess_at(_mirrored(fitted) if one.flip else fitted, one.scale)
        return self.detector.preprocess(_seen(fitted, one))

    def cost(self, prepared: Prepared[_Seen]) -> NetworkCost | None:
        """Return size and work of the network for all passes; None where the detector does not say."""
        if not isinstance(self.detector, HasCost):
            return None
        passes = prepared.data.passes
        mean = mean_cost([cost for _, made in passes if (cost := self.detector.cost(made)) is not None])
        return mean and mean.model_copy(update={"gflop": mean.gflop * len(passes)})

    def forward(self, prepared: Prepared[_Seen]) -> list[Any]:
        """Run the network on every pass."""
        return [self.detector.forward(one) for _, one in prepared.data.passes]

    def postprocess(self, outputs: list[Any], prepared: Prepared[_Seen]) -> Detections:
        """Drop the detections that a pass is not for, merge those of all passes, and bring them into the original."""
        seen, merge = prepared.data, self.recipe.merge
        boxes, scores = [np.empty((0, 4))], [np.empty(0)]
        for (one, made), out in zip(seen.passes, outputs, strict=True):
            found = self.detector.postprocess(out, made)
            if found.ellipses is not None:
                raise UsageError(f"detector '{self.info.name}' returns ellipses, which no recipe can merge")
            placed = found.boxes / one.scale
            if one.flip:
                placed = np.column_stack(
                    (seen.width - placed[:, 2], placed[:, 1], seen.width - placed[:, 0], placed[:, 3])
                )
            kept = np.ones(len(placed), dtype=np.bool_)
            for window in one.keep:
                kept &= window.fits(placed, one.scale, inclusive=merge is not None and merge.inclusive)
            boxes.append(placed[kept])
            scores.append(found.scores[kept])
        found = Detections(np.concatenate(boxes), np.concatenate(scores))
        if merge is not None:
            found = merged(found.boxes, found.scores, merge)
        return Detections(found.boxes * seen.back, found.scores)


def merged(boxes: FloatArray, scores: FloatArray, rule: Merge) -> Detections:
    """Merge the detections of all passes.

    Args:
        boxes: float64 (n, 4), corners in the original image.
        scores: float64 (n,).
        rule: How.

    Returns:
        Detections by falling score.

    Raises:
        UsageError: Boxes shall vote, and a score is negative.
    """
    if rule.method == "vote" and (lowest := scores.min(initial=0.0)) < 0:
        raise UsageError(
            f"voting weighs boxes by their scores, which go down to {lowest:.4g} here",
            remedy="Use a recipe that merges by NMS, or a --score-threshold of at least 0",
        )
    if rule.method == "nms":
        kept = nms(boxes, scores, rule.iou, inclusive=rule.inclusive)[: rule.top_k]
        return Detections(boxes[kept], scores[kept])
    voted, best = vote(boxes, scores, rule.iou, inclusive=rule.inclusive, drop_single=rule.drop_single)
    return Detections(voted[: rule.top_k], best[: rule.top_k])


def vote(
    boxes: FloatArray, scores: FloatArray, iou: float, *, inclusive: bool = False, drop_single: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Merge boxes by voting.

    By falling score (stable), a box takes all boxes left whose IoU with it is at least `iou`: they become their mean
    weighted by score, with the highest of their scores.

    Args:
        boxes: float64 (n, 4) corners.
        scores: float64 (n,), not negative.
        iou: Least IoU.
        inclusive: Whether a side is `x2 - x1 + 1`.
        drop_single: Drop boxes that take no other one.

    Returns:
        Boxes float64 (k, 4) and scores float64 (k,), by falling score.

    Source: S3FD release, sfd_test_code/WIDER_FACE/wider_test.py, `bbox_vote`.

    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 12, 10], [50, 50, 60, 60]])
    >>> vote(boxes, np.array([0.6, 0.2, 0.4]), 0.5)[0].round(1).tolist()
    [[0.0, 0.0, 10.5, 10.0], [50.0, 50.0, 60.0, 60.0]]
    """
    order = np.argsort(-scores, kind="stable")
    left, weights = boxes[order], scores[order]
    made: list[FloatArray] = []
    best: list[float] = []
    while len(left):
        taken = aligned_iou(left[:1], left, inclusive=inclusive) >= iou
        taken[0] = True  # a box of no size has no IoU with itself
        if not drop_single or taken.sum() > 1:
            weight = weights[taken]
            total = weight.sum()
            mean = (left[taken] * weight[:, None]).sum(axis=0) / total if total > 0 else left[0]
            made.append(mean)
            best.append(float(weight[0]))
        left, weights = left[~taken], weights[~taken]
    return np.array(made).reshape(-1, 4), np.array(best)


def _seen(image: Image, one: Pass) -> Image:
    """Return the image as a pass sees it."""
    import cv2

    seen = image
    if one.scale != 1:
        size = one.size(image.shape[1], image.shape[0])
        seen = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    return _mirrored(seen) if one.flip else seen


def _mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])
