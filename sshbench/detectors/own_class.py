"""Turn a class, an instance or a function of the user's into what the registry holds, and say what it lacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from sshbench.detectors.built_in import BUILT_IN
from sshbench.detectors.contract import Detector, DetectorClass, DetectorInfo, Settings
from sshbench.detectors.function import FunctionDetector
from sshbench.detectors.own_function import FunctionClass
from sshbench.errors import UsageError
from sshbench.files import sha256_of

STAGES = ("load", "preprocess", "forward", "postprocess")
_SEE = "docs/own-models.md has a class to start from"


def as_class(thing: object, name: str = "", spelling: str = "") -> DetectorClass:
    """Return what makes detectors of a class, an instance or a function.

    Args:
        thing: A class that follows `Detector`; a detector; a function from an image to boxes and scores.
        name: Name in the file that it is of; default: its own.
        spelling: What the user wrote, for messages; default: the name.

    Raises:
        UsageError: It is none of these, or lacks a part; the text names all that it lacks.

    >>> def faces(image, brightness=0.5):
    ...     return [[0, 0, 10, 10]], [brightness]
    >>> as_class(faces).info.defaults.extra
    {'channel_order': 'RGB', 'brightness': 0.5}
    """
    name = name or str(getattr(thing, "__name__", type(thing).__name__)).strip("<>")
    spelling = spelling or name
    if isinstance(thing, FunctionClass | OwnClass | OwnInstance):
        return thing
    if inspect.isclass(thing):
        _check_parts(thing, spelling, (), "class")
        return OwnClass(thing, name, spelling)
    if isinstance(thing, FunctionDetector):
        return FunctionClass(thing.function, _free(thing.info.name), spelling, thing)
    if callable(thing) and not hasattr(thing, "postprocess"):
        return FunctionClass(cast("Callable[..., Any]", thing), _free(name), spelling)
    if not any(hasattr(thing, part) for part in STAGES):
        raise UsageError(
            f"'{spelling}' is {_kind(thing)}, not a detector",
            remedy="Name a class, a detector, or a function from an image to boxes and scores",
        )
    _check_parts(thing, spelling, ("settings",), "detector")
    if not hasattr(thing, "weights_sha256"):
        thing.weights_sha256 = None  # type: ignore[attr-defined]  # the contract has it
    return OwnInstance(cast("Detector", thing), spelling)


@dataclass(frozen=True, slots=True, eq=False)
class OwnClass:
    """A class of the user's.

    Attributes:
        kind: The class.
        name: Name in its file.
        spelling: What the user wrote.
    """

    kind: Any
    name: str
    spelling: str

    @property
    def info(self) -> DetectorInfo:
        """What a user should know of it; a name that another detector has gives way to the class's own."""
        info: DetectorInfo = self.kind.info
        return replace(info, name=_free(self.name)) if _taken(self.kind, info) else info

    @property
    def input_pixels(self) -> Any:
        """How many pixels the network gets, for classes that say it."""
        return self.kind.input_pixels

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> Detector:
        """Make a detector.

        Raises:
            UsageError: The class takes other arguments, or its detectors lack a part.
        """
        try:
            inspect.signature(self.kind).bind(settings=settings, weights=weights)
        except TypeError as error:
            raise UsageError(
                f"class '{self.spelling}' cannot be made from settings and weights ({error})",
                remedy="Write def __init__(self, *, settings=None, weights=None)",
            ) from error
        except ValueError:  # no signature to be had
            pass
        made = self.kind(settings=settings, weights=weights)
        if not hasattr(made, "weights_sha256"):
            made.weights_sha256 = None
        _check_parts(made, self.spelling, ("settings",), "class")
        if weights is not None and made.weights_sha256 is None:
            made.weights_sha256 = sha256_of(weights)
        if _taken(self.kind, made.info):
            made.info = replace(made.info, name=_free(self.name))
        return cast("Detector", made)


@dataclass(frozen=True, slots=True, eq=False)
class OwnInstance:
    """A detector that the user's code made.

    Attributes:
        detector: The detector.
        spelling: What the user wrote.
    """

    detector: Detector
    spelling: str

    @property
    def info(self) -> DetectorInfo:
        """What a user should know of it, with its settings as the defaults."""
        return replace(self.detector.info, defaults=self.detector.settings)

    @property
    def input_pixels(self) -> Any:
        """How many pixels the network gets, for detectors that say it."""
        return self.detector.input_pixels  # type: ignore[attr-defined]  # it need not

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> Detector:
        """Return the detector.

        Raises:
            UsageError: It is asked for with other settings or weights.
        """
        if weights is not None or (settings is not None and settings != self.detector.settings):
            raise UsageError(
                f"'{self.spelling}' is a detector that is made already: it takes no settings or weights",
                remedy="Set them where it is made, or name its class",
            )
        return self.detector


def _free(name: str) -> str:
    """Return a name that no detector of ours has: whose figures it is must be clear everywhere."""
    return f"own-{name}" if name in BUILT_IN else name


def _taken(kind: object, info: DetectorInfo) -> bool:
    """Return whether a class has the name of a detector of ours that it is not, as one that is derived from it has."""
    place = f"{getattr(kind, '__module__', '')}:{getattr(kind, '__name__', '')}"
    return info.name in BUILT_IN and BUILT_IN[info.name] != place


def _check_parts(thing: Any, spelling: str, attributes: tuple[str, ...], what: str) -> None:
    """Check that a class or a detector has everything that is called or read."""
    lacking = [name for name in ("info", *attributes) if not hasattr(thing, name)]
    lacking += [name for name in STAGES if not callable(getattr(thing, name, None))]
    if lacking:
        raise UsageError(f"{what} '{spelling}' lacks {' and '.join(lacking)}", remedy=_SEE)
    for name, kind in (("info", DetectorInfo), ("settings", Settings)):
        if name in ("info", *attributes) and not isinstance(getattr(thing, name), kind):
            raise UsageError(
                f"`{name}` of {what} '{spelling}' is {_kind(getattr(thing, name))}, not sshbench.{kind.__name__}",
                remedy=_SEE,
            )


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
