"""Recognise families whose outputs are one table, or one of boxes and one of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from sshbench.detectors.graphs.recognised import Recognised, named
from sshbench.detectors.graphs.seen import Seen, are_corners, are_normalised, are_probabilities, filled
from sshbench.detectors.graphs.with_priors import levels_of
from sshbench.detectors.priors import FACEBOXES, RETINAFACE, ULTRAFACE, priors
from sshbench.records import FloatArray

_MOST_WITH_NMS = 1000  # rows of a graph with NMS inside
_PRIORS = {"RetinaFace": RETINAFACE, "FaceBoxes": FACEBOXES, "Ultra-Light": ULTRAFACE}
_YOLO_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def two_tables(seen: Seen) -> Recognised | None:
    """Recognise boxes in one output and scores in another, with or without priors."""
    tables = seen.tables()
    boxes = next((name for name, size in tables.items() if size[1] == 4), None)
    if boxes is None:
        return None
    count = tables[boxes][0]
    others = {name: size[1] for name, size in tables.items() if size[0] == count and size[1] not in (4, 10)}
    labels = next((name for name, columns in others.items() if columns == 1 and _is_label(seen, name)), None)
    candidates = [name for name in others if name != labels]
    scores = named(candidates, "score", "conf", "cls", "prob") or next(iter(candidates), None)
    if scores is None:
        return None
    values, columns = seen.rows(boxes), others[scores]
    if columns == 2 and labels is None:
        return _background_and_face(seen, boxes, scores, values)
    output: dict[str, Any] = {"family": "boxes+scores", "boxes": boxes, "scores": scores, **_box_form(values)}
    if not are_probabilities(seen.rows(scores)):
        output["activation"] = "sigmoid"
    reasons = {"units": "by the values of a trial"}
    if labels is not None:
        output |= {"labels": labels, "face_class": 0}
        reasons["face_class"] = "not visible in the graph; 1 where 0 is the background"
    text = f"outputs of {count} boxes and of {columns} {'score' if columns == 1 else 'scores'} each"
    return Recognised(output, text, "boxes+scores", reasons, labels is not None or count <= _MOST_WITH_NMS)


def _is_label(seen: Seen, name: str) -> bool:
    """Return whether an output holds numbers of classes."""
    named_so = named([name], "label", "class") is not None and named([name], "score", "prob") is None
    return bool(named_so or np.issubdtype(seen.outputs[name].dtype, np.integer))


def _background_and_face(seen: Seen, boxes: str, scores: str, values: FloatArray) -> Recognised | None:
    """Recognise SSD and RetinaFace, whose scores have a column for the background."""
    activation = "none" if are_probabilities(seen.rows(scores)) else "softmax"
    output: dict[str, Any] = {"boxes": boxes, "scores": scores, "face_class": 1, "activation": activation}
    what = f"{len(values)} rows of 4 and of 2 columns (background, face)"
    if are_corners(values):
        form = _box_form(values)
        return Recognised({"family": "ssd", **output, **form}, f"{what}; the boxes are corners already", "ssd")
    for name, levels in _PRIORS.items():
        if len(values) == priors(seen.height, seen.width, levels).shape[1]:
            family = "ssd" if name == "Ultra-Light" else "retinaface"
            more = {"decoded": False, "clip": True} if family == "ssd" else {}
            listed = [level.model_dump(mode="json", exclude_defaults=True) for level in levels_of(levels)]
            output |= {"family": family, **more, "levels": listed}
            return Recognised(output, f"{what}, as many as {name} has priors at this size", family)
    if (values[:, 2:] >= 0).all() and values.any():
        units = "normalised" if are_normalised(values) else "pixels"
        output |= {"family": "ssd", "box_form": "cxcywh", "units": units}
        return Recognised(output, f"{what}; no negative sides, so that they are decoded", "ssd")
    return None


def _box_form(values: FloatArray) -> dict[str, str]:
    form = "x1y1x2y2" if are_corners(filled(values)) or not values.any() else "cxcywh"
    return {"box_form": form, "units": "normalised" if are_normalised(values) else "pixels"}


def one_table(seen: Seen) -> Recognised | None:
    """Recognise YOLO's outputs, and rows of box and score behind NMS."""
    tables = {name: size for name, size in seen.tables().items() if seen.outputs[name].ndim >= 2}
    for name, (rows, columns) in tables.items():
        for strides in _YOLO_STRIDES:
            count = seen.cells(strides)
            if columns == count and 5 <= rows < columns:
                return _yolov8(seen, name, strides)
            if rows == 3 * count and columns >= 5:
                return _yolov5(seen, name, strides)
            if rows == count and columns >= 6:
                return _yolox(seen, name, strides)
    for name, (rows, columns) in tables.items():
        if 5 <= columns <= 7 and rows <= _MOST_WITH_NMS:
            return _behind_nms(seen, name)
    return None


def _yolov8(seen: Seen, name: str, strides: tuple[int, ...]) -> Recognised:
    values = seen.rows(name).T
    output: dict[str, Any] = {"family": "yolov8", "output": name, "sigmoid": not are_probabilities(values[:, 4:5])}
    if are_normalised(values[:, :4]):
        output["units"] = "normalised"
    why = f"one column per cell of strides {_listed(strides)}, with {values.shape[1]} numbers"
    return Recognised(output, why, "yolov8")


_LANDMARKS = "16 columns: box, objectness, five landmarks, and the class behind them"


def _yolov5(seen: Seen, name: str, strides: tuple[int, ...]) -> Recognised:
    values = seen.rows(name)
    columns = values.shape[1]
    output: dict[str, Any] = {"family": "yolov5", "output": name, "sigmoid": not are_probabilities(values[:, 4:5])}
    reasons = {}
    if columns == 16:
        output["first_class"] = 15
        reasons["first_class"] = _LANDMARKS
    if columns == 5:
        output["score"] = "objectness"
    if are_normalised(values[:, :4]):
        output["units"] = "normalised"
    why = f"three rows per cell of strides {_listed(strides)}, with {columns} columns"
    return Recognised(output, why, "yolov5", reasons)


def _yolox(seen: Seen, name: str, strides: tuple[int, ...]) -> Recognised:
    values = seen.rows(name)
    decoded = seen.looks_decoded(values, strides)
    output: dict[str, Any] = {"family": "yolox", "output": name, "decoded": decoded, "strides": list(strides)}
    output["sigmoid"] = not are_probabilities(values[:, 4:6])
    reason = "centres lie near their cells" if decoded else "centres are small numbers, not places in the input"
    why = f"one row per cell of strides {_listed(strides)}, with {values.shape[1]} columns"
    return Recognised(output, why, "yolox", {"decoded": reason})


def _behind_nms(seen: Seen, name: str) -> Recognised:
    values = seen.rows(name)
    columns = values.shape[1]
    output: dict[str, Any] = {"family": "boxes+scores", "boxes": name}
    if columns == 7:
        output |= {"box_column": 1, "class_column": 5, "score_column": 6}
    elif columns == 6:
        output["class_column"] = 5
    first = int(output.get("box_column", 0))
    output["units"] = "normalised" if are_normalised(values[:, first : first + 4]) else "pixels"
    order = {5: "box, score", 6: "box, score, class", 7: "image, box, class, score"}[columns]
    why = f"{len(values)} rows of {columns} columns, fewer than cells: NMS is inside"
    return Recognised(output, why, "boxes+scores", {"boxes": f"columns taken as {order}"}, nms_inside=True)


def _listed(strides: tuple[int, ...]) -> str:
    return ", ".join(map(str, strides))
