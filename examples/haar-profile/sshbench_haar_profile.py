"""OpenCV's cascades for frontal faces and for profiles, both sides, as one detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sshbench.detectors import Detections, DetectorInfo, Prepared, Settings, WeightsAdapter, resize_image, select

Grey = npt.NDArray[np.uint8]
Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # boxes x y w h (n, 4) and scores (n,)


class HaarProfile(WeightsAdapter):
    """Three passes over an image: frontal, left profile, and right profile as the left one of the mirrored image."""

    info = DetectorInfo(
        name="haar-profile",
        title="Haar cascades, frontal and profile",
        source="OpenCV, data/haarcascades",
        licence="Apache-2.0 (OpenCV); cascade files: Intel License Agreement For Open Source Computer Vision Library",
        weights=None,  # a name in sshbench's weights registry, or None if the package brings its own
        training_data="not published",
        trained_on=None,  # ("wider",) would mark results on WIDER FACE as in domain
        defaults=Settings(nms_iou=0.3, extra={"scale_factor": 1.1, "min_neighbors": 2}),  # users change them with --set
        defaults_source="this example's own",
        ranges={"scale_factor": (1.001, 10), "min_neighbors": (0, 1000)},
    )

    def load(self) -> None:
        """Read the cascades; called once, before the first image."""
        folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]  # missing from OpenCV's stubs
        self._frontal = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))
        self._profile = cv2.CascadeClassifier(str(folder / "haarcascade_profileface.xml"))

    def preprocess(self, image: npt.NDArray[np.uint8]) -> Prepared[Grey]:
        """Convert uint8 (height, width, 3) BGR to grey, at the size that the settings ask for."""
        resized, scale = resize_image(image, self.settings)
        grey = cv2.equalizeHist(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY))
        return Prepared(np.asarray(grey, dtype=np.uint8), scale)

    def forward(self, prepared: Prepared[Grey]) -> list[Found]:
        """Return the boxes x y w h and scores of each pass."""
        grey = prepared.data
        mirrored = np.ascontiguousarray(grey[:, ::-1])
        found = [self._run(self._frontal, grey), self._run(self._profile, grey), self._run(self._profile, mirrored)]
        boxes, _ = found[2]
        boxes[:, 0] = grey.shape[1] - boxes[:, 0] - boxes[:, 2]
        return found

    def postprocess(self, outputs: list[Found], prepared: Prepared[Grey]) -> Detections:
        """Convert boxes to pixels of the original image; `select` applies score threshold, NMS and top_k."""
        boxes = np.concatenate([boxes for boxes, _ in outputs]) / prepared.scale
        found = Detections.from_xywh(boxes, np.concatenate([scores for _, scores in outputs]))
        return select(found.boxes, found.scores, self.settings)

    def _run(self, cascade: cv2.CascadeClassifier, grey: Grey) -> Found:
        extra = self.settings.extra
        boxes, _, scores = cascade.detectMultiScale3(
            grey,
            scaleFactor=float(extra["scale_factor"]),
            minNeighbors=int(extra["min_neighbors"]),
            outputRejectLevels=True,
        )
        return np.asarray(boxes, dtype=np.float64).reshape(-1, 4), np.asarray(scores, dtype=np.float64).ravel()
