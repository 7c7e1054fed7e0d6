"""The registry of detectors. A detector's module is imported when the detector is asked for, not before.

A detector is a class that follows `sshbench.detectors.Detector`. Other packages add theirs with an entry point in the
group `sshbench.detectors`: `name = "module:Class"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sshbench.errors import SshbenchError, UsageError, did_you_mean

if TYPE_CHECKING:
    from sshbench.detectors.contract import Detector, DetectorClass, DetectorInfo, SettingValue

GROUP = "sshbench.detectors"
BUILT_IN = {
    "centerface": "sshbench.detectors.centerface:CenterFace",
    "cms-rcnn-shape": "sshbench.rivals.cms_rcnn:CmsRcnn",
    "dlib-hog": "sshbench.detectors.dlib_hog:DlibHog",
    "faceboxes": "sshbench.detectors.faceboxes:FaceBoxes",
    "faster-rcnn-vgg16": "sshbench.rivals.faster_rcnn:FasterRcnnVgg16",
    "haar": "sshbench.detectors.haar:HaarCascade",
    "hr-resnet101": "sshbench.rivals.hr:HrResnet101",
    "hr-resnet50": "sshbench.rivals.hr:HrResnet50",
    "hr-vgg16": "sshbench.rivals.hr:HrVgg16",
    "mtcnn": "sshbench.detectors.mtcnn:Mtcnn",
    "replay": "sshbench.detectors.replay:Replay",
    "retinaface-mnet025": "sshbench.detectors.retinaface:RetinaFaceMnet025",
    "s3fd": "sshbench.rivals.s3fd:S3fd",
    "s3fd-mobilenetv2": "sshbench.detectors.s3fd:S3fdMobileNetV2",
    "ssd-res10": "sshbench.detectors.ssd_res10:SsdRes10",
    "ssh": "sshbench.detectors.ssh:Ssh",
    "ssh-pyramid": "sshbench.detectors.ssh:SshPyramid",
    "ssh-tiny": "sshbench.detectors.ssh:SshTiny",
    "ultraface-rfb-320": "sshbench.detectors.ultraface:UltraFace320",
    "ultraface-rfb-640": "sshbench.detectors.ultraface:UltraFace640",
    "yoloface-500k": "sshbench.detectors.yoloface:YoloFace500k",
    "yunet": "sshbench.detectors.yunet:YuNet",
}


def targets() -> Mapping[str, str]:
    """Return all detectors by name, as `module:Class`; plug-ins cannot replace built-in detectors."""
    plugins = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**dict(sorted(plugins.items())), **BUILT_IN}


def names() -> list[str]:
    """Return the names of all detectors, sorted.

    >>> "haar" in names()
    True
    """
    return sorted(targets())


def detector_class(name: str) -> DetectorClass:
    """Return the class of a detector.

    Args:
        name: One of `names()`; of `replay:FILE`, the part before the colon counts.

    Raises:
        UsageError: No detector has this name, or its plug-in is broken.
    """
    from sshbench.detectors.contract import DetectorInfo
    from sshbench.detectors.guard import contained

    name = name.partition(":")[0]
    known = targets()
    if name not in known:
        raise UsageError(f"unknown detector '{name}'", remedy=did_you_mean(name, sorted(known)))
    module, _, attribute = known[name].partition(":")
    broken = f"detector '{name}' ({known[name] or 'empty entry point'}) is broken"
    remedy = "Install or fix its package"
    try:
        with contained(name, "import"):
            made = getattr(import_module(module), attribute)
            info = getattr(made, "info", None)
    except SshbenchError as error:
        cause = error.__cause__ or error
        raise UsageError(f"{broken} ({type(cause).__name__}: {cause})", remedy=remedy) from error
    if not callable(made) or not isinstance(info, DetectorInfo):
        raise UsageError(f"{broken} (it has no `info` of type DetectorInfo)", remedy=remedy)
    return cast("DetectorClass", made)


def detector_info(name: str) -> DetectorInfo:
    """Return what a user should know of a detector, without loading it.

    Raises:
        UsageError: No detector has this name.

    >>> detector_info("haar").title
    'Haar cascade (OpenCV, frontal face default)'
    """
    return detector_class(name).info


def load_detector(
    name: str,
    *,
    weights: str | Path | None = None,
    tta: str | Path | None = None,
    **overrides: SettingValue | None,
) -> Detector:
    """Make a detector and load it.

    Args:
        name: One of `names()`; `replay:FILE` is short for `replay` with this file as its weights.
        weights: Its weights file; default: found by name, see `sshbench.detectors.weights`.
        tta: Recipe of test-time augmentation, `flip` for example, or a .toml file; None for a single pass.
        **overrides: Settings instead of the published ones: `resize`, `score_threshold`, `nms_iou`, `top_k`, and those
            that only this detector has (`sshbench detectors info NAME` lists them); as values or as text.

    Raises:
        UsageError: There is no such detector or setting, or a value has a wrong type or is out of range.
        MissingDataError: Its weights were not found.
        InputError: Its weights are not the expected file.
        DetectorError: Its code raised another error.

    >>> detector = load_detector("haar", resize="fit=640x480", min_neighbors=3)
    >>> detector.settings.resize, detector.settings.extra["min_neighbors"]
    ('fit=640x480', 3)
    """
    from sshbench.detectors.guard import contained
    from sshbench.detectors.overrides import changed_settings

    name, _, file = name.partition(":")
    if file and weights is not None:
        raise UsageError(f"'{name}:{file}' names its file already", remedy="Leave --weights out")
    weights = file or weights
    made = detector_class(name)
    settings = changed_settings(made.info, overrides)
    with contained(name, "loading"):
        detector = made(settings=settings, weights=None if weights is None else Path(weights))
        detector.load()
    if tta is None:
        return detector
    from sshbench.detectors.augmented import Augmented
    from sshbench.detectors.recipe import load_recipe

    return Augmented(detector, load_recipe(tta))
