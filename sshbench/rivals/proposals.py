"""The region proposal network's anchors, and the proposals that come of its outputs, on the host.

Source: Ren et al., Faster R-CNN, 2015; Jiang and Learned-Miller's release, lib/rpn and lib/fast_rcnn/config.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sshbench.boxes import nms
from sshbench.records import FloatArray, IntArray
from sshbench.rivals.two_stage_layers import ANCHORS, STRIDE
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.decode import decode

RATIOS, SCALES = (0.5, 1.0, 2.0), (8, 16, 32)
BEFORE_NMS, PROPOSAL_IOU, PROPOSALS, MIN_SIDE = 6000, 0.7, 300, 3.0
Suppress = Callable[[FloatArray, float, int], IntArray]
"""NMS: from boxes by falling score, the largest IoU (sides + 1) and the largest number of boxes, to the rows kept."""


def base_anchors() -> Float32Array:
    """Return the anchors of the first cell, by ratio, then scale: float32 (9, 4), inclusive corners.

    The sides of the base box of 16 pixels are rounded for each ratio before they are scaled.

    >>> base_anchors()[[0, 4, 8]].astype(int).tolist()
    [[-84, -40, 99, 55], [-120, -120, 135, 135], [-168, -344, 183, 359]]
    """
    centre = (STRIDE - 1) / 2
    made = []
    for ratio in RATIOS:
        width = round((STRIDE**2 / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in SCALES:
            half = (width * scale - 1) / 2, (height * scale - 1) / 2
            made.append((centre - half[0], centre - half[1], centre + half[0], centre + half[1]))
    return np.array(made, dtype=np.float32)


def anchors(height: int, width: int) -> Float32Array:
    """Return all anchors of a map, by row, column and anchor: float32 (height * width * 9, 4)."""
    rows, columns = np.divmod(np.arange(height * width), max(width, 1))
    shifts = np.column_stack((columns, rows, columns, rows)).astype(np.float32) * np.float32(STRIDE)
    return (shifts[:, None, :] + base_anchors()[None, :, :]).reshape(-1, 4)


def on_host(boxes: FloatArray, threshold: float, most: int) -> IntArray:
    """Apply NMS on the host."""
    return nms(boxes, -np.arange(len(boxes)), threshold, inclusive=True, most=most)


def proposals(
    scores: Float32Array, deltas: Float32Array, size: tuple[int, int], scale: float, suppress: Suppress = on_host
) -> Float32Array:
    """Return the proposals of one image by falling score: float32 (k, 4), k at most 300, in pixels of the input.

    Args:
        scores: float32 (18, h, w): logits of the background of the nine anchors, then of their face.
        deltas: float32 (36, h, w): four numbers of the first anchor, then of the second and so on.
        size: Height and width of the network's input.
        scale: Network pixels per original pixel: proposals with a side below three original pixels are dropped.
        suppress: Applies NMS.
    """
    height, width = scores.shape[1:]
    # The softmax of two classes rises with the difference of their logits, and only the order counts here.
    margin = (scores[ANCHORS:] - scores[:ANCHORS]).transpose(1, 2, 0).reshape(-1)
    moves = deltas.transpose(1, 2, 0).reshape(-1, 4)
    boxes = decode(anchors(height, width), moves, size)
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    rows = np.flatnonzero((sides >= np.float32(MIN_SIDE * scale)).all(axis=1))
    rows = rows[np.argsort(-margin[rows], kind="stable")[:BEFORE_NMS]]
    chosen = boxes[rows]
    return chosen[suppress(chosen.astype(np.float64), PROPOSAL_IOU, PROPOSALS)]
