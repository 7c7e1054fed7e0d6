"""What all families of outputs have in common: named outputs that are decoded to boxes and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sshbench.detectors.graphs.arrays import BoxForm, Found, corners, rows_of, sigmoid, softmax
from sshbench.models import StrictModel
from sshbench.records import FloatArray
from sshbench.ssh.anchors import Float32Array

Outputs = Mapping[str, Float32Array]
"""The outputs of a network for one image, by name."""

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=4096)]
Column = Annotated[int, Field(ge=0, le=100_000)]
FaceClass = Annotated[Column, Field(description="number of the class that is the face, from 0")]
Form = Annotated[BoxForm, Field(description="x1y1x2y2, y1x1y2x2, xywh or cxcywh")]
Units = Annotated[
    Literal["pixels", "normalised"],
    Field(description="of boxes: pixels of the network's input, or normalised to 0..1"),
]
Activation = Annotated[
    Literal["none", "sigmoid", "softmax"], Field(description="what scores still need: none, sigmoid or softmax")
]
Sigmoid = Annotated[bool, Field(description="whether scores are logits that still need a sigmoid")]
Strides = Annotated[tuple[Count, ...], Field(min_length=1, description="pixels per cell, by level")]


class Family(StrictModel):
    """Base of the families: which outputs are needed, and how they become boxes and scores."""

    family: str

    def names(self) -> tuple[str, ...]:
        """Return the names of the outputs that are needed."""
        raise NotImplementedError

    def integer_names(self) -> tuple[str, ...]:
        """Return the names of those that may hold whole numbers, such as numbers of classes."""
        return ()

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes whose scores pass a threshold, in pixels of the network's input.

        Args:
            outputs: Of the network for one image.
            height: Of the network's input.
            width: Of the network's input.
            threshold: Lowest score.

        Raises:
            ValueError: An output has another shape than the family.
        """
        raise NotImplementedError


def rows(outputs: Outputs, name: str, columns: int) -> FloatArray:
    """Return an output as rows, float64 (n, columns).

    Raises:
        ValueError: It has another shape.
    """
    try:
        return rows_of(outputs[name], columns)
    except ValueError as error:
        raise ValueError(f"output '{name}' has {error}") from None


def table(outputs: Outputs, name: str) -> Float32Array:
    """Return an output of shape (1, n, columns) or (n, columns) as (n, columns), in its own type.

    Raises:
        ValueError: It has another shape.
    """
    output = outputs[name]
    if output.ndim == 3 and output.shape[0] == 1:
        return np.asarray(output[0])
    if output.ndim != 2:
        raise ValueError(f"output '{name}' has shape {output.shape}, where (1, n, columns) is expected")
    return output


def per_box(outputs: Outputs, name: str, count: int, boxes: str) -> Float32Array:
    """Return an output with one row, or one number, per box as (count, columns), in its own type.

    Args:
        outputs: All outputs.
        name: That of scores or of classes.
        count: Number of boxes.
        boxes: Name of the output with the boxes.

    Raises:
        ValueError: It has another shape, or another number of rows.
    """
    output = outputs[name]
    if output.ndim == 1 or output.shape in ((1, count), (1, count, 1)):
        output = output.reshape(-1, 1)
    values = table({name: output}, name)
    if len(values) != count:
        raise ValueError(f"output '{boxes}' has {count} rows, but '{name}' has {len(values)}")
    return values


def column(values: FloatArray | Float32Array, number: int, name: str, what: str) -> FloatArray:
    """Return one column of an output's rows, float64 (n,).

    Raises:
        ValueError: There is none of this number.
    """
    if number >= values.shape[1]:
        raise ValueError(f"output '{name}' has {values.shape[1]} columns, so there is no {what} {number} (from 0)")
    return np.asarray(values[:, number], dtype=np.float64)


def activated(scores: FloatArray | Float32Array, activation: Activation) -> FloatArray:
    """Return rows of scores after what the network left to do, float64 (n, columns)."""
    values = np.asarray(scores, dtype=np.float64)
    if activation == "none":
        return values
    return sigmoid(values) if activation == "sigmoid" else softmax(values)


def in_pixels(values: FloatArray | Float32Array, form: BoxForm, units: str, height: int, width: int) -> FloatArray:
    """Return boxes of any form and unit as corners in pixels: float64 (n, 4)."""
    boxes = corners(np.asarray(values, dtype=np.float64), form)
    return boxes * [width, height, width, height] if units == "normalised" else boxes
