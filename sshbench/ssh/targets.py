"""Which anchors a module learns from, and what they should say.

Source: SSH release, SSH/layers/anchor_target_layer.py and the modules' parameters; spec numbers: anchors inside the
image only (the third module's may hang over by 512 pixels), positive from IoU 0.5, negative below 0.3, 256 anchors a
module and image, at most 64 of them positive, the hardest of both kinds. No face is forced upon its best anchor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.boxes import pairwise_iou
from sshbench.records import BoolArray, FloatArray, IntArray
from sshbench.ssh.anchors import Float32Array, anchors

ALLOWED_BORDER = (0, 0, 512)
"""Pixels that the anchors of each module may hang over the image's border."""
POSITIVE, NEGATIVE, LEFT_OUT = 1, 0, -1
_FACES_AT_A_TIME = 64  # the matrix of overlaps of a crowd at 1200 x 1600 would not fit into memory


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Numbers of the assignment.

    Attributes:
        positive_iou: Anchors with at least this IoU with a face are positive.
        negative_iou: Anchors below it with every face are negative.
        ignored_part: Ours: negatives that lie by more than this part of their area in an ignored region are left out.
        sampled: Anchors of a module and image that learn.
        positives: Most positive ones among them.
        border: Ours: pixels that the anchors of every module may hang over; None for the release's. What never takes
            part is never told that it is wrong: a network without ImageNet's features then finds faces at borders.
        box_weight: The paper's lambda, of the box loss against the class loss (1 there).
    """

    positive_iou: float = 0.5
    negative_iou: float = 0.3
    ignored_part: float = 0.5
    sampled: int = 256
    positives: int = 64
    border: int | None = None
    box_weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Of one module on one image.

    Attributes:
        labels: int8 (n,), `POSITIVE`, `NEGATIVE` or `LEFT_OUT`, by row, column and anchor.
        deltas: float32 (n, 4), towards the face with the largest IoU; zeros where the anchor is not positive.
    """

    labels: npt.NDArray[np.int8]
    deltas: Float32Array


def module_targets(
    module: int,
    feature: tuple[int, int],
    image: tuple[int, int],
    faces: FloatArray,
    ignored: FloatArray,
    rules: MatchRules | None = None,
) -> Targets:
    """Label a module's anchors and encode what they should be moved by.

    Args:
        module: 0 to 2.
        feature: Height and width of its feature map.
        image: Height and width of the network's input in pixels.
        faces: float64 (m, 4), corners in inclusive pixels of the input.
        ignored: float64 (k, 4), regions in which nothing is known.
        rules: Default: the release's.
    """
    rules = rules or MatchRules()
    boxes = anchors(module, *feature).astype(np.float64)
    labels = np.full(len(boxes), LEFT_OUT, dtype=np.int8)
    deltas = np.zeros((len(boxes), 4), dtype=np.float32)
    border = ALLOWED_BORDER[module] if rules.border is None else rules.border
    rows = np.flatnonzero(inside(boxes, image, border))
    if not len(rows):
        rows = np.arange(len(boxes))
    best, overlap = _best_faces(boxes[rows], faces)
    labels[rows[overlap < rules.negative_iou]] = NEGATIVE
    labels[rows[_mostly_within(boxes[rows], ignored, rules.ignored_part) & (overlap < rules.negative_iou)]] = LEFT_OUT
    positive = np.flatnonzero(overlap >= rules.positive_iou)
    labels[rows[positive]] = POSITIVE
    if len(positive):
        deltas[rows[positive]] = encode(boxes[rows[positive]], faces[best[positive]])
    return Targets(labels, deltas)


def inside(boxes: FloatArray, image: tuple[int, int], border: int) -> BoolArray:
    """Whether anchors lie in the image of (height, width), or hang over by at most `border` pixels."""
    height, width = image
    starts = (boxes[:, :2] >= -border).all(axis=1)
    found: BoolArray = starts & (boxes[:, 2] < width + border) & (boxes[:, 3] < height + border)
    return found


def encode(boxes: FloatArray, faces: FloatArray) -> Float32Array:
    """Deltas from anchors to faces, row by row: shift of the centre in sides, logarithm of the growth; float32 (n, 4).

    Sides are inclusive (x2 - x1 + 1), and a centre is x1 + side / 2, as in the release.
    """
    sides, wanted = boxes[:, 2:] - boxes[:, :2] + 1, faces[:, 2:] - faces[:, :2] + 1
    shift = (faces[:, :2] + 0.5 * wanted) - (boxes[:, :2] + 0.5 * sides)
    return np.hstack((shift / sides, np.log(wanted / sides))).astype(np.float32)


def sample(labels: npt.NDArray[np.int8], face_scores: Float32Array, rules: MatchRules | None = None) -> IntArray:
    """The anchors that learn, the hardest: positives with the lowest face scores, negatives with the highest.

    Args:
        labels: int8 (n,).
        face_scores: float32 (n,), of the same weights, without gradient.
        rules: Default: the release's.

    Returns:
        int64 (k,), positives first; of equal scores the earlier anchor goes first.
    """
    rules = rules or MatchRules()
    positive, negative = np.flatnonzero(labels == POSITIVE), np.flatnonzero(labels == NEGATIVE)
    hardest = positive[np.argsort(face_scores[positive], kind="stable")[: min(rules.positives, rules.sampled)]]
    left = rules.sampled - len(hardest)
    worst = negative[np.argsort(-face_scores[negative], kind="stable")[:left]]
    return np.concatenate((hardest, worst))


def _best_faces(boxes: FloatArray, faces: FloatArray) -> tuple[IntArray, FloatArray]:
    """For each box the face with the largest IoU, the first of equals, and that IoU; 0 where there is no face."""
    best, overlap = np.zeros(len(boxes), dtype=np.int64), np.zeros(len(boxes))
    for start in range(0, len(faces), _FACES_AT_A_TIME):
        iou = pairwise_iou(boxes, faces[start : start + _FACES_AT_A_TIME], inclusive=True)
        column = iou.argmax(axis=1)
        value = iou[np.arange(len(boxes)), column]
        better = value > overlap
        best[better], overlap[better] = start + column[better], value[better]
    return best, overlap


def _mostly_within(boxes: FloatArray, regions: FloatArray, part: float) -> BoolArray:
    found = np.zeros(len(boxes), dtype=np.bool_)
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    for region in regions:
        ends = np.minimum(boxes[:, 2:], region[2:]) - np.maximum(boxes[:, :2], region[:2]) + 1
        found |= np.prod(np.maximum(ends, 0), axis=1) > part * area
    return found
