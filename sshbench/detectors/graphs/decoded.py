"""The family of decoded boxes, with or without NMS inside the graph."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from sshbench.detectors.graphs.arrays import Found
from sshbench.detectors.graphs.family import (
    Activation,
    Column,
    Family,
    Form,
    Outputs,
    Text,
    Units,
    activated,
    column,
    in_pixels,
    per_box,
    rows,
    table,
)


class BoxesAndScores(Family):
    """Decoded boxes with scores, in two outputs or as columns of one; NMS may be inside the graph."""

    family: Literal["boxes+scores"] = "boxes+scores"
    boxes: Text = Field(description="name of the output with boxes, or with all columns")
    scores: str = Field(default="", description="name of the output with scores; empty: a column of boxes")
    labels: str = Field(default="", description="name of the output with numbers of classes; empty: none")
    box_column: Column = Field(default=0, description="first of the four columns of the box")
    score_column: Column = Field(default=4, description="column of the score, where it stands beside the box")
    class_column: Column | None = Field(default=None, description="column of the class beside the box; absent: none")
    face_class: Column = Field(default=0, description="the face's column of scores, or number of its class")
    activation: Activation = "none"
    box_form: Form = "x1y1x2y2"
    units: Units = "pixels"

    def names(self) -> tuple[str, ...]:
        """Return the names of all outputs."""
        return tuple(name for name in (self.boxes, self.scores, self.labels) if name)

    def integer_names(self) -> tuple[str, ...]:
        """Return the name of the output with numbers of classes."""
        return (self.labels,) if self.labels else ()

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of the face's class that pass the threshold."""
        values = rows(outputs, self.boxes, 4) if self.scores else table(outputs, self.boxes)
        if self.scores:
            found = activated(per_box(outputs, self.scores, len(values), self.boxes), self.activation)
            scores = column(found, self.face_class if found.shape[1] > 1 else 0, self.scores, "class in column")
        else:
            raw = column(values, self.score_column, self.boxes, "score in column")[:, None]
            scores = activated(raw, self.activation)[:, 0]
        classes = None
        if self.labels:
            labels = per_box(outputs, self.labels, len(values), self.boxes)
            classes = column(labels, 0, self.labels, "class in column")
        elif self.class_column is not None:
            classes = column(values, self.class_column, self.boxes, "class in column")
        chosen = scores >= threshold
        kept = np.flatnonzero(chosen if classes is None else chosen & (classes == self.face_class))
        column(values, self.box_column + 3, self.boxes, "side of a box in column")
        boxes = values[kept, self.box_column : self.box_column + 4]
        return in_pixels(boxes, self.box_form, self.units, height, width), scores[kept]
