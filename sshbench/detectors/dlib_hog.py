"""dlib's frontal face detector: HOG features and five linear filters over an image pyramid (King, 2015)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.errors import UsageError
from sshbench.records import Detections, Image


class DlibHog(WeightsAdapter):
    """The detector that dlib carries; a score is a filter's distance from its threshold."""

    info: ClassVar[DetectorInfo] = DetectorInfo(
        name="dlib-hog",
        title="dlib HOG (frontal face)",
        source="King, Max-Margin Object Detection, 2015 (arXiv 1502.00046); dlib.net",
        licence="Boost Software License 1.0",
        weights=None,
        training_data="about 3 000 images of LFW, a collection that FDDB is drawn from too",
        trained_on=("fddb",),
        defaults=Settings(score_threshold=-1.0, extra={"upsample": 1}),
        defaults_source="dlib, python_examples/face_detector.py: enlarged once, scores from -1; it has published no "
        "WIDER evaluation",
    )

    def load(self) -> None:
        """Make the detector."""
        if self._weights is not None:
            raise UsageError("dlib-hog carries its weights inside dlib", remedy="Leave --weights out")
        try:
            import dlib
        except ImportError as error:
            raise UsageError("dlib-hog needs dlib", remedy="pip install 'sshbench[dlib]'") from error
        self._detector: Any = dlib.get_frontal_face_detector()

    def preprocess(self, image: Image) -> Prepared:
        """Resize, RGB; dlib enlarges by itself."""
        resized, scale = resize_image(image, self.settings)
        return Prepared(np.ascontiguousarray(resized[:, :, ::-1]), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Slide the filters over all scales; dlib suppresses overlaps."""
        return self._detector.run(
            prepared.data, int(self.settings.extra["upsample"]), float(self.settings.score_threshold)
        )

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Rectangles with inclusive ends to corners in pixels of the image."""
        found, scores, _ = outputs
        corners = [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in found]
        boxes = np.asarray(corners, dtype=np.float64).reshape(-1, 4) / prepared.scale
        return select(boxes, np.asarray(scores, dtype=np.float64), self.settings)
