"""YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023) through ONNX Runtime, at the size of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_FILE = "face_detection_yunet_2023mar.onnx"
_STRIDES = (8, 16, 32)


class YuNet(WeightsAdapter):
    """An anchor-free detector of 75 thousand parameters with three strides."""

    info = DetectorInfo(
        name="yunet",
        title="YuNet (2023mar)",
        source="Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, MIR 2023",
        licence="BSD 3-Clause (libfacedetection.train)",
        weights=_FILE,
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(resize="original", score_threshold=0.02, nms_iou=0.45),
        defaults_source="libfacedetection.train, configs/yunet_s.py, test_cfg; images at their original size",
    )

    def load(self) -> None:
        """Read the network, with its fixed 640 x 640 input freed."""
        path = find_weights(_FILE, self._weights)
        self._outputs = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox")]
        self._session: Any = open_session(path, self._outputs, free_size=True)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Resize, pad right and below with zeros to a multiple of 32, BGR float32 (1, 3, height, width)."""
        resized, scale = resize_image(image, self.settings)
        height, width = resized.shape[:2]
        padded = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), dtype=np.float32)
        padded[0, :, :height, :width] = resized.transpose(2, 0, 1)
        return Prepared(padded, scale)

    def forward(self, prepared: Prepared) -> Any:
        """Run the network: cls, obj and bbox for each stride."""
        return self._session.run(self._outputs, {self._session.get_inputs()[0].name: prepared.data})

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Decode as OpenCV's FaceDetectorYN does: a box hangs on its cell, a score is sqrt(cls * obj)."""
        boxes, scores = [], []
        width = prepared.data.shape[3]
        for level, stride in enumerate(_STRIDES):
            cls, obj, bbox = (np.asarray(out[0], dtype=np.float64) for out in outputs[3 * level : 3 * level + 3])
            row, column = np.divmod(np.arange(len(cls)), width // stride)
            centre = (np.column_stack((column, row)) + bbox[:, :2]) * stride
            size = np.exp(bbox[:, 2:]) * stride
            boxes.append(np.hstack((centre - size / 2, centre + size / 2)) / prepared.scale)
            scores.append(np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1)))
        return select(np.concatenate(boxes), np.concatenate(scores), self.settings)
