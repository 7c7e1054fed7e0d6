"""OpenCV's Haar cascade for frontal faces (Viola and Jones 2001; Lienhart and Maydt 2002)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sshbench.detectors.base import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.errors import InputError
from sshbench.records import Detections, Image
from sshbench.resources import sha256_of

_CASCADE = "haarcascade_frontalface_default.xml"


class HaarCascade(WeightsAdapter):
    """The cascade that OpenCV carries; a score is the sum of the last stage that a window passed."""

    info = DetectorInfo(
        name="haar",
        title="Haar cascade (OpenCV, frontal face default)",
        source="Lienhart and Maydt, An Extended Set of Haar-like Features for Rapid Object Detection, ICIP 2002",
        licence="Apache-2.0 (OpenCV); cascade file: Intel License Agreement For Open Source Computer Vision Library",
        weights=None,
        training_data="Intel, not published",
        # Fewer neighbours than in the tutorials (3): a curve needs the doubtful detections too.
        defaults=Settings(extra={"scale_factor": 1.1, "min_neighbors": 1, "min_size": 10}),
        defaults_source="cv2.CascadeClassifier.detectMultiScale's scale factor; the others are ours",
    )

    def load(self) -> None:
        """Read the cascade."""
        import cv2

        folder: str = cv2.data.haarcascades  # type: ignore[attr-defined]  # missing from OpenCV's stubs
        path = self._weights or Path(folder) / _CASCADE
        try:
            self._cascade: Any = cv2.CascadeClassifier(str(path))
            usable = not self._cascade.empty()
        except (cv2.error, SystemError):
            usable = False
        if not usable:
            raise InputError("is no cascade that OpenCV can read", file=path, remedy="Leave --weights out")
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared:
        """Resize, turn grey, equalise."""
        import cv2

        resized, scale = resize_image(image, self.settings)
        return Prepared(cv2.equalizeHist(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Slide the cascade over all scales; OpenCV groups the windows."""
        extra = self.settings.extra
        size = int(extra["min_size"])
        return self._cascade.detectMultiScale3(
            prepared.data,
            scaleFactor=float(extra["scale_factor"]),
            minNeighbors=int(extra["min_neighbors"]),
            minSize=(size, size),
            outputRejectLevels=True,
        )

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """Turn x y w h into corners, with the level weights as scores."""
        boxes, _, weights = outputs
        found = Detections.from_xywh(np.asarray(boxes, dtype=np.float64) / prepared.scale, np.ravel(weights))
        return select(found.boxes, found.scores, self.settings)
