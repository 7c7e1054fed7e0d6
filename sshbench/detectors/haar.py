"""OpenCV's Haar cascade for frontal faces (Viola and Jones 2001; Lienhart and Maydt 2002)."""

from __future__ import annotations

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, resize_image, select
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.detectors.opencv_net import CascadeOutput, cascade_path, read_cascade
from sshbench.files import sha256_of
from sshbench.records import Detections, Image


class HaarCascade(WeightsAdapter):
    """The cascade that OpenCV contains; a score is the sum of the last stage that a window passed."""

    info = DetectorInfo(
        name="haar",
        title="Haar cascade (OpenCV, frontal face default)",
        source="Lienhart and Maydt, An Extended Set of Haar-like Features for Rapid Object Detection, ICIP 2002",
        licence="Apache-2.0 (OpenCV); cascade file: Intel License Agreement For Open Source Computer Vision Library",
        training_data="Intel, not published",
        draw_threshold=None,
        # Fewer neighbours than in the tutorials (3), because a curve needs the uncertain detections too.
        defaults=Settings(extra={"scale_factor": 1.1, "min_neighbors": 1, "min_size": 10}),
        defaults_source="cv2.CascadeClassifier.detectMultiScale's scale factor; the others are ours",
        ranges={"scale_factor": (1.001, 10), "min_neighbors": (0, 1000), "min_size": (1, 100_000)},
    )

    def load(self) -> None:
        """Read the cascade."""
        path = self._weights or cascade_path("haarcascade_frontalface_default.xml")
        self._cascade = read_cascade(path)
        self.weights_sha256 = sha256_of(path)

    def preprocess(self, image: Image) -> Prepared[Image]:
        """Resize, convert to grey, equalise the histogram."""
        import cv2

        resized, scale = resize_image(image, self.settings)
        grey = cv2.equalizeHist(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY))
        return Prepared(np.asarray(grey, dtype=np.uint8), scale)

    def forward(self, prepared: Prepared[Image]) -> CascadeOutput:
        """Apply the cascade at all scales; OpenCV groups the windows."""
        extra = self.settings.extra
        found: CascadeOutput = self._cascade.detectMultiScale3(
            prepared.data,
            scaleFactor=float(extra["scale_factor"]),
            minNeighbors=int(extra["min_neighbors"]),
            minSize=(int(extra["min_size"]), int(extra["min_size"])),
            outputRejectLevels=True,
        )
        return found

    def postprocess(self, outputs: CascadeOutput, prepared: Prepared[Image]) -> Detections:
        """Turn x y w h into corners; the level weights are the scores."""
        boxes, _, weights = outputs
        found = Detections.from_xywh(np.asarray(boxes, dtype=np.float64) / prepared.scale, np.ravel(weights))
        return select(found.boxes, found.scores, self.settings)
