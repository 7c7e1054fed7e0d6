"""Tiny ONNX networks with known outputs: two faces, coded as each family codes them, by arithmetic of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

FACES = np.array([[20.0, 12.0, 44.0, 50.0], [33.0, 30.0, 47.5, 61.25]])
"""Corners in pixels of the network's input, of 64 x 64 pixels and more."""
SCORES = np.array([0.9, 0.6])
STRIDES = (8, 16, 32)


def constant_net(
    path: Path, outputs: Mapping[str, Array], shape: Sequence[int | str], *, dtype: int = TensorProto.FLOAT
) -> Path:
    """Write a network that returns the same outputs for every input."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.ascontiguousarray(values)))
        for name, values in outputs.items()
    ]
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values.dtype), values.shape)
        for name, values in outputs.items()
    ]
    return save(path, nodes, [helper.make_tensor_value_info("image", dtype, list(shape))], values)


def save(path: Path, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], **more: Any) -> Path:
    """Write a network."""
    graph = helper.make_graph(list(nodes), "tiny", list(inputs), list(outputs), **more)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def cell_of(box: Array, stride: int, width: int) -> tuple[int, int, int]:
    """Return number, row and column of the cell that holds the centre of a box."""
    column, row = int((box[0] + box[2]) / 2 // stride), int((box[1] + box[3]) / 2 // stride)
    return row * (width // stride) + column, row, column


def cxcywh(box: Array) -> list[float]:
    return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]


def cell_count(width: int, height: int, strides: Sequence[int] = STRIDES) -> int:
    return sum((width // stride) * (height // stride) for stride in strides)


def logit(score: float) -> float:
    return math.log(score / (1 - score))


Coded = tuple[dict[str, Array], dict[str, Any]]
"""Outputs by name, and the table `[output]` of the specification."""


def yolov5(width: int, height: int) -> Coded:
    """16 columns, as YOLOv5-face has them: box, objectness, five landmarks, class."""
    out = np.full((1, 3 * cell_count(width, height), 16), 0.01, dtype=np.float32)
    out[0, :, :4] = [50, 50, 10, 10]
    for row, box, score in zip((5, 70), FACES, SCORES, strict=True):
        out[0, row] = [*cxcywh(box), 0.8, *range(10), score / 0.8 if score < 0.8 else 1]
        out[0, row, 4] = 0.8 if score < 0.8 else score
    return {"output": out}, {"family": "yolov5", "output": "output", "first_class": 15}


def yolov8(width: int, height: int) -> Coded:
    """Two classes, of which the second is the face."""
    out = np.full((1, 6, cell_count(width, height)), 0.01, dtype=np.float32)
    out[0, :4] = np.array([50, 50, 10, 10])[:, None]
    out[0, 4, 3] = 0.99  # another class
    for column, box, score in zip((7, 30), FACES, SCORES, strict=True):
        out[0, :, column] = [*cxcywh(box), 0.0, score]
    return {"output0": out}, {"family": "yolov8", "output": "output0", "face_class": 1}


def yolox(width: int, height: int) -> Coded:
    """Offsets from the cell and logarithms, in cells of strides 8 and 16."""
    out = np.full((1, cell_count(width, height), 6), 0.05, dtype=np.float32)
    first = 0
    for stride, box, score in zip((8, 16), FACES, SCORES, strict=True):
        number, row, column = cell_of(box, stride, width)
        x, y, w, h = cxcywh(box)
        coded = [x / stride - column, y / stride - row, math.log(w / stride), math.log(h / stride)]
        out[0, first + number] = [*coded, 1.0, score]
        first += (width // stride) * (height // stride)
    return {"output": out}, {"family": "yolox", "output": "output"}


def ssd(width: int, height: int) -> Coded:
    """Corners from 0 to 1, with the background in the first column."""
    count = 200
    boxes = np.tile(np.array([0.4, 0.4, 0.5, 0.5], dtype=np.float32), (1, count, 1))
    scores = np.tile(np.array([0.99, 0.01], dtype=np.float32), (1, count, 1))
    for row, box, score in zip((3, 150), FACES, SCORES, strict=True):
        boxes[0, row] = box / [width, height, width, height]
        scores[0, row] = [1 - score, score]
    return {"boxes": boxes, "scores": scores}, {"family": "ssd", "boxes": "boxes", "scores": "scores"}


def retinaface(width: int, height: int, sizes: Sequence[tuple[int, int]] = ((16, 32), (64, 128), (256, 512))) -> Coded:
    """Deltas from the second prior of a cell, over the variances."""
    count = 2 * cell_count(width, height)
    loc = np.zeros((1, count, 4), dtype=np.float32)
    conf = np.tile(np.array([0.99, 0.01], dtype=np.float32), (1, count, 1))
    first = 0
    for stride, (_, size), box, score in zip(STRIDES, sizes, FACES, SCORES, strict=False):
        number, row, column = cell_of(box, stride, width)
        x, y, w, h = cxcywh(box)
        centre = ((column + 0.5) * stride, (row + 0.5) * stride)
        deltas = [(x - centre[0]) / size / 0.1, (y - centre[1]) / size / 0.1]
        loc[0, first + 2 * number + 1] = [*deltas, math.log(w / size) / 0.2, math.log(h / size) / 0.2]
        conf[0, first + 2 * number + 1] = [1 - score, score]
        first += 2 * (width // stride) * (height // stride)
    landmarks = np.zeros((1, count, 10), dtype=np.float32)
    return {"loc": loc, "conf": conf, "landms": landmarks}, {"family": "retinaface", "boxes": "loc", "scores": "conf"}


def ssd_priors(width: int, height: int) -> Coded:
    """SSD whose boxes are not decoded, and whose scores are logits."""
    outputs, _ = retinaface(width, height)
    levels = [
        {"stride": s, "sizes": sizes} for s, sizes in zip(STRIDES, ([16, 32], [64, 128], [256, 512]), strict=True)
    ]
    output = {"family": "ssd", "decoded": False, "levels": levels, "boxes": "b", "scores": "s", "activation": "softmax"}
    return {"b": outputs["loc"], "s": np.log(outputs["conf"]) + np.float32(3)}, output


def scrfd(width: int, height: int) -> Coded:
    """Distances, in strides, from the corner of the cell; the second of two anchors."""
    outputs: dict[str, Array] = {}
    for level, stride in enumerate(STRIDES):
        count = 2 * (width // stride) * (height // stride)
        scores = np.full((count, 1), 0.01, dtype=np.float32)
        boxes = np.full((count, 4), 0.5, dtype=np.float32)
        if level < len(FACES):
            box = FACES[level]
            number, row, column = cell_of(box, stride, width)
            x, y = column * stride, row * stride
            scores[2 * number + 1] = SCORES[level]
            boxes[2 * number + 1] = np.array([x - box[0], y - box[1], box[2] - x, box[3] - y]) / stride
        outputs |= {f"score_{stride}": scores, f"bbox_{stride}": boxes}
    names = {kind: [f"{part}_{s}" for s in STRIDES] for kind, part in (("scores", "score"), ("boxes", "bbox"))}
    return outputs, {"family": "scrfd", **names}


def yunet(width: int, height: int) -> Coded:
    """Class, objectness and offsets at each stride."""
    outputs: dict[str, Array] = {}
    for level, stride in enumerate(STRIDES):
        count = (width // stride) * (height // stride)
        cls = np.full((1, count, 1), 0.1, dtype=np.float32)
        obj, boxes = cls.copy(), np.zeros((1, count, 4), dtype=np.float32)
        if level < len(FACES):
            number, row, column = cell_of(FACES[level], stride, width)
            x, y, w, h = cxcywh(FACES[level])
            cls[0, number], obj[0, number] = SCORES[level], 1.0
            boxes[0, number] = [x / stride - column, y / stride - row, math.log(w / stride), math.log(h / stride)]
        outputs |= {f"cls_{stride}": cls, f"obj_{stride}": obj, f"bbox_{stride}": boxes}
    names = {
        kind: [f"{part}_{s}" for s in STRIDES] for kind, part in (("cls", "cls"), ("obj", "obj"), ("boxes", "bbox"))
    }
    return outputs, {"family": "yunet", **names}


def centernet(width: int, height: int) -> Coded:
    """CenterFace's maps at stride 4: rows before columns, logarithms of the sides."""
    rows, columns = height // 4, width // 4
    heat = np.full((1, 1, rows, columns), 0.01, dtype=np.float32)
    sides, offsets = (
        np.zeros((1, 2, rows, columns), dtype=np.float32),
        np.zeros((1, 2, rows, columns), dtype=np.float32),
    )
    for box, score in zip(FACES, SCORES, strict=True):
        _, row, column = cell_of(box, 4, width)
        x, y, w, h = cxcywh(box)
        heat[0, 0, row, column] = score
        sides[0, :, row, column] = [math.log(h / 4), math.log(w / 4)]
        offsets[0, :, row, column] = [y / 4 - row - 0.5, x / 4 - column - 0.5]
    outputs = {"heatmap": heat, "scale": sides, "offset": offsets}
    return outputs, {"family": "centernet", "heat": "heatmap", "sides": "scale", "offsets": "offset"}


