"""Turn network outputs into boxes on the host: decode, clip, best 1 000 of each module, pool, threshold, NMS.

`device` does the same on an accelerator. Box arithmetic is in single precision, overlap in double.

Source: SSH release, SSH/layers/proposal_layer.py, SSH/test.py, lib/nms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.boxes import nms
from sshbench.records import Detections
from sshbench.ssh.anchors import Float32Array, anchors

PER_MODULE = 1000


@dataclass(frozen=True, slots=True, eq=False)
class LevelOutputs:
    """The network's outputs for one image at one scale.

    Attributes:
        modules: Per module, class scores (4, h, w) and deltas (8, h, w), float32; None for an omitted module.
        size: Height and width of the network's input in pixels.
        scale: Network pixels per original pixel.
    """

    modules: Sequence[tuple[Float32Array, Float32Array] | None]
    size: tuple[int, int]
    scale: float


def face_scores(cls: Float32Array) -> Float32Array:
    """Return the softmax of background against face, by row, column and anchor: float32 (h * w * 2,).

    Channels 0 and 1 of `cls` (4, h, w) are the background of both anchors, 2 and 3 their face.
    """
    with np.errstate(over="ignore"):
        odds = np.exp(cls[:2] - cls[2:])
    scores: Float32Array = (np.float32(1) / (np.float32(1) + odds)).transpose(1, 2, 0).reshape(-1)
    return scores


def decode(boxes: Float32Array, deltas: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Move anchors by deltas and clip them to the network's input.

    Args:
        boxes: float32 (n, 4), anchors in inclusive corners, so that a side is `x2 - x1 + 1`.
        deltas: float32 (n, 4): shift of the centre and logarithm of the growth, in units of the anchor's sides.
        size: Height and width of the network's input.

    Returns:
        float32 (n, 4). A decoded box's corners are its centre -+ half its side, without the -1 that would match the
        anchors' convention: the release decodes so, and its models are trained to it.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    centres = boxes[:, :2] + np.float32(0.5) * sides
    centres = deltas[:, :2] * sides + centres
    with np.errstate(over="ignore"):
        half = np.float32(0.5) * (np.exp(deltas[:, 2:]) * sides)
    corners = np.concatenate((centres - half, centres + half), axis=1)
    limits = np.array([size[1] - 1, size[0] - 1] * 2, dtype=np.float32)
    clipped: Float32Array = np.minimum(np.maximum(corners, np.float32(0)), limits)
    return clipped


def module_boxes(
    module: int,
    cls: Float32Array,
    bbox: Float32Array,
    size: tuple[int, int],
    threshold: float,
    count: int = PER_MODULE,
) -> tuple[Float32Array, Float32Array]:
    """Return boxes and scores of a module above the threshold: the best `count`, by falling score.

    Of equal scores the earlier anchor comes first. The threshold can be applied before the best are chosen, because it
    removes the lowest scores.
    """
    scores = face_scores(cls)
    rows = np.flatnonzero(scores > threshold)
    rows = rows[np.argsort(-scores[rows], kind="stable")[:count]]
    deltas = bbox.reshape(2, 4, -1).transpose(2, 0, 1).reshape(-1, 4)[rows]
    return decode(anchors(module, *cls.shape[1:])[rows], deltas, size), scores[rows]


def pooled(levels: Sequence[LevelOutputs], threshold: float) -> tuple[Float32Array, Float32Array]:
    """Return boxes of all modules and levels in original pixels, and their scores, above the threshold."""
    boxes: list[Float32Array] = []
    scores: list[Float32Array] = []
    for level in levels:
        for module, outputs in enumerate(level.modules):
            if outputs is not None:
                found, found_scores = module_boxes(module, *outputs, level.size, threshold)
                boxes.append(found / np.float32(level.scale))
                scores.append(found_scores)
    return np.concatenate(boxes), np.concatenate(scores)


def detections_of(levels: Sequence[LevelOutputs], threshold: float, nms_iou: float, top_k: int | None) -> Detections:
    """Pool the modules of all levels, in original pixels, and apply NMS.

    Args:
        levels: One for single-scale testing, four for a pyramid.
        threshold: Scores must be greater.
        nms_iou: A box is suppressed at a greater IoU (sides + 1) with a better one.
        top_k: Maximum number of detections; None for all.
    """
    return suppressed(*pooled(levels, threshold), nms_iou, top_k)


def suppressed(boxes: Float32Array, scores: Float32Array, nms_iou: float, top_k: int | None) -> Detections:
    """Greedy NMS with sides + 1, in double precision."""
    corners, sure = boxes.astype(np.float64), scores.astype(np.float64)
    kept = nms(corners, sure, nms_iou, inclusive=True)[:top_k]
    return Detections(corners[kept], sure[kept])
