"""The stages of HR: levels, network level by level, decoding, one NMS over all levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, subtract_mean
from sshbench.detectors.contract import Prepared, Settings
from sshbench.detectors.cost import NetworkCost
from sshbench.detectors.parts import run_parts
from sshbench.errors import UsageError, did_you_mean
from sshbench.records import Detections, FloatArray, Image
from sshbench.rivals.hr_decode import chosen_cells, clipped, decoded, rounded, suppressed
from sshbench.rivals.hr_levels import (
    DEMO,
    PROTOCOLS,
    SINGLE,
    WIDER,
    WIDER_SCALES,
    Level,
    demo_levels,
    resized,
    single_level,
    wider_levels,
)
from sshbench.rivals.hr_templates import chosen_templates, published_templates
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.backends import Run


@dataclass(frozen=True, slots=True, eq=False)
class HrInput:
    """An image at all its levels.

    Attributes:
        levels: The network's input at each level, float32 (1, 3, height, width), RGB minus the mean.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """

    levels: list[tuple[Float32Array, Level]]
    height: int
    width: int


Maps = tuple[Any, Any]
"""Class logits (1, t, h, w) and deltas (1, 4 t, h, w): arrays, or tensors on an accelerator."""
Boxes = tuple[FloatArray, FloatArray, HrInput]
"""Boxes before NMS, float64 (n, 4) in pixels of the image from 1; their logits; the input."""


class HrStages(WeightsAdapter):
    """Base of the HR detectors; `load` sets the weights and the function that runs the network."""

    _hr: HrWeights
    _run: Run

    def preprocess(self, image: Image) -> Prepared[HrInput]:
        """Return the image at each level."""
        height, width = image.shape[:2]
        rgb = image[:, :, ::-1]
        levels = levels_of(self.settings, height, width, self._hr.templates)
        seen = [level for level in levels if min(self._hr.graph.output_size(level.height, level.width)) > 0]
        made = [(subtract_mean(resized(rgb, level), self._hr.mean), level) for level in seen]
        return Prepared(HrInput(made, height, width), 1.0)

    def cost(self, prepared: Prepared[HrInput]) -> NetworkCost:
        """Return size and work of the network at all levels."""
        graph = self._hr.graph
        operations = sum(graph.operations(level.height, level.width) for _, level in prepared.data.levels)
        return self._sized(NetworkCost(parameters=graph.parameters(), gflop=operations / 1e9))

    def forward(self, prepared: Prepared[HrInput]) -> list[Maps]:
        """Return logits and deltas at each level."""
        outputs: list[Maps] = run_parts(self.forward_parts(prepared))
        return outputs

    def forward_parts(self, prepared: Prepared[HrInput]) -> list[tuple[str, Callable[[list[Maps] | None], list[Maps]]]]:
        """Return the levels by name; what a level needs is freed before the next.

        The protocol for WIDER FACE has the same names for all images; a level that is left out takes no time.
        """
        levels = prepared.data.levels

        def run(scale: float | None, before: list[Maps] | None) -> list[Maps]:
            made = [self._run(data)[0] for data, level in levels if scale in (None, level.scale)]
            return [*(before or []), *made]

        if protocol_of(self.settings) != WIDER:
            return [("network", partial(run, None))]
        return [(f"{scale:g}x", partial(run, scale)) for scale in WIDER_SCALES]

    def postprocess(self, outputs: list[Maps], prepared: Prepared[HrInput]) -> Detections:
        """Decode, apply NMS over all levels, and round or clip."""
        return self.suppress(self.decode_boxes(outputs, prepared))

    def decode_boxes(self, outputs: list[Maps], prepared: Prepared[HrInput]) -> Boxes:
        """Return the boxes of all levels above the threshold, before NMS."""
        boxes, scores = [np.empty((0, 4))], [np.empty(0)]
        field = self._hr.graph.receptive_field()
        shift = self._shift(outputs, prepared.data)
        for (logits, deltas), (_, level) in zip(outputs, prepared.data.levels, strict=True):
            used = chosen_templates(self._hr.templates, level.scale)
            cells = chosen_cells(logits[0], deltas[0], used, self.settings.score_threshold - shift)
            boxes.append(decoded(cells, self._hr.templates, field) / level.scale)
            scores.append(cells[1] + shift)
        return np.concatenate(boxes), np.concatenate(scores), prepared.data

    def suppress(self, decoded_boxes: Boxes) -> Detections:
        """Apply NMS, then round corners, or clip them for the demo's protocol."""
        boxes, scores, image = decoded_boxes
        nms_iou, top_k = float(self.settings.nms_iou or 0.0), self.settings.top_k
        boxes, scores = (array[:top_k] for array in suppressed(boxes, scores, nms_iou))
        if protocol_of(self.settings) == DEMO:
            return clipped(boxes, scores, image.height, image.width)
        return rounded(boxes, scores)

    @classmethod
    def input_pixels(cls, settings: Settings, width: int, height: int) -> int:
        """Return the pixels of all levels."""
        levels = levels_of(settings, height, width, published_templates())
        return sum(level.height * level.width for level in levels)

    def _shift(self, outputs: list[Maps], image: HrInput) -> float:
        """Return what is added to all logits."""
        return 0.0


def levels_of(settings: Settings, height: int, width: int, templates: FloatArray) -> list[Level]:
    """Return the levels of an image by the settings' protocol.

    Raises:
        UsageError: The protocol is unknown, or has sizes of its own and the settings ask for another.
    """
    protocol = protocol_of(settings)
    if protocol == SINGLE:
        return single_level(height, width, settings.scale(height, width))
    if settings.resize != "original":
        raise UsageError(
            f"protocol '{protocol}' has sizes of its own, so resize cannot be {settings.resize}",
            remedy="Leave the input size at original, or pass --set protocol=single",
        )
    return demo_levels(height, width, templates) if protocol == DEMO else wider_levels(height, width)


def protocol_of(settings: Settings) -> str:
    """Return the protocol of settings.

    Raises:
        UsageError: There is no such protocol.
    """
    protocol = str(settings.extra["protocol"])
    if protocol not in PROTOCOLS:
        raise UsageError(f"there is no protocol '{protocol}'", remedy=did_you_mean(protocol, PROTOCOLS))
    return protocol
