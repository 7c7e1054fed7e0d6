"""Detectors: load one by name, write your own, or use a function as a detector.

The public names are imported when they are first used.

A detector is a class with an `info` and four methods, each of which is timed on its own:

>>> import numpy as np
>>> from sshbench.detectors import Detections, DetectorInfo, Prepared, Settings, detect
>>> class BrightBlob:
...     '''The box around all pixels that are brighter than a threshold.'''
...     info = DetectorInfo(name="bright-blob", defaults=Settings(extra={"brightness": 128}))
...
...     def __init__(self, *, settings=None, weights=None):
...         self.settings = settings or self.info.defaults
...         self.weights_sha256 = None
...
...     def load(self):  # read weights, build the network
...         pass
...
...     def preprocess(self, image):  # uint8 (height, width, 3), channels in B, G, R order
...         return Prepared(image.max(axis=2), scale=1.0)
...
...     def forward(self, prepared):
...         return np.argwhere(prepared.data > self.settings.extra["brightness"])
...
...     def postprocess(self, outputs, prepared):
...         if not len(outputs):
...             return Detections.empty()
...         (y1, x1), (y2, x2) = outputs.min(axis=0), outputs.max(axis=0) + 1
...         return Detections(np.array([[x1, y1, x2, y2]]) / prepared.scale, np.array([1.0]))
>>> image = np.zeros((48, 64, 3), dtype=np.uint8)
>>> image[10:20, 30:40] = 255
>>> detector = BrightBlob()
>>> detector.load()
>>> detect(detector, image).boxes
array([[30., 10., 40., 20.]])

A function that returns boxes (corners x1, y1, x2, y2) and scores becomes a detector with `FunctionDetector`; it gets
images with their channels in the order that it states:

>>> from sshbench.detectors import FunctionDetector
>>> def centre(image):
...     height, width, _ = image.shape
...     return [[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], [0.5]
>>> detect(FunctionDetector(centre, channel_order="RGB"), image).boxes
array([[16., 12., 48., 36.]])

Published detectors are loaded by name, with other settings if you like (`sshbench detectors info haar` lists them):

>>> from sshbench.detectors import load_detector
>>> len(detect(load_detector("haar", min_neighbors=3), image))
0

A package of your own adds its detectors with an entry point; see examples/haar-profile.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sshbench.detectors.adapter import WeightsAdapter, resize_image, select
    from sshbench.detectors.batches import WorksInBatches, detect_batch
    from sshbench.detectors.contract import (
        Detector,
        DetectorClass,
        DetectorInfo,
        FollowsImages,
        Prepared,
        Settings,
        SettingValue,
        detect_timed,
    )
    from sshbench.detectors.function import FunctionDetector
    from sshbench.detectors.one_image import detect
    from sshbench.detectors.registry import detector_class, detector_info, load_detector, names
    from sshbench.records import Detections

_WHERE = {
    "Detections": "sshbench.records",
    "Detector": "sshbench.detectors.contract",
    "DetectorClass": "sshbench.detectors.contract",
    "DetectorInfo": "sshbench.detectors.contract",
    "FollowsImages": "sshbench.detectors.contract",
    "FunctionDetector": "sshbench.detectors.function",
    "Prepared": "sshbench.detectors.contract",
    "SettingValue": "sshbench.detectors.contract",
    "Settings": "sshbench.detectors.contract",
    "WeightsAdapter": "sshbench.detectors.adapter",
    "WorksInBatches": "sshbench.detectors.batches",
    "detect": "sshbench.detectors.one_image",
    "detect_batch": "sshbench.detectors.batches",
    "detect_timed": "sshbench.detectors.contract",
    "detector_class": "sshbench.detectors.registry",
    "detector_info": "sshbench.detectors.registry",
    "load_detector": "sshbench.detectors.registry",
    "names": "sshbench.detectors.registry",
    "resize_image": "sshbench.detectors.adapter",
    "select": "sshbench.detectors.adapter",
}

__all__ = [
    "Detections",
    "Detector",
    "DetectorClass",
    "DetectorInfo",
    "FollowsImages",
    "FunctionDetector",
    "Prepared",
    "SettingValue",
    "Settings",
    "WeightsAdapter",
    "WorksInBatches",
    "detect",
    "detect_batch",
    "detect_timed",
    "detector_class",
    "detector_info",
    "load_detector",
    "names",
    "resize_image",
    "select",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'sshbench.detectors' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
