"""Ultra-Light-Fast-Generic-Face-Detector (RFB): anchors and decoding are inside the ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sshbench.detectors.adapter import OnnxAdapter, fixed_input, select, subtract_mean
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_Input = tuple[Float32Array, tuple[int, ...]]  # the batch, and the image's height and width


class UltraFace320(OnnxAdapter):
    """The network for 320 x 240 pixels."""

    info = DetectorInfo(
        name="ultraface-rfb-320",
        title="Ultra-Light RFB 320",
        source="Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB",
        licence="MIT",
        weights="ultraface-version-RFB-320.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={**PROBABILITY, **CALIBRATION_RANGE},
        defaults=Settings(score_threshold=0.1, nms_iou=0.3, top_k=400, extra=EXECUTION),
        defaults_source="widerface_evaluate/evaluation_on_widerface.py and vision/ssd/config/fd_config.py",
        fixed_size=(320, 240),
    )
    outputs = ("scores", "boxes")

    def preprocess(self, image: Image) -> Prepared[_Input]:
        """Resize to the fixed size; RGB, (pixel - 127) / 128."""
        rgb = fixed_input(image, self.info, self.settings)[:, :, ::-1]
        data = subtract_mean(rgb, (127, 127, 127)) / np.float32(128)
        return Prepared((data, image.shape[:2]), rgb.shape[1] / image.shape[1])

    def forward(self, prepared: Prepared[_Input]) -> Sequence[Float32Array]:
        """Return scores (1, n, 2), and boxes (1, n, 4) as corners from 0 to 1."""
        return self.run_network(prepared.data[0])

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[_Input]) -> Detections:
        """Scale boxes to pixels of the image; apply threshold, NMS and top_k."""
        height, width = prepared.data[1]
        boxes = outputs[1][0].astype(np.float64) * [width, height, width, height]
        return select(boxes, outputs[0][0, :, 1].astype(np.float64), self.settings)


class UltraFace640(UltraFace320):
    """The network for 640 x 480 pixels."""

    info = replace(
        UltraFace320.info,
        name="ultraface-rfb-640",
        title="Ultra-Light RFB 640",
        weights="ultraface-version-RFB-640.onnx",
        fixed_size=(640, 480),
    )
