"""Parts: what a detector may offer beyond the contract, so that its network is timed part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from sshbench.detectors.contract import Prepared

FORWARD = "forward"
"""Name of the stage; a part of it is timed as `forward: <part>`."""


@runtime_checkable
class WorksInParts(Protocol):
    """A detector whose network has parts that run one after the other; optional.

    `forward` must be all parts in their order; `run_parts` does that.
    """

    def forward_parts(self, prepared: Prepared[Any]) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """Return the parts by name: each takes what the one before it returned, the first None."""


def run_parts(parts: Sequence[tuple[str, Callable[[Any], Any]]]) -> Any:
    """Run the parts of a network one after the other; return what the last one returns.

    >>> run_parts([("read", lambda _: [3, 1]), ("sort", sorted)])
    [1, 3]
    """
    value: Any = None
    for _, work in parts:
        value = work(value)
    return value
