"""OpenCV's cascades for frontal faces and for profiles, both sides, as one detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sshbench.detectors import DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select
from sshbench.records import Detections, Image


class HaarProfile(WeightsAdapter):
    """Three passes over an image: frontal, left profile, and right profile as the left one of its mirror image."""

    info = DetectorInfo(
        name="haar-profile",
        title="Haar cascades, frontal and profile",
        source="OpenCV, data/haarcascades",
        licence="Apache-2.0 (OpenCV); cascade files: Intel License Agreement For Open Source Computer Vision Library",
        weights=None,  # a name of sshbench's weights registry, or None where the package brings its own
        training_data="not published",
        trained_on=None,  # ("wider",) would mark results on WIDER FACE as in domain
        defaults=Settings(nms_iou=0.3, extra={"scale_factor": 1.1, "min_neighbors": 2}),
        defaults_source="this example's own",
    )

    def load(self) -> None:
        """Read the cascades: called once, before the first image."""
        folder = Path(cv2.data.haarcascades)
        self._frontal = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
        self._profile = cv2.CascadeClassifier(str(folder / "haarcascade_profileface.xml"))

    def preprocess(self, image: Image) -> Prepared:
        """uint8 (height, width, 3) BGR to grey, at the size that the settings ask for."""
        resized, scale = resize_image(image, self.settings)
        return Prepared(cv2.equalizeHist(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)), scale)

    def forward(self, prepared: Prepared) -> Any:
        """Boxes x y w h and scores of each pass."""
        grey = prepared.data
        mirrored = np.ascontiguousarray(grey[:, ::-1])
        found = [self._run(self._frontal, grey), self._run(self._profile, grey), self._run(self._profile, mirrored)]
        boxes, _ = found[2]
        boxes[:, 0] = grey.shape[1] - boxes[:, 0] - boxes[:, 2]
        return found

    def postprocess(self, outputs: Any, prepared: Prepared) -> Detections:
        """To pixels of the original image; `select` applies least score, NMS and most boxes."""
        boxes = np.concatenate([boxes for boxes, _ in outputs]) / prepared.scale
        found = Detections.from_xywh(boxes, np.concatenate([scores for _, scores in outputs]))
        return select(found.boxes, found.scores, self.settings)

    def _run(self, cascade: cv2.CascadeClassifier, grey: Any) -> tuple[Any, Any]:
        extra = self.settings.extra
        boxes, _, scores = cascade.detectMultiScale3(
            grey,
            scaleFactor=float(extra["scale_factor"]),
            minNeighbors=int(extra["min_neighbors"]),
            outputRejectLevels=True,
        )
        return np.asarray(boxes, dtype=np.float64).reshape(-1, 4), np.asarray(scores, dtype=np.float64).ravel()
