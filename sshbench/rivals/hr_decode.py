"""Turn the outputs of HR into boxes: choose cells by their logits, decode, NMS over all levels, round or clip.

Source: peiyunh/tiny, cnn_widerface_test_AB.m, tiny_face_detector.m and toolbox/nms (MIT, 2016 and 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sshbench.boxes import nms
from sshbench.records import Detections, FloatArray, IntArray
from sshbench.rivals.hr_graph import ReceptiveField

Cells = tuple[IntArray, FloatArray, FloatArray]
"""Template, row and column (n, 3); logits (n,); deltas (n, 4)."""


def chosen_cells(logits: Any, deltas: Any, used: IntArray, threshold: float) -> Cells:
    """Return the cells of the used templates whose logit exceeds the threshold.

    They are ordered by template, column and row, in which MATLAB finds them; NMS breaks ties by this order.

    Args:
        logits: float32 (t, h, w), an array, or a tensor on any device.
        deltas: float32 (4 t, h, w), likewise: all shifts in x, in y, then growths in width and in height.
        used: Rows of the templates that are used.
        threshold: Logit to exceed.

    Returns:
        Arrays on the host.
    """
    if not isinstance(logits, np.ndarray):
        return _chosen_on_device(logits, deltas, used, threshold)
    place, column, row = np.nonzero(logits[used].transpose(0, 2, 1) > threshold)
    template = used[place]
    values = deltas.reshape(4, len(logits), *logits.shape[1:])[:, template, row, column].T
    cells = np.column_stack((template, row, column))
    return cells, logits[template, row, column].astype(np.float64), values.astype(np.float64)


def _chosen_on_device(logits: Any, deltas: Any, used: IntArray, threshold: float) -> Cells:
    import torch

    index = torch.as_tensor(used, device=logits.device)
    place, column, row = torch.nonzero(logits[index].transpose(1, 2) > threshold, as_tuple=True)
    template = index[place]
    values = deltas.reshape(4, len(logits), *logits.shape[1:])[:, template, row, column].T
    cells = torch.stack((template, row, column), dim=1).cpu().numpy()
    chosen = logits[template, row, column].double().cpu().numpy()
    return cells, chosen, values.double().cpu().numpy()


def best_logits(logits: Any, used: IntArray, count: int) -> Any:
    """Return the `count` best logits of the used templates, or all if there are no more, in any order, on the host.

    Args:
        logits: As for `chosen_cells`.
        used: As for `chosen_cells`.
        count: Their number.
    """
    flat = logits[used].reshape(-1)
    least = max(len(flat) - count, 0)
    if isinstance(flat, np.ndarray):
        return np.partition(flat, least)[least:] if least else flat
    return flat.topk(len(flat) - least).values.double().cpu().numpy()


def decoded(cells: Cells, templates: FloatArray, field: ReceptiveField) -> FloatArray:
    """Return the boxes of cells in pixels of the level, float64 (n, 4); its first pixel is 1.

    A corner is the centre -+ half the side, without the -1 that would match the templates' inclusive sides.

    Args:
        cells: As `chosen_cells` returns them.
        templates: float64 (t, 5), x1, y1, x2, y2, scale.
        field: Of the network's output; its offset is used as it is.
    """
    places, _, deltas = cells
    sides = templates[places[:, 0], 2:4] - templates[places[:, 0], :2] + 1
    centres = field.offset + field.stride * places[:, [2, 1]] + sides * deltas[:, :2]
    with np.errstate(over="ignore"):
        half = sides * np.exp(deltas[:, 2:]) / 2
    return np.hstack((centres - half, centres + half))


def suppressed(boxes: FloatArray, scores: FloatArray, nms_iou: float) -> tuple[FloatArray, FloatArray]:
    """Apply greedy NMS with inclusive sides in double precision; return boxes and scores by falling score."""
    kept = nms(boxes, scores, nms_iou, inclusive=True)
    return boxes[kept], scores[kept]


def rounded(boxes: FloatArray, scores: FloatArray) -> Detections:
    """Round corners to whole pixels, halves away from zero, and count both ends: a width is x2 - x1 + 1."""
    corners = np.copysign(np.floor(np.abs(boxes) + 0.5), boxes)
    return Detections(corners + np.array([0, 0, 1, 1]), scores)


def clipped(boxes: FloatArray, scores: FloatArray, height: int, width: int) -> Detections:
    """Clip corners to 1..width and 1..height, as the demo does."""
    return Detections(np.clip(boxes, 1, (width, height, width, height)), scores)
