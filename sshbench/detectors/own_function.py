"""A function of the user's as what the registry holds: its keyword parameters are its settings."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from sshbench.detectors.contract import DetectorInfo, Settings, SettingValue
from sshbench.detectors.function import FunctionDetector
from sshbench.errors import UsageError
from sshbench.files import sha256_of

_WEIGHTS = "weights"


class FunctionClass:
    """Makes detectors of a function.

    Args:
        function: Takes an image first, and returns boxes and scores. Its other parameters that have a number or a text
            as default are settings of the detector; a parameter `weights` gets the path of `--weights`.
        name: Name in results.
        spelling: What the user wrote, for messages.
        made: Where the user made a `FunctionDetector` of it: its channel order, its own `extra` and its training data.

    Raises:
        UsageError: It takes no image, or a parameter that nobody gives.

    >>> def faces(image, minimum=0.5):
    ...     return [[0, 0, 10, 10]], [minimum]
    >>> FunctionClass(faces, "faces", "faces").info.defaults.extra
    {'channel_order': 'RGB', 'minimum': 0.5}
    """

    def __init__(
        self, function: Callable[..., Any], name: str, spelling: str, made: FunctionDetector | None = None
    ) -> None:
        self._function = function
        self._spelling = spelling
        parameters, self._weights = _parameters(function, spelling)
        self._parameters = tuple(parameters)
        extra = {"channel_order": "RGB", **parameters, **(made.settings.extra if made is not None else {})}
        defaults = Settings(score_threshold=-sys.float_info.max, extra=extra)  # no score is too low
        self.info = DetectorInfo(
            name=name,
            title=name,
            source="a function of the user",
            defaults=defaults,
            defaults_source="the user",
            trained_on=None if made is None else made.info.trained_on,
        )
        self._weights_sha256 = None if made is None else made.weights_sha256

    input_pixels = staticmethod(FunctionDetector.input_pixels)

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> FunctionDetector:
        """Make a detector.

        Raises:
            UsageError: Weights are given and not taken, or the other way round.
        """
        settings = settings or self.info.defaults
        given: dict[str, object] = {name: settings.extra[name] for name in self._parameters}
        if weights is not None and self._weights == "none":
            raise UsageError(
                f"function '{self._spelling}' takes no weights", remedy="Give it a parameter `weights`, the path"
            )
        if weights is None and self._weights == "needed":
            raise UsageError(f"function '{self._spelling}' needs weights", remedy="Name them with --weights FILE")
        if weights is not None:
            given[_WEIGHTS] = weights
        order = cast("Literal['RGB', 'BGR']", settings.extra["channel_order"])
        detector = FunctionDetector(
            partial(self._function, **given) if given else self._function,
            name=self.info.name,
            channel_order=order,
            trained_on=self.info.trained_on,
            weights_sha256=self._weights_sha256 if weights is None else sha256_of(weights),
        )
        detector.settings = settings
        return detector


def _parameters(function: Callable[..., Any], spelling: str) -> tuple[dict[str, SettingValue], str]:
    """Return the parameters that are settings, with their defaults, and whether weights are `none`, `taken`, `needed`.

    Raises:
        UsageError: It takes no image, or needs a parameter that nobody gives.
    """
    try:
        declared = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of a library in C
        return {}, "none"
    if not declared or declared[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        raise UsageError(
            f"function '{spelling}' takes no image",
            remedy="Its first parameter is the image; for a function that makes a detector, write NAME = function() in "
            "the file and use NAME",
        )
    found: dict[str, SettingValue] = {}
    weights = "none"
    for one in declared[1:]:
        if one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        if one.name == _WEIGHTS:
            weights = "needed" if one.default is inspect.Parameter.empty else "taken"
        elif isinstance(one.default, int | float | str) and one.kind is not inspect.Parameter.POSITIONAL_ONLY:
            found[one.name] = one.default
        elif one.default is inspect.Parameter.empty:
            raise UsageError(
                f"function '{spelling}' needs a parameter '{one.name}' that nobody gives",
                remedy=f"Give it a number or a text as default; `--set {one.name}=...` changes it",
            )
    return found, weights
