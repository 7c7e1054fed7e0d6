"""A family that was recognised in a network's outputs, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recognised:
    """A family that was recognised in a network's outputs.

    Attributes:
        output: The table `[output]` of the specification.
        why: What it was recognised by.
        usual: Key of `sshbench.detectors.graphs.usual.USUAL`: what such networks usually take.
        reasons: By field of `output`, why it has its value.
        nms_inside: Whether the graph suppresses boxes itself.
    """

    output: Mapping[str, Any]
    why: str
    usual: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    nms_inside: bool = False


def named(names: Iterable[str], *parts: str) -> str | None:
    """Return the first name that holds one of some parts, whatever their case; None if none does.

    >>> named(["cls_8", "OBJ_8"], "obj"), named(["537"], "wh")
    ('OBJ_8', None)
    """
    return next((name for name in names if any(part in name.lower() for part in parts)), None)
