"""dlib's frontal face detector: HOG features and five linear filters over an image pyramid (King, 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, resize_image, select
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.errors import UsageError
from sshbench.records import Detections, Image

_Found = tuple[Any, list[float], list[int]]  # dlib's rectangles, scores, and the filter that found each


class DlibHog(WeightsAdapter):
    """The detector that dlib contains; a score is the distance from a filter's threshold."""

    info = DetectorInfo(
        name="dlib-hog",
        title="dlib HOG (frontal face)",
        source="King, Max-Margin Object Detection, 2015 (arXiv 1502.00046); dlib.net",
        licence="Boost Software License 1.0",
        training_data="about 3 000 images of LFW, a collection that FDDB is drawn from too",
        trained_on=("fddb",),
        draw_threshold=0.0,  # dlib's own adjust_threshold
        defaults=Settings(score_threshold=-1.0, extra={"upsample": 1}),
        defaults_source="dlib, python_examples/face_detector.py: enlarged once, scores from -1; it has published no "
        "WIDER evaluation",
        ranges={"upsample": (0, 4)},
    )

    def load(self) -> None:
        """Make the detector."""
        if self._weights is not None:
            raise UsageError("the weights of dlib-hog are inside dlib", remedy="Leave --weights out")
        try:
            import dlib
        except ImportError as error:
            raise UsageError("dlib-hog needs dlib", remedy="pip install 'sshbench[dlib]'") from error
        self._detector = dlib.get_frontal_face_detector()

    def preprocess(self, image: Image) -> Prepared[Image]:
        """Resize; RGB. dlib enlarges the image itself."""
        resized, scale = resize_image(image, self.settings)
        return Prepared(np.ascontiguousarray(resized[:, :, ::-1]), scale)

    def forward(self, prepared: Prepared[Image]) -> _Found:
        """Apply the filters at all scales; dlib suppresses overlaps."""
        upsample = int(self.settings.extra["upsample"])
        found: _Found = self._detector.run(prepared.data, upsample, float(self.settings.score_threshold))
        return found

    def postprocess(self, outputs: _Found, prepared: Prepared[Image]) -> Detections:
        """Turn rectangles, whose ends are inclusive, into corners in pixels of the image."""
        corners = [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in outputs[0]]
        boxes = np.asarray(corners, dtype=np.float64).reshape(-1, 4) / prepared.scale
        return select(boxes, np.asarray(outputs[1], dtype=np.float64), self.settings)
