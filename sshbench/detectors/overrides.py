"""Settings that a user changes, by name: checked against the detector's own settings and converted to their types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sshbench.detectors.adapter import check_fixed_size
from sshbench.detectors.contract import DetectorInfo, Settings, SettingValue
from sshbench.errors import UsageError, did_you_mean

_COMMON: dict[str, type[SettingValue]] = {"resize": str, "score_threshold": float, "nms_iou": float, "top_k": int}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def setting_values(info: DetectorInfo) -> dict[str, SettingValue | None]:
    """Return every setting of a detector with its published value, by name."""
    defaults = info.defaults
    common = {name: getattr(defaults, name) for name in _COMMON}
    return {**common, **defaults.extra}


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Split `key=value` texts, as --set gives them.

    Raises:
        UsageError: A text has no `=`, or a key occurs twice.

    >>> parse_assignments(["top_k=100", "resize=fit=640x480"])
    {'top_k': '100', 'resize': 'fit=640x480'}
    """
    parsed: dict[str, str] = {}
    for text in assignments:
        key, separator, value = (part.strip() for part in text.partition("="))
        if not separator or not key or not value:
            raise UsageError(f"--set {text}: expected KEY=VALUE", remedy="For example --set top_k=100")
        if key in parsed:
            raise UsageError(f"--set {key} is given twice: {parsed[key]} and {value}", remedy="Give it once")
        parsed[key] = value
    return parsed


def changed_settings(info: DetectorInfo, changes: Mapping[str, SettingValue | None]) -> Settings:
    """Return the published settings of a detector with some of them changed.

    Args:
        info: The detector.
        changes: Values by name, as numbers or as text (`"100"`); `"none"` or None removes the limit of `top_k`.

    Raises:
        UsageError: The detector has no such setting, or the value is of another type or out of range.

    >>> from sshbench.detectors import detector_info
    >>> changed_settings(detector_info("haar"), {"scale_factor": "1.2", "top_k": 5}).as_dict()["extra"]
    {'scale_factor': 1.2, 'min_neighbors': 1, 'min_size': 10}
    """
    defaults = info.defaults
    _refuse_unknown(info, changes)
    common: dict[str, SettingValue | None] = {}
    extra = dict(defaults.extra)
    for name, value in changes.items():
        if name in extra:
            extra[name] = _in_range(info, name, _converted(info, name, value, type(defaults.extra[name])))
        elif name == "nms_iou" and defaults.nms_iou is None:
            raise UsageError(f"detector '{info.name}' has no NMS threshold, so nms_iou cannot be {value}")
        elif name == "top_k" and (value is None or value == "none"):
            common[name] = None
        else:
            common[name] = _in_range(info, name, _converted(info, name, value, _COMMON[name]))
    settings = replace(defaults, **common, extra=extra)  # type: ignore[arg-type]  # types are those of _COMMON
    check_fixed_size(info, settings)
    return settings


def _refuse_unknown(info: DetectorInfo, changes: Mapping[str, object]) -> None:
    known = list(setting_values(info))
    for name, value in changes.items():
        if name not in known:
            raise UsageError(
                f"detector '{info.name}' has no setting '{name}' (value {value})",
                remedy=did_you_mean(name, known, listed="Its settings"),
            )


def _converted(info: DetectorInfo, name: str, value: SettingValue | None, kind: type[SettingValue]) -> SettingValue:
    """Convert a value to the type of its setting; a whole number may be given as a float, such as 4.0."""
    try:
        if kind is str and isinstance(value, str):
            return value
        if kind is bool and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if kind in (int, float) and value is not None and not isinstance(value, bool):
            number = float(value)
            if kind is float:
                return number
            if number.is_integer():
                return int(number)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"setting '{name}' of detector '{info.name}' must be {_KINDS[kind]}, not {value!r}",
        remedy=f"Its published value is {setting_values(info)[name]}",
    )


def _in_range(info: DetectorInfo, name: str, value: SettingValue) -> SettingValue:
    """Refuse a number out of the range that the detector states, or not finite."""
    if isinstance(value, str):
        return value
    low, high = info.ranges.get(name, (-math.inf, math.inf))
    if not (low <= value <= high and math.isfinite(value)):
        raise UsageError(
            f"setting '{name}' of detector '{info.name}' must be a number between {low:g} and {high:g}, not {value}",
            remedy=f"Its published value is {setting_values(info)[name]}",
        )
    return value
