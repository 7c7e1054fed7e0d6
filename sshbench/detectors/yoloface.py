"""YOLO-face 500k: a Darknet network of 0.4 MB through OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, fixed_input, select
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.cost import NetworkCost, opencv_cost
from sshbench.detectors.opencv_net import NetInput, read_darknet
from sshbench.detectors.weights import find_weights
from sshbench.errors import InputError
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_HEADER, _BYTES = 20, 418_516  # of its weights file


class YoloFace500k(WeightsAdapter):
    """YOLOv3's head at three strides over a small trunk with squeeze and excitation."""

    info = DetectorInfo(
        name="yoloface-500k",
        title="YOLO-face 500k v2",
        source="dog-qiuqiu/MobileNet-Yolo, yoloface-500k/v2",
        licence="none stated in dog-qiuqiu/MobileNet-Yolo",
        weights="yoloface-500k-v2.weights",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges=PROBABILITY,
        defaults=Settings(score_threshold=0.005, nms_iou=0.45),
        defaults_source="Darknet's `detector map`, quoted in its README: threshold 0.005, NMS 0.45; size of its cfg",
        fixed_size=(352, 288),
    )

    def load(self) -> None:
        """Read definition and weights."""
        # OpenCV sets every score to 0 whose objectness is below 0.2, unless the definition states another threshold.
        lowered = f"[yolo]\nthresh={self.settings.score_threshold}\n".encode()
        definition = find_weights("yoloface-500k-v2.cfg").read_bytes().replace(b"[yolo]\n", lowered)
        weights = self._find_weights()
        _check(weights)
        self._net = read_darknet(definition, weights)
        self._outputs = self._net.getUnconnectedOutLayersNames()

    def preprocess(self, image: Image) -> Prepared[NetInput]:
        """Resize to 352 x 288; RGB, 0 to 1."""
        import cv2

        resized = fixed_input(image, self.info, self.settings)
        data = np.asarray(cv2.dnn.blobFromImage(resized, 1 / 255, swapRB=True), dtype=np.float32)
        return Prepared((data, (image.shape[0], image.shape[1])), resized.shape[1] / image.shape[1])

    def cost(self, prepared: Prepared[NetInput]) -> NetworkCost:
        """Return size and work of the network for an input."""
        return self._sized(opencv_cost(self._net, prepared.data[0].shape))

    def forward(self, prepared: Prepared[NetInput]) -> Sequence[Float32Array]:
        """Return for each stride rows (n, 6): centre, sides (from 0 to 1), objectness, objectness times face."""
        self._net.setInput(prepared.data[0])
        return [np.asarray(out, dtype=np.float32) for out in self._net.forward(self._outputs)]

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[NetInput]) -> Detections:
        """Scale boxes to pixels of the image; apply threshold and NMS."""
        height, width = prepared.data[1]
        rows = np.concatenate(outputs).astype(np.float64)
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        boxes = np.hstack((centre - half, centre + half)) * [width, height, width, height]
        return select(boxes, rows[:, 5], self.settings)


def _check(weights: Path) -> None:
    """Check that a Darknet file has the length of this network's, and only finite numbers: OpenCV checks neither."""
    content = weights.read_bytes()
    if len(content) != _BYTES:
        raise InputError(
            f"{len(content):,} bytes, but the weights of this network have {_BYTES:,}",
            file=weights,
            remedy="Use the weights of yoloface-500k v2",
        )
    numbers = np.frombuffer(content[_HEADER:], dtype="<f4")
    if not np.isfinite(numbers).all() or not numbers.any():
        raise InputError(
            "not the weights of a network: numbers are not finite, or all 0", file=weights, remedy="Use an intact copy"
        )
