"""S3FD (Zhang et al., ICCV 2017) with a MobileNetV2 trunk, at the size of the image."""

from __future__ import annotations

import numpy as np

from sshbench.detectors.adapter import resize_image
from sshbench.detectors.caffe_ssd import CaffeSsd
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.opencv_net import NetInput
from sshbench.records import Image

_MIN_SIDE = 64  # pixels: for smaller inputs, OpenCV's convolutions read memory beyond the input


class S3fdMobileNetV2(CaffeSsd):
    """An SSD with five scales of square anchors."""

    info = DetectorInfo(
        name="s3fd-mobilenetv2",
        title="S3FD (MobileNetV2, mod11l)",
        source="Zhang et al., S3FD, ICCV 2017; smaller networks of github.com/bonseyes/SFD",
        licence="none stated in bonseyes/SFD",
        weights="sfd-mbv2-mod11l-fp16.caffemodel",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges=PROBABILITY,
        defaults=Settings(score_threshold=0.05, nms_iou=0.3, top_k=750),
        defaults_source="deploy.prototxt (threshold 0.05, NMS 0.3, best 750); one scale, where its WIDER evaluation "
        "(sfd_test_code/test_wider.py) merges several scales and a flip",
    )
    definition = "sfd-mbv2-mod11l-fp16.prototxt"
    mean = (104.0, 117.0, 123.0)
    outputs = ("mbox_loc-_", "mbox_conf_flatten", "mbox_priorbox")
    before_nms = 5000

    def preprocess(self, image: Image) -> Prepared[NetInput]:
        """Resize, pad small images with the mean, and subtract the mean; BGR."""
        resized, scale = resize_image(image, self.settings)
        height, width = resized.shape[:2]
        right, below = max(_MIN_SIDE - width, 0), max(_MIN_SIDE - height, 0)
        if right or below:
            import cv2

            padded = cv2.copyMakeBorder(resized, 0, below, 0, right, cv2.BORDER_CONSTANT, value=self.mean)
            resized = np.asarray(padded, dtype=np.uint8)
        return self.network_input(resized, ((height + below) / scale, (width + right) / scale), scale)
