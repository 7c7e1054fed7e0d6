"""YOLO-face 500k: a Darknet network of 0.4 MB through OpenCV."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, fixed_input, select
from sshbench.detectors.opencv_net import read_darknet
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_CFG = "yoloface-500k-v2.cfg"


class YoloFace500k(WeightsAdapter):
    """YOLOv3's head with three strides over a small trunk with squeeze and excitation."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="yoloface-500k",
        title="YOLO-face 500k v2",
        source="dog-qiuqiu/MobileNet-Yolo, yoloface-500k/v2",
        licence="none stated in dog-qiuqiu/MobileNet-Yolo",
        weights="yoloface-500k-v2.weights",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.005, nms_iou=0.45),
        defaults_source="Darknet's `detector map`, which its README quotes: threshold 0.005, NMS 0.45; the input size "
        "of its cfg",
    )
    fixed_size: ClassVar[tuple[int, int]] = (352, 288)

    def load(self) -> None:
        """Read definition and weights."""
        path = find_weights(str(self.info.weights), self._weights)
        # OpenCV zeroes every score whose objectness is below 0.2 unless the definition says otherwise.
        lowered = f"[yolo]\nthresh={self.settings.score_threshold}\n".encode()
        definition = find_weights(_CFG).read_bytes().replace(b"[yolo]\n", lowered)
        self._net: Any = read_darknet(definition, path)
        self._outputs = self._net.getUnconnectedOutLayersNames()
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Squash to 352 x 288, RGB in 0 to 1."""
        import cv2

        squashed = fixed_input(image, *self.fixed_size, self.settings)
        data = cv2.dnn.blobFromImage(squashed, 1 / 255, swapRB=True)
        return Prepared((data, image.shape[:2]), self.fixed_size[0] / image.shape[1])

    def forward(self, prepared: Prepared) -> Any:
        """By stride rows (n, 6): centre, sides (in 0 to 1), objectness, objectness times face."""
        self._net.setInput(prepared.data[0])
        return self._net.forward(self._outputs)

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """To pixels of the image; threshold and NMS."""
        height, width = prepared.data[1]
        rows = np.concatenate(outputs).astype(np.float64)
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        boxes = np.hstack((centre - half, centre + half)) * [width, height, width, height]
        return select(boxes, rows[:, 5], self.settings)
