"""Faster R-CNN for faces with a VGG-16 trunk (Jiang and Learned-Miller, 2016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.cost import NetworkCost
from sshbench.detectors.parts import run_parts
from sshbench.errors import DetectorError
from sshbench.records import Detections, Image
from sshbench.rivals.proposals import PROPOSALS
from sshbench.rivals.two_stage_layers import FasterRcnn
from sshbench.rivals.two_stage_weights import random_two_stage, read_two_stage
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.decode import decode, suppressed
from sshbench.ssh.preprocess import network_input
from sshbench.ssh.random_weights import random_note, seed_of, with_candidates

Input = tuple[Float32Array, tuple[int, int]]
"""The network's input, float32 (1, 3, height, width), and height and width of the original image."""
SETTINGS = Settings(
    resize="600x1000",
    score_threshold=0.05,
    nms_iou=0.3,
    extra={"precision": "fp32", "device": "cpu", "candidates": 100},
)


class FasterRcnnVgg16(WeightsAdapter):
    """Two stages: proposals, then a head with two large inner products for each of them.

    Attributes:
        narrow: Divisor of the network's widths; 1 for the published network.
        trained_on: Empty for random weights; None where nothing is known.
    """

    info = DetectorInfo(
        name="faster-rcnn-vgg16",
        title="Faster R-CNN (VGG-16)",
        source="Jiang and Learned-Miller, Face Detection with the Faster R-CNN, 2016",
        licence="own code, Apache-2.0; weights: none stated by their authors (code: MIT)",
        weights="vgg16_faster_rcnn_iter_80000.caffemodel",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={**PROBABILITY, "candidates": (1, PROPOSALS)},
        defaults=SETTINGS,
        defaults_source="the release's lib/fast_rcnn/config.py and test.py (score 0.05, NMS 0.3; 600/1000, 6000 "
        "proposals, NMS 0.7, 300), without its limit of 100 detections; FDDB: score 0.65, NMS 0.15. No setting for "
        "WIDER FACE was published. candidates: for --weights random alone",
    )
    narrow: ClassVar[int] = 1
    trained_on: tuple[str, ...] | None = None
    _seed: int | None = None

    @classmethod
    def shape(cls) -> FasterRcnn:
        """Return the layers of the network."""
        return FasterRcnn(cls.narrow)

    def load(self) -> None:
        """Read the weights, or make random ones, and build the network on its device."""
        from sshbench.rivals.two_stage_network import network_of
        from sshbench.rivals.two_stage_parts import Parts
        from sshbench.runtimes.plan import plan

        extra = self.settings.extra
        chosen = plan("torch", str(extra["precision"]), str(extra["device"]))
        self._seed, shape, note = seed_of(self._weights), self.shape(), {}
        if self._seed is None:
            parameters = iter(read_two_stage(self._find_weights(), shape).items())
        else:
            parameters = random_two_stage(shape, self._seed)
            note, self.trained_on = random_note(self._seed, int(extra["candidates"])), ()
        self._parts = Parts(network_of(shape, parameters), chosen)
        ran = self._parts.plan
        self.settings = replace(
            self.settings, extra={**extra, "precision": ran.precision, "device": ran.device, **note}
        )

    def preprocess(self, image: Image) -> Prepared[Input]:
        """Resize as floating-point numbers and subtract the mean; BGR."""
        height, width = image.shape[:2]
        scale = self.settings.scale(height, width)
        return Prepared((network_input(image, scale), (height, width)), scale)

    def cost(self, prepared: Prepared[Input]) -> NetworkCost:
        """Return size and work of the network for an input, with the head for 300 proposals."""
        shape = self.shape()
        gflop = shape.first_gflop(*prepared.data[0].shape[2:]) + shape.head_gflop(PROPOSALS)
        return self._sized(NetworkCost(parameters=shape.parameters(), gflop=gflop))

    def forward_parts(self, prepared: Prepared[Input]) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """Return trunk, proposal network, proposals, RoI pooling and head, to be run one after the other."""
        parts, data = self._parts, prepared.data[0]
        size = data.shape[2], data.shape[3]
        return (
            ("trunk", lambda _: parts.trunk(data)),
            ("rpn", parts.rpn),
            ("proposals", lambda state: self._enough(parts.propose(state, size, prepared.scale))),
            ("roi pooling", lambda state: parts.pool(state, size)),
            ("head", parts.head),
        )

    def forward(self, prepared: Prepared[Input]) -> Any:
        """Run all parts of the network."""
        return run_parts(self.forward_parts(prepared))

    def _enough(self, state: Any) -> Any:
        if self._seed is not None and len(state.rois) < PROPOSALS:
            raise DetectorError(
                f"random weights give {len(state.rois)} proposals here, and the head is timed with {PROPOSALS}",
                remedy="Use a larger input size",
            )
        return state

    def postprocess(self, outputs: Any, prepared: Prepared[Input]) -> Detections:
        """Move the proposals by the head's deltas, apply the threshold, NMS and top_k."""
        return self.suppress(self.decode_boxes(outputs, prepared))

    def decode_boxes(self, outputs: Any, prepared: Prepared[Input]) -> tuple[Float32Array, Float32Array]:
        """Return boxes over the threshold in original pixels, clipped to the image, and their scores, before NMS."""
        scores, deltas = outputs.head
        margin, threshold = scores[:, 1] - scores[:, 0], self.settings.score_threshold
        if self._seed is not None:
            margin = with_candidates(margin, int(self.settings.extra["candidates"]), threshold)
        with np.errstate(over="ignore"):
            found = np.float32(1) / (np.float32(1) + np.exp(-margin))
        # The second deltas are applied in original pixels; the last four are the face's.
        boxes = decode(outputs.rois / np.float32(prepared.scale), deltas[:, 4:], prepared.data[1])
        kept = found > threshold
        return boxes[kept], found[kept]

    def suppress(self, decoded: tuple[Float32Array, Float32Array]) -> Detections:
        """Apply NMS and top_k."""
        return suppressed(*decoded, float(self.settings.nms_iou or 0.0), self.settings.top_k)
