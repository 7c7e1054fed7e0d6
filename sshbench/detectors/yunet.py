"""YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023), at the size of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sshbench.detectors.adapter import OnnxAdapter, resize_image, select
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION
from sshbench.detectors.graphs.strided import decode_offsets, joined_score
from sshbench.errors import UsageError, did_you_mean
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_STRIDES = (8, 16, 32)
_SCORES = ("product", "sqrt")


class YuNet(OnnxAdapter):
    """An anchor-free detector of 75 thousand parameters with three strides."""

    info = DetectorInfo(
        name="yunet",
        title="YuNet (2023mar)",
        source="Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, MIR 2023",
        licence="BSD 3-Clause (libfacedetection.train)",
        weights="face_detection_yunet_2023mar.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        draw_threshold=0.81,  # OpenCV's FaceDetectorYN takes 0.9, of the square root
        ranges={**PROBABILITY, **CALIBRATION_RANGE},
        defaults=Settings(score_threshold=0.02, nms_iou=0.45, extra={**EXECUTION, "score": "product"}),
        defaults_source="libfacedetection.train, tools/compare_inference.py: threshold 0.02, NMS 0.45, cls * obj, "
        "images at their original size; OpenCV's FaceDetectorYN takes the square root (score=sqrt)",
    )
    outputs = tuple(f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox"))
    free_size = True  # the file declares 640 x 640

    def load(self) -> None:
        """Check the settings, and open the network."""
        asked = str(self.settings.extra["score"])
        if asked not in _SCORES:
            raise UsageError(f"'{self.info.name}' has no score '{asked}'", remedy=did_you_mean(asked, _SCORES))
        super().load()

    def preprocess(self, image: Image) -> Prepared[Float32Array]:
        """Resize, pad right and below with zeros to a multiple of 32; BGR float32 (1, 3, height, width)."""
        resized, scale = resize_image(image, self.settings)
        height, width = resized.shape[:2]
        padded = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), dtype=np.float32)
        for channel in range(3):
            padded[0, channel, :height, :width] = resized[:, :, channel]
        return Prepared(padded, scale)

    def forward(self, prepared: Prepared[Float32Array]) -> Sequence[Float32Array]:
        """Return cls (1, n, 1), obj (1, n, 1) and bbox (1, n, 4) of each stride."""
        return self.run_network(prepared.data)

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[Float32Array]) -> Detections:
        """Decode offsets from the cell; the score is cls * obj as in the release, or its square root as in OpenCV."""
        score: Any = self.settings.extra["score"]
        levels = []
        for level, stride in enumerate(_STRIDES):
            cls, obj, bbox = (np.asarray(out[0], dtype=np.float64) for out in outputs[3 * level : 3 * level + 3])
            levels.append((stride, joined_score(cls[:, 0], obj[:, 0], score), bbox))
        height, width = prepared.data.shape[2:]
        boxes, scores = decode_offsets(levels, height, width, self.settings.score_threshold)
        return select(boxes / prepared.scale, scores, self.settings)
