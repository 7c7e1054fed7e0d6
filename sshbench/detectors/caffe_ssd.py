"""SSD networks in Caffe's format through OpenCV, without their last layer.

The last layer (`DetectionOutput`) is computed here, because OpenCV returns as many rows as the definition allows and
does not clear those without a detection, so that they hold boxes of other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, select
from sshbench.detectors.contract import Prepared
from sshbench.detectors.cost import NetworkCost, opencv_cost
from sshbench.detectors.opencv_net import NetInput, read_caffe
from sshbench.detectors.priors import decode
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, Image
from sshbench.ssh.anchors import Float32Array


class CaffeSsd(WeightsAdapter):
    """Base of SSD detectors in Caffe's format.

    Attributes:
        definition: Name of the .prototxt file.
        mean: Of blue, green and red.
        outputs: Names of the layers with deltas, scores and priors.
        before_nms: nms_param.top_k of the definition: only this many of the best boxes take part in NMS.
    """

    definition: ClassVar[str]
    mean: ClassVar[tuple[float, float, float]]
    outputs: ClassVar[tuple[str, str, str]]
    before_nms: ClassVar[int]

    def load(self) -> None:
        """Read definition and weights."""
        self._net = read_caffe(find_weights(self.definition), self._find_weights())

    def network_input(self, pixels: Image, extent: tuple[float, float], scale: float) -> Prepared[NetInput]:
        """Return pixels minus the mean as network input; its sides stand for `extent` pixels of the image."""
        import cv2

        return Prepared((np.asarray(cv2.dnn.blobFromImage(pixels, 1.0, mean=self.mean)), extent), scale)

    def cost(self, prepared: Prepared[NetInput]) -> NetworkCost:
        """Return size and work of the network for an input."""
        return self._sized(opencv_cost(self._net, prepared.data[0].shape))

    def forward(self, prepared: Prepared[NetInput]) -> Sequence[Float32Array]:
        """Return deltas, scores of background and face, and priors with their variances, all flat."""
        self._net.setInput(prepared.data[0])
        return [np.asarray(out, dtype=np.float32) for out in self._net.forward(self.outputs)]

    def forward_batch(self, prepared: Sequence[Prepared[NetInput]]) -> list[Sequence[Float32Array]]:
        """Run the network once for inputs of one size; return for each input what `forward` returns."""
        self._net.setInput(np.concatenate([one.data[0] for one in prepared]))
        deltas, scores, priors = (np.asarray(out, dtype=np.float32) for out in self._net.forward(self.outputs))
        # The priors depend on the size of the input alone, and come once.
        return [(deltas[i : i + 1], scores[i : i + 1], priors) for i in range(len(prepared))]

    def postprocess(self, outputs: Sequence[Float32Array], prepared: Prepared[NetInput]) -> Detections:
        """Decode what passes the threshold, to pixels of the image; apply NMS and top_k."""
        height, width = prepared.data[1]
        scores = outputs[1].reshape(-1, 2)[:, 1].astype(np.float64)
        rows = np.flatnonzero(scores >= self.settings.score_threshold)
        rows = rows[np.argsort(-scores[rows], kind="stable")[: self.before_nms]]
        corners = outputs[2].reshape(2, -1, 4)[0, rows].astype(np.float64)
        chosen = np.stack(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]))
        # The networks work in fractions of the input's sides, and so does their NMS.
        boxes = decode(outputs[0].reshape(-1, 4)[rows].astype(np.float64), chosen)
        return select(boxes * [width, height, width, height], scores[rows], self.settings)
