"""Training targets: which anchors of a module learn, and what they learn.

Only anchors inside the image take part (those of the third module may extend beyond it by 512 pixels). An anchor is
positive from IoU 0.5 with a face, negative below 0.3 with every face. Per module and image, 256 anchors are sampled, at
most 64 of them positive, the hardest of both kinds. A face whose best anchor has a smaller IoU has no positive anchor.

Source: SSH release, SSH/layers/anchor_target_layer.py and the modules' parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.boxes import pairwise_iou
from sshbench.records import BoolArray, FloatArray, IntArray
from sshbench.ssh.anchors import Float32Array, anchors

ALLOWED_BORDER = (0, 0, 512)
"""Pixels by which the anchors of each module may extend beyond the image."""
POSITIVE, NEGATIVE, LEFT_OUT = 1, 0, -1
_FACES_PER_BLOCK = 64  # the IoU matrix of a crowd at 1200 x 1600 would not fit into memory


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Numbers of the assignment; the defaults are the release's.

    Attributes:
        positive_iou: Minimum IoU with a face for a positive anchor.
        negative_iou: An anchor is negative if its IoU with every face is below this.
        ignored_part: Extension: a negative anchor with more than this share of its area in an ignored region is left
            out.
        sampled: Anchors per module and image that learn.
        positives: Maximum number of positive anchors among them.
        border: Extension: pixels by which the anchors of every module may extend beyond the image; None for
            `ALLOWED_BORDER`. Anchors that never take part never learn that they are wrong: a network that does not
            start from ImageNet's features then detects faces at image borders.
        box_weight: Weight of the box loss relative to the class loss, the paper's lambda.
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
    """Targets of one module on one image, ordered by row, column and anchor.

    Attributes:
        labels: int8 (n,): `POSITIVE`, `NEGATIVE` or `LEFT_OUT`.
        deltas: float32 (n, 4), see `encode`; from positive anchors to the face with the largest IoU, zeros elsewhere.
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
    """Label the anchors of a module and encode their boxes.

    Args:
        module: 0 to 2.
        feature: Height and width of the module's feature map.
        image: Height and width of the network input in pixels.
        faces: float64 (m, 4): x1 y1 x2 y2 in inclusive pixels of the input.
        ignored: float64 (k, 4): regions that may contain unlabelled faces, in the same coordinates.
        rules: Numbers of the assignment; None for the release's.
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
    """Return, per anchor, whether it extends beyond the image of (height, width) by at most `border` pixels."""
    height, width = image
    starts = (boxes[:, :2] >= -border).all(axis=1)
    found: BoolArray = starts & (boxes[:, 2] < width + border) & (boxes[:, 3] < height + border)
    return found


def encode(boxes: FloatArray, faces: FloatArray) -> Float32Array:
    """Encode faces relative to anchors, row by row.

    Args:
        boxes: float64 (n, 4) anchors, inclusive corners.
        faces: float64 (n, 4) faces, inclusive corners.

    Returns:
        float32 (n, 4): shift of the centre in x and y, in anchor sides; logarithm of the ratio of widths and heights.
        A side is x2 - x1 + 1 and a centre is x1 + side / 2, as in the release.
    """
    sides, wanted = boxes[:, 2:] - boxes[:, :2] + 1, faces[:, 2:] - faces[:, :2] + 1
    shift = (faces[:, :2] + 0.5 * wanted) - (boxes[:, :2] + 0.5 * sides)
    return np.hstack((shift / sides, np.log(wanted / sides))).astype(np.float32)


def sample_anchors(
    labels: npt.NDArray[np.int8], face_scores: Float32Array, rules: MatchRules | None = None
) -> IntArray:
    """Choose the anchors that learn: the positives with the lowest face scores, the negatives with the highest.

    Args:
        labels: int8 (n,).
        face_scores: float32 (n,), from the current weights, without gradient.
        rules: Numbers of the sampling; None for the release's.

    Returns:
        int64 (k,) indices, positives first; of equal scores the earlier anchor comes first.
    """
    rules = rules or MatchRules()
    positive, negative = np.flatnonzero(labels == POSITIVE), np.flatnonzero(labels == NEGATIVE)
    hardest = positive[np.argsort(face_scores[positive], kind="stable")[: min(rules.positives, rules.sampled)]]
    left = rules.sampled - len(hardest)
    worst = negative[np.argsort(-face_scores[negative], kind="stable")[:left]]
    return np.concatenate((hardest, worst))


def _best_faces(boxes: FloatArray, faces: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return, per box, the first face with the largest IoU, and that IoU (0 without faces)."""
    best, overlap = np.zeros(len(boxes), dtype=np.int64), np.zeros(len(boxes))
    for start in range(0, len(faces), _FACES_PER_BLOCK):
        iou = pairwise_iou(boxes, faces[start : start + _FACES_PER_BLOCK], inclusive=True)
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