def boxes_scores(width: int, height: int) -> Coded:
    """Decoded boxes in pixels, x y w h, and one score each."""
    boxes = np.tile(np.array([30, 30, 10, 10], dtype=np.float32), (1, 1200, 1))
    scores = np.full((1, 1200), 0.01, dtype=np.float32)
    for row, box, score in zip((1, 700), FACES, SCORES, strict=True):
        boxes[0, row] = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        scores[0, row] = score
    return {"b": boxes, "s": scores}, {"family": "boxes+scores", "boxes": "b", "scores": "s", "box_form": "xywh"}


def behind_nms(width: int, height: int) -> Coded:
    """Rows of corners, score and class, as behind NMS; the face is class 0, and rows of zeros fill up."""
    rows = np.zeros((1, 100, 6), dtype=np.float32)
    rows[0, :2] = np.column_stack((FACES, SCORES, [0, 0]))
    rows[0, 2] = [1, 1, 60, 60, 0.95, 1]  # another class
    return {"dets": rows}, {"family": "boxes+scores", "boxes": "dets", "class_column": 5}


FAMILIES: Mapping[str, Callable[[int, int], Coded]] = {
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolox": yolox,
    "ssd": ssd,
    "ssd-priors": ssd_priors,
    "retinaface": retinaface,
    "scrfd": scrfd,
    "yunet": yunet,
    "centernet": centernet,
    "boxes+scores": boxes_scores,
    "boxes+scores-nms": behind_nms,
}
"""By name, outputs and specification for a width and height."""
