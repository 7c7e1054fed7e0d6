"""Where a detector of the user's own comes from: what tells its runs from those of another model of the same name."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field

from sshbench.detectors.contract import Detector
from sshbench.detectors.function import DetectorLike, FunctionDetector
from sshbench.detectors.own import own_model
from sshbench.detectors.registry import targets
from sshbench.detectors.spelling import parse_spelling


@dataclass(frozen=True, slots=True)
class Source:
    """Where a detector comes from.

    Attributes:
        spelling: What names it from any folder; None for detectors by name and for Python objects.
        code: sha256 of its source, by file, or by name for a Python object; empty for what is installed.
    """

    spelling: str | None = None
    code: Mapping[str, str] = field(default_factory=dict)


def source_of(detector: DetectorLike) -> Source:
    """Return where a detector comes from.

    The code of a class or function that is passed as an object is its own text, where Python has it; that of a loaded
    detector is not looked at.

    Raises:
        SshbenchError: It is a spelling that names nothing.

    >>> source_of("yunet")
    Source(spelling=None, code={})
    """
    if isinstance(detector, str):
        spelling = parse_spelling(detector, targets())
        if spelling.kind == "name":
            return Source()
        return Source(str(spelling.absolute), own_model(spelling).code if spelling.own else {})
    thing: object = detector.function if isinstance(detector, FunctionDetector) else detector
    if isinstance(thing, Detector) and not inspect.isclass(thing):
        return Source()
    while isinstance(thing, functools.partial):
        thing = thing.func
    if str(getattr(thing, "__module__", "")).startswith("sshbench."):
        return Source()
    try:
        text = inspect.getsource(thing)  # type: ignore[arg-type]  # what it cannot find it refuses
    except (OSError, TypeError):
        return Source()
    return Source(code={str(getattr(thing, "__name__", "")): hashlib.sha256(text.encode()).hexdigest()})
