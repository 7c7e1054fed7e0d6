"""The families with outputs per stride: YuNet and SCRFD."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sshbench.detectors.graphs.arrays import Found, sigmoid
from sshbench.detectors.graphs.family import Count, Family, Outputs, Sigmoid, Strides, Text, rows
from sshbench.detectors.graphs.strided import decode_distances, decode_offsets, joined_score

BoxNames = Annotated[tuple[Text, ...], Field(description="names of the outputs with boxes, by level")]


class _ByLevel(Family):
    """A family with the same number of outputs at each stride."""

    strides: Strides = (8, 16, 32)

    def _kinds(self) -> dict[str, tuple[str, ...]]:
        """Return the names of outputs by field, each with one name per stride."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """Return the names of all outputs."""
        return tuple(name for kind in self._kinds().values() for name in kind)

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        for field, names in self._kinds().items():
            if len(names) != len(self.strides):
                values = {"field": field, "names": len(names), "strides": len(self.strides)}
                raise PydanticCustomError("levels", "{field} has {names} outputs for {strides} strides", values)
        return self


class YuNet(_ByLevel):
    """YuNet: class, objectness and offsets per stride, in rows (1, n, columns) or maps."""

    family: Literal["yunet"] = "yunet"
    cls: tuple[Text, ...] = Field(description="names of the outputs with classes, by level")
    obj: tuple[Text, ...] = Field(description="names of the outputs with objectness, by level")
    boxes: BoxNames
    score: Literal["product", "sqrt"] = Field(
        default="product", description="class times objectness: product, or sqrt of it as OpenCV takes"
    )
    sigmoid: Sigmoid = False

    def _kinds(self) -> dict[str, tuple[str, ...]]:
        return {"cls": self.cls, "obj": self.obj, "boxes": self.boxes}

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of all levels."""
        levels = []
        for stride, cls, obj, boxes in zip(self.strides, self.cls, self.obj, self.boxes, strict=True):
            one, other = rows(outputs, cls, 1)[:, 0], rows(outputs, obj, 1)[:, 0]
            if self.sigmoid:
                one, other = sigmoid(one), sigmoid(other)
            levels.append((stride, joined_score(one, other, self.score), rows(outputs, boxes, 4)))
        return decode_offsets(levels, height, width, threshold)


class Scrfd(_ByLevel):
    """SCRFD: scores and distances to the four sides per stride, in rows or maps."""

    family: Literal["scrfd"] = "scrfd"
    scores: tuple[Text, ...] = Field(description="names of the outputs with scores, by level")
    boxes: BoxNames
    anchors: Count = Field(default=2, description="boxes per cell")
    offset: float = Field(default=0.0, ge=0, le=1, description="point of the cell: 0 its corner, 0.5 its centre")
    distances: Literal["strides", "pixels"] = Field(
        default="strides", description="unit of the distances: strides or pixels"
    )
    sigmoid: Sigmoid = False

    def _kinds(self) -> dict[str, tuple[str, ...]]:
        return {"scores": self.scores, "boxes": self.boxes}

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes of all levels."""
        levels = []
        for stride, score, boxes in zip(self.strides, self.scores, self.boxes, strict=True):
            scores, reach = rows(outputs, score, 1)[:, 0], rows(outputs, boxes, 4)
            in_strides = reach / stride if self.distances == "pixels" else reach
            levels.append((stride, sigmoid(scores) if self.sigmoid else scores, in_strides))
        return decode_distances(levels, height, width, threshold, anchors=self.anchors, offset=self.offset)
