"""The families of YOLO: one output with a row, or a column, per box."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sshbench.detectors.graphs.arrays import Found, cells, sigmoid
from sshbench.detectors.graphs.family import (
    Column,
    FaceClass,
    Family,
    Form,
    Outputs,
    Sigmoid,
    Strides,
    Text,
    Units,
    column,
    in_pixels,
    table,
)
from sshbench.detectors.graphs.strided import decode_offsets
from sshbench.records import FloatArray
from sshbench.ssh.anchors import Float32Array

Score = Annotated[
    Literal["product", "objectness", "class"], Field(description="product of objectness and class, or one of them")
]
_OBJECTNESS = 4


class _OneOutput(Family):
    """A family whose only output has the box in its first four columns."""

    output: Text = Field(description="name of the output")

    def names(self) -> tuple[str, ...]:
        """Return the name of the output."""
        return (self.output,)

    def _score(self, values: Float32Array, first: int, face_class: int, score: Score, *, logits: bool) -> FloatArray:
        """Return the scores of rows with an objectness and classes, float64 (n,)."""
        found = [
            column(values, number, self.output, what)
            for number, what, counts in (
                (_OBJECTNESS, "objectness in column", score != "class"),
                (first + face_class, "class in column", score != "objectness"),
            )
            if counts
        ]
        chosen = [sigmoid(one) for one in found] if logits else found
        return chosen[0] * chosen[1] if score == "product" else chosen[0]


class YoloV5(_OneOutput):
    """YOLOv5 and YOLOv7: (1, n, 5 + classes), and landmarks before or behind the classes."""

    family: Literal["yolov5"] = "yolov5"
    first_class: Column = Field(default=5, ge=5, description="column of the first class; 15 behind five landmarks")
    face_class: FaceClass = 0
    score: Score = "product"
    sigmoid: Sigmoid = False
    box_form: Form = "cxcywh"
    units: Units = "pixels"

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of rows x, y, w, h, objectness, classes."""
        values = table(outputs, self.output)
        scores = self._score(values, self.first_class, self.face_class, self.score, logits=self.sigmoid)
        kept = np.flatnonzero(scores >= threshold)
        return in_pixels(values[kept, :4], self.box_form, self.units, height, width), scores[kept]


class YoloV8(_OneOutput):
    """YOLOv8, YOLO11 and later without NMS inside: (1, 4 + classes + others, n)."""

    family: Literal["yolov8"] = "yolov8"
    channels_first: bool = Field(default=True, description="true: (1, 4 + classes, n); false: (1, n, 4 + classes)")
    face_class: FaceClass = 0
    sigmoid: Sigmoid = False
    box_form: Form = "cxcywh"
    units: Units = "pixels"

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of columns x, y, w, h, classes."""
        values = table(outputs, self.output)
        values = values.T if self.channels_first else values
        scores = column(values, 4 + self.face_class, self.output, "class in column")
        scores = sigmoid(scores) if self.sigmoid else scores
        kept = np.flatnonzero(scores >= threshold)
        return in_pixels(values[kept, :4], self.box_form, self.units, height, width), scores[kept]


class YoloX(_OneOutput):
    """YOLOX: (1, n, 5 + classes), with boxes in cells of the grid, or decoded already."""

    family: Literal["yolox"] = "yolox"
    decoded: bool = Field(default=False, description="whether boxes are in pixels already, not in cells of the grid")
    strides: Strides = (8, 16, 32)
    face_class: FaceClass = 0
    score: Score = "product"
    sigmoid: Sigmoid = False

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of rows x, y, w, h, objectness, classes."""
        values = table(outputs, self.output)
        scores = self._score(values, 5, self.face_class, self.score, logits=self.sigmoid)
        if self.decoded:
            kept = np.flatnonzero(scores >= threshold)
            return in_pixels(values[kept, :4], "cxcywh", "pixels", height, width), scores[kept]
        counts = [int(np.prod(cells(height, width, stride))) for stride in self.strides]
        if len(values) != sum(counts):
            text = f"output '{self.output}' has {len(values)} rows, but the strides have {sum(counts)} cells"
            raise ValueError(f"{text} for this input")
        ends = np.cumsum(counts)[:-1]
        levels = list(
            zip(self.strides, np.split(scores, ends), np.split(values[:, :4].astype(np.float64), ends), strict=True)
        )
        return decode_offsets(levels, height, width, threshold)
