"""SSH with random weights: move its scores until a fixed number of boxes passes the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.random_weights import logit, shift_for

CANDIDATES = 1000
"""Boxes that pass in each image, of all modules and levels together."""

Modules = Sequence[tuple[Any, Any] | None]


def with_candidates_of(levels: Sequence[Modules], threshold: float, count: int = CANDIDATES) -> list[Modules]:
    """Return outputs whose face logits are moved so that `count` boxes have a score over the threshold.

    Args:
        levels: By level and module class scores (4, h, w) and deltas: arrays, or tensors on an accelerator; None for a
            module that is left out.
        threshold: Of the score, between 0 and 1.
        count: How many shall pass.

    >>> scores = np.zeros((4, 1, 2), dtype=np.float32)
    >>> scores[2:] = [[[0, 1]], [[2, 3]]]
    >>> ((moved, _),) = with_candidates_of([[(scores, None)]], 0.5, 1)[0]
    >>> moved[2:].ravel().tolist()
    [-2.5, -1.5, -0.5, 0.5]
    """
    margins = [_host(scores[2:] - scores[:2]).ravel() for level in levels for scores, _ in filter(None, level)]
    shift = shift_for(np.concatenate(margins), count, logit(threshold))
    return [[one and (_moved(one[0], shift), one[1]) for one in level] for level in levels]


def _moved(scores: Any, shift: float) -> Any:
    moved = scores.copy() if isinstance(scores, np.ndarray) else scores.clone()
    moved[2:] += shift
    return moved


def _host(values: Any) -> Float32Array:
    array: Float32Array = values if isinstance(values, np.ndarray) else values.float().cpu().numpy()
    return array
