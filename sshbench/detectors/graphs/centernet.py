"""The family of heat maps: CenterFace and CenterNet."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from sshbench.detectors.graphs.arrays import Found, sigmoid
from sshbench.detectors.graphs.family import Count, FaceClass, Family, Outputs, Sigmoid, Text
from sshbench.detectors.graphs.heat_map import decode_heat_map


class CenterNet(Family):
    """CenterFace and CenterNet: maps of scores (1, classes, h, w), sides and offsets (1, 2, h, w)."""

    family: Literal["centernet"] = "centernet"
    heat: Text = Field(description="name of the output with the heat map")
    sides: Text = Field(description="name of the output with the sides, in cells")
    offsets: Text = Field(description="name of the output with the offsets of the centre, in cells")
    stride: Count = Field(default=4, description="pixels per cell")
    face_class: FaceClass = 0
    order: Literal["yx", "xy"] = Field(
        default="yx", description="yx: the first channel of sides and offsets is vertical; xy: horizontal"
    )
    log_sides: bool = Field(default=True, description="whether sides are logarithms")
    centre: float = Field(default=0.5, ge=0, le=1, description="point of the cell: 0 its corner, 0.5 its centre")
    peaks: bool = Field(default=False, description="keep only cells that no neighbour exceeds, in place of NMS")
    sigmoid: Sigmoid = False

    def names(self) -> tuple[str, ...]:
        """Return the names of the three outputs."""
        return self.heat, self.sides, self.offsets

    def decode(self, outputs: Outputs, height: int, width: int, threshold: float) -> Found:
        """Return the boxes around the cells that pass the threshold."""
        rows, columns = height // self.stride, width // self.stride
        maps = []
        for name, channels in ((self.heat, self.face_class + 1), (self.sides, 2), (self.offsets, 2)):
            shape = outputs[name].shape
            if len(shape) != 4 or shape[1] < channels or shape[2:] != (rows, columns):
                expected = f"(1, {channels} or more, {rows}, {columns})"
                raise ValueError(f"output '{name}' has shape {shape}, where {expected} is expected")
            maps.append(np.asarray(outputs[name][0], dtype=np.float64))
        heat, sides, offsets = maps[0][self.face_class], maps[1], maps[2]
        return decode_heat_map(
            sigmoid(heat) if self.sigmoid else heat,
            sides,
            offsets,
            threshold,
            stride=self.stride,
            order=self.order,
            log_sides=self.log_sides,
            centre=self.centre,
            peaks=self.peaks,
        )
