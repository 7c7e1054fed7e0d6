"""Detectors by name. Nothing of a detector is imported before it is asked for.

A detector is a class that follows `sshbench.detectors.base.Detector`; other packages add theirs by an entry point in
the group `sshbench.detectors`, `name = "module:Class"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sshbench.detectors.base import Detector, DetectorInfo
from sshbench.errors import UsageError

GROUP = "sshbench.detectors"
BUILT_IN = {
    "centerface": "sshbench.detectors.centerface:CenterFace",
    "dlib-hog": "sshbench.detectors.dlib_hog:DlibHog",
    "faceboxes": "sshbench.detectors.faceboxes:FaceBoxes",
    "haar": "sshbench.detectors.haar:HaarCascade",
    "mtcnn": "sshbench.detectors.mtcnn:Mtcnn",
    "replay": "sshbench.detectors.replay:Replay",
    "retinaface-mnet025": "sshbench.detectors.retinaface:RetinaFaceMnet025",
    "s3fd-mobilenetv2": "sshbench.detectors.caffe_ssd:S3fdMobileNetV2",
    "ssd-res10": "sshbench.detectors.caffe_ssd:SsdRes10",
    "ssh": "sshbench.detectors.ssh:Ssh",
    "ssh-pyramid": "sshbench.detectors.ssh:SshPyramid",
    "ssh-tiny": "sshbench.detectors.ssh:SshTiny",
    "ultraface-rfb-320": "sshbench.detectors.ultraface:UltraFace320",
    "ultraface-rfb-640": "sshbench.detectors.ultraface:UltraFace640",
    "yoloface-500k": "sshbench.detectors.yoloface:YoloFace500k",
    "yunet": "sshbench.detectors.yunet:YuNet",
}


def targets() -> Mapping[str, str]:
    """All detectors by name, as `module:Class`; the built-in ones cannot be replaced by a plug-in."""
    plugins = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**dict(sorted(plugins.items())), **BUILT_IN}


def names() -> list[str]:
    """Names of all detectors, sorted."""
    return sorted(targets())


def detector_class(name: str) -> Any:
    """The class of a detector.

    Args:
        name: As in `names()`; of `replay:FILE`, the part before the colon counts.

    Raises:
        UsageError: No detector has this name, or a plug-in cannot be imported.
    """
    name = name.partition(":")[0]
    known = targets()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"there is no detector named '{name}'", remedy=f"{hint}Known: {', '.join(sorted(known))}")
    module, _, attribute = known[name].partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"detector '{name}' ({known[name]}) cannot be imported ({error})", remedy="Install or mend its package"
        ) from error


def detector_info(name: str) -> DetectorInfo:
    """What a user should know of a detector; nothing is loaded.

    Raises:
        UsageError: No detector has this name.
    """
    info: DetectorInfo = detector_class(name).info
    return info


def load_detector(name: str, *, weights: str | Path | None = None, **overrides: Any) -> Detector:
    """Make a detector and load it.

    Args:
        name: As in `names()`; `replay:FILE` is short for `replay` with this file as its weights.
        weights: Its weights file; default: looked up by name, see `sshbench.detectors.weights`.
        **overrides: Settings that go before the detector's own: `resize`, `score_threshold`, `nms_iou`, `top_k`,
            and those that only this detector has.

    Raises:
        UsageError: No such detector or setting, or a value out of range.
        MissingDataError: Its weights are not here.
        InputError: Its weights are not what they should be.

    >>> load_detector("haar", resize="480x640").settings.resize
    '480x640'
    """
    name, _, file = name.partition(":")
    if file and weights is not None:
        raise UsageError(f"'{name}:{file}' names its file already: leave --weights out")
    weights = file or weights
    made = detector_class(name)
    settings = made.info.defaults
    own = {key: value for key, value in overrides.items() if key in settings.extra}
    common = {key: value for key, value in overrides.items() if key not in own}
    if unknown := sorted(set(common) - {"resize", "score_threshold", "nms_iou", "top_k"}):
        raise UsageError(f"detector '{name}' has no setting '{unknown[0]}'")
    if common.get("nms_iou") is not None and settings.nms_iou is None:
        raise UsageError(f"detector '{name}' has no NMS threshold to set")
    settings = replace(settings, **common, extra={**settings.extra, **own})
    detector: Detector = made(settings=settings, weights=None if weights is None else Path(weights))
    detector.load()
    return detector
