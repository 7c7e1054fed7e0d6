"""What the networks of a family usually take: nothing in a graph says it, so that a guess starts from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usual:
    """What the networks of a family usually take.

    Attributes:
        input: Fields of `InputSpec`.
        settings: Fields of `DefaultSettings`.
        whose: Whose code it is from, for the reason.
        any_size: Whether such networks work at any size, whatever the file declares.
    """

    input: Mapping[str, Any]
    settings: Mapping[str, Any]
    whose: str
    any_size: bool = False


_TO_ONE = 1 / 255
_YOLO = {"channels": "RGB", "scale": _TO_ONE, "fit": "letterbox", "pad_value": 114}

USUAL: Mapping[str, Usual] = {
    "yolov5": Usual(_YOLO, {"score_threshold": 0.02, "nms_iou": 0.5}, "YOLOv5's"),
    "yolov8": Usual(_YOLO, {"score_threshold": 0.02, "nms_iou": 0.6}, "Ultralytics'"),
    "yolox": Usual(
        {"channels": "BGR", "fit": "pad", "pad_value": 114}, {"score_threshold": 0.02, "nms_iou": 0.45}, "YOLOX's"
    ),
    "ssd": Usual(
        {"channels": "RGB", "mean": 127, "scale": 1 / 128, "fit": "squash"},
        {"score_threshold": 0.1, "nms_iou": 0.3},
        "Ultra-Light's",
    ),
    "retinaface": Usual(
        {"channels": "BGR", "mean": (104, 117, 123), "fit": "pad", "pad_value": (104, 117, 123), "multiple": 1},
        {"score_threshold": 0.02, "nms_iou": 0.4},
        "Pytorch_Retinaface's",
        any_size=True,
    ),
    "scrfd": Usual(
        {"channels": "RGB", "mean": 127.5, "scale": 1 / 128, "fit": "pad", "pad_value": 0},
        {"score_threshold": 0.02, "nms_iou": 0.4},
        "InsightFace's",
        any_size=True,
    ),
    "yunet": Usual(
        {"channels": "BGR", "fit": "pad", "pad_value": 0},
        {"score_threshold": 0.02, "nms_iou": 0.45},
        "libfacedetection.train's",
        any_size=True,
    ),
    "centernet": Usual(
        {"channels": "RGB", "fit": "squash"}, {"score_threshold": 0.1, "nms_iou": 0.3}, "CenterFace's", any_size=True
    ),
    "boxes+scores": Usual(_YOLO, {"score_threshold": 0.02, "nms_iou": 0.45}, "YOLO's"),
}
"""By family."""
