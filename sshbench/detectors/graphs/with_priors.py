"""The families with priors: SSD and RetinaFace."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sshbench.detectors.graphs.anchored import decode_priors
from sshbench.detectors.graphs.arrays import Found
from sshbench.detectors.graphs.family import (
    Activation,
    Column,
    Count,
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
)
from sshbench.detectors.priors import RETINAFACE, VARIANCES, Levels
from sshbench.models import StrictModel
from sshbench.records import FloatArray


class Level(StrictModel):
    """The priors of one stride.

    Attributes:
        stride: Pixels per cell.
        sizes: Sides of the square priors of a cell, in pixels.
        densities: Per size, k for k x k priors per cell; empty: one each.
    """

    stride: Count
    sizes: tuple[Count, ...] = Field(min_length=1)
    densities: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.densities and len(self.densities) != len(self.sizes):
            raise PydanticCustomError("densities", "as many densities as sizes are needed")
        return self


PriorLevels = Annotated[
    tuple[Level, ...],
    Field(description="priors by level: stride, sizes, and densities where a cell has k x k priors of a size"),
]


def levels_of(levels: Levels) -> tuple[Level, ...]:
    """Return the levels of `sshbench.detectors.priors` as they stand in a specification."""
    return tuple(
        Level(
            stride=stride,
            sizes=tuple(size for size, _ in sizes),
            densities=tuple(density for _, density in sizes) if any(density > 1 for _, density in sizes) else (),
        )
        for stride, sizes in levels
    )


class _Scored(Family):
    """A family with one output of boxes and one of scores, one column per class."""

    boxes: Text = Field(description="name of the output with boxes")
    scores: Text = Field(description="name of the output with scores")
    face_class: Column = Field(default=1, description="column of the face's score, from 0 (the background)")
    activation: Activation = "none"

    def names(self) -> tuple[str, ...]:
        """Return the names of both outputs."""
        return self.boxes, self.scores

    def _scores(self, outputs: Outputs, count: int) -> FloatArray:
        values = activated(per_box(outputs, self.scores, count, self.boxes), self.activation)
        return column(values, self.face_class, self.scores, "class in column")


class _WithPriors(_Scored):
    """A family whose boxes are coded against priors."""

    levels: PriorLevels = ()
    variances: tuple[float, float] = Field(default=VARIANCES, description="of centres and of sides")
    clip: bool = Field(default=False, description="whether priors are cut to the network's input")

    def _decode_priors(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        deltas = rows(outputs, self.boxes, 4)
        scores = self._scores(outputs, len(deltas))
        levels: Levels = [
            (one.stride, tuple(zip(one.sizes, one.densities or (1,) * len(one.sizes), strict=True)))
            for one in self.levels
        ]
        return decode_priors(
            deltas, scores, height, width, threshold, levels=levels, variances=self.variances, clip=self.clip
        )


class Ssd(_WithPriors):
    """SSD: boxes and scores per prior, decoded inside the graph or not."""

    family: Literal["ssd"] = "ssd"
    decoded: bool = Field(default=True, description="whether the graph holds the priors, so that boxes are boxes")
    box_form: Form = "x1y1x2y2"
    units: Units = "normalised"
    levels: PriorLevels = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.decoded and not self.levels:
            raise PydanticCustomError("levels", "boxes that are not decoded need levels")
        return self

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of all rows that pass the threshold."""
        if not self.decoded:
            return self._decode_priors(outputs, height, width, threshold)
        values = rows(outputs, self.boxes, 4)
        scores = self._scores(outputs, len(values))
        kept = np.flatnonzero(scores >= threshold)
        return in_pixels(values[kept], self.box_form, self.units, height, width), scores[kept]


class RetinaFace(_WithPriors):
    """RetinaFace and FaceBoxes: deltas and scores per prior; landmarks are not needed."""

    family: Literal["retinaface"] = "retinaface"
    levels: Annotated[PriorLevels, Field(min_length=1)] = levels_of(RETINAFACE)

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of all priors whose scores pass the threshold."""
        return self._decode_priors(outputs, height, width, threshold)
