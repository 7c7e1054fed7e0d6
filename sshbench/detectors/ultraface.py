"""Ultra-Light-Fast-Generic-Face-Detector (RFB): anchors and decoding are inside the ONNX files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, fixed_input, select
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_OUTPUTS = ["scores", "boxes"]


class UltraFace320(WeightsAdapter):
    """The network for 320 x 240 pixels."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="ultraface-rfb-320",
        title="Ultra-Light RFB 320",
        source="Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB",
        licence="MIT",
        weights="ultraface-version-RFB-320.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.1, nms_iou=0.3, top_k=400),
        defaults_source="widerface_evaluate/evaluation_on_widerface.py and vision/ssd/config/fd_config.py",
    )
    fixed_size: ClassVar[tuple[int, int]] = (320, 240)

    def load(self) -> None:
        """Read the network."""
        path = find_weights(str(self.info.weights), self._weights)
        self._session: Any = open_session(path, _OUTPUTS)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Squash to the fixed size, RGB, (pixel - 127) / 128."""
        rgb = fixed_input(image, *self.fixed_size, self.settings)[:, :, ::-1]
        data = ((rgb.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        return Prepared((np.ascontiguousarray(data), image.shape[:2]), self.fixed_size[0] / image.shape[1])

    def forward(self, prepared: Prepared) -> Any:
        """Scores (1, n, 2), and boxes (1, n, 4) as corners in 0 to 1."""
        return self._session.run(_OUTPUTS, {"input": prepared.data[0]})

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """To pixels of the image; threshold, NMS, best 400."""
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
    )
    fixed_size = (640, 480)
