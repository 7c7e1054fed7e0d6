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

from sshbench.detectors.built_in import BUILT_IN
from sshbench.detectors.spelling import PREFIXES, parse_spelling
from sshbench.errors import SshbenchError, UsageError

if TYPE_CHECKING:
    from sshbench.detectors.contract import Detector, DetectorClass, DetectorInfo, SettingValue
    from sshbench.detectors.function import BoxFunction, DetectorLike

GROUP = "sshbench.detectors"


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


def detector_class(name: str, *, spec: str | None = None) -> DetectorClass:
    """Return what makes a detector: its class, or a function that stands for one.

    Args:
        name: One of `names()`, or another spelling that `sshbench.detectors.spelling` knows.
        spec: What `--spec` says of an ONNX or exported model; None for other detectors.

    Raises:
        UsageError: No detector is written so, or its plug-in or file is broken.
    """
    known = targets()
    spelling = parse_spelling(name, known)
    if spec is not None and spelling.kind in ("name", "file", "module"):
        raise UsageError(f"'{name}' takes no --spec", remedy="A spec describes a model of onnx:FILE or export:FILE")
    if spelling.own:
        from sshbench.detectors.own import own_model

        return own_model(spelling).made
    if spelling.kind == "name":
        return _registered(spelling.place, known[spelling.place])
    module, _, function = PREFIXES[spelling.kind].partition(":")
    made: DetectorClass = getattr(import_module(module), function)(spelling.place, spec=spec)
    return made


def spelled_from(folder: Path, name: str) -> str:
    """Return a spelling whose file, if it has one, is relative to a folder, with its absolute path.

    >>> spelled_from(Path("/models"), "haar")
    'haar'
    """
    try:
        spelling = parse_spelling(name, targets())
    except UsageError:  # the one who loads it says so
        return name
    return str(spelling.below(folder))


def _registered(name: str, target: str) -> DetectorClass:
    """Return a built-in detector or a plug-in."""
    from sshbench.detectors.contract import DetectorInfo
    from sshbench.detectors.guard import contained

    module, _, attribute = target.partition(":")
    broken = f"detector '{name}' ({target or 'empty entry point'}) is broken"
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
    detector: DetectorLike,
    *,
    weights: str | Path | None = None,
    tta: str | Path | None = None,
    spec: str | Path | None = None,
    **overrides: SettingValue | None,
) -> Detector:
    """Make a detector and load it.

    Args:
        detector: One of `names()`; `replay:FILE`, short for `replay` with this file as its weights; a model of your own
            as `path/to/model.py:NAME` or `module:NAME` (docs/own-models.md); a class; a function from an image to boxes
            and scores. A loaded detector is returned as it is.
        weights: Its weights file; default: found by name, see `sshbench.detectors.weights`.
        tta: Recipe of test-time augmentation, `flip` for example, or a .toml file; None for a single pass.
        spec: For `onnx:FILE` and `export:FILE`: file that says what goes into the model and what comes out.
        **overrides: Settings instead of the published ones: `resize`, `score_threshold`, `nms_iou`, `top_k`, and those
            that only this detector has (`sshbench detectors info NAME` lists them); as values or as text.

    Raises:
        UsageError: There is no such detector or setting, a value has a wrong type or is out of range, or a class or
            function lacks a part of the contract.
        MissingDataError: Its weights, or its Python file, were not found.
        InputError: Its weights are not the expected file, or its Python file cannot be run.
        DetectorError: Its code raised another error.

    >>> detector = load_detector("haar", resize="fit=640x480", min_neighbors=3)
    >>> detector.settings.resize, detector.settings.extra["min_neighbors"]
    ('fit=640x480', 3)
    """
    from sshbench.detectors.contract import Detector
    from sshbench.detectors.guard import contained
    from sshbench.detectors.overrides import changed_settings

    if isinstance(detector, Detector) and not isinstance(detector, type):
        if overrides or weights is not None or spec is not None:
            raise UsageError(
                f"'{detector.info.name}' is made already: it takes no settings or weights, and no spec",
                remedy="Set them where it is made, or pass its class or its name",
            )
        loaded = detector
    else:
        made = _made_of(detector, None if spec is None else str(spec))
        settings = changed_settings(made.info, overrides)
        with contained(made.info.name, "loading"):
            loaded = made(settings=settings, weights=None if weights is None else Path(weights))
            loaded.load()
    if tta is None:
        return loaded
    from sshbench.detectors.augmented import Augmented
    from sshbench.detectors.recipe import load_recipe

    return Augmented(loaded, load_recipe(tta))


def _made_of(detector: str | DetectorClass | BoxFunction, spec: str | None) -> DetectorClass:
    """Return what makes a detector that is not made yet."""
    if isinstance(detector, str):
        return detector_class(detector, spec=spec)
    if spec is not None:
        raise UsageError("a class or function takes no spec", remedy="Use sshbench.OnnxGraph(FILE, spec=FILE)")
    from sshbench.detectors.own_class import as_class

    return as_class(detector)
