"""FaceBoxes (Zhang et al., IJCB 2017), a detector designed for CPUs, in PyTorch."""

from __future__ import annotations

from functools import partial

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, resize_image, select, subtract_mean
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.cost import NetworkCost
from sshbench.detectors.graphs.anchored import decode_priors
from sshbench.detectors.priors import FACEBOXES
from sshbench.errors import UsageError
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array

_MEAN = (104, 117, 123)  # of blue, green, red


class FaceBoxes(WeightsAdapter):
    """A single-stage detector with densely placed small priors."""

    info = DetectorInfo(
        name="faceboxes",
        title="FaceBoxes",
        source="Zhang et al., FaceBoxes, IJCB 2017; FaceBoxes.PyTorch, weights of 3DDFA_V2",
        licence="MIT",
        weights="FaceBoxesProd.pth",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges=PROBABILITY,
        defaults=Settings(score_threshold=0.05, nms_iou=0.3, top_k=750),
        defaults_source="FaceBoxes.PyTorch, test.py: score 0.05, NMS 0.3, best 750; AFW at original size; it has "
        "published no WIDER evaluation",
    )

    def load(self) -> None:
        """Read the weights."""
        try:
            from sshbench.detectors.faceboxes_network import read_network, run, torch_cost
        except ImportError as error:
            raise UsageError("faceboxes needs torch", remedy="pip install 'sshbench[ssh]'") from error
        network = read_network(self._find_weights())
        self._run, self._cost = partial(run, network), partial(torch_cost, network)

    def preprocess(self, image: Image) -> Prepared[Float32Array]:
        """Resize and subtract the mean; BGR float32 (1, 3, height, width)."""
        resized, scale = resize_image(image, self.settings)
        return Prepared(subtract_mean(resized, _MEAN), scale)

    def cost(self, prepared: Prepared[Float32Array]) -> NetworkCost:
        """Return size and work of the network for an input."""
        return self._sized(self._cost(prepared.data))

    def forward(self, prepared: Prepared[Float32Array]) -> tuple[Float32Array, Float32Array]:
        """Return deltas (n, 4) and scores after softmax (n, 2)."""
        return self._run(prepared.data)

    def postprocess(self, outputs: tuple[Float32Array, Float32Array], prepared: Prepared[Float32Array]) -> Detections:
        """Decode the boxes that pass the threshold from their priors; apply NMS and top_k."""
        scores = outputs[1][:, 1].astype(np.float64)
        height, width = prepared.data.shape[2:]
        threshold = self.settings.score_threshold
        boxes, scores = decode_priors(outputs[0], scores, height, width, threshold, levels=FACEBOXES)
        return select(boxes / prepared.scale, scores, self.settings)
