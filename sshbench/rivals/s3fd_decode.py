"""From the outputs of S3FD's network to boxes: scores, priors, decoding.

Source: Zhang et al., S3FD, ICCV 2017; the release's deploy.prototxt (priors, variances, limits).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sshbench.detectors.priors import decode
from sshbench.records import FloatArray
from sshbench.rivals.s3fd_layers import SOURCES
from sshbench.ssh.anchors import Float32Array

BEFORE_NMS = 5000
"""Only so many of the best boxes take part in NMS."""


def margins(outputs: Sequence[tuple[Float32Array, Float32Array]]) -> Float32Array:
    """Return face minus background, the logit of the score, of every cell, by source, row and column: float32 (n,).

    Args:
        outputs: For each source class scores (2, h, w) and deltas (4, h, w).
    """
    return np.concatenate([(scores[1] - scores[0]).reshape(-1) for scores, _ in outputs])


def probabilities(logits: Float32Array) -> Float32Array:
    """Return the softmax of background and face for their difference: float32 (n,)."""
    with np.errstate(over="ignore"):
        found: Float32Array = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return found


def candidates(
    outputs: Sequence[tuple[Float32Array, Float32Array]], logits: Float32Array, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return the boxes whose score exceeds the threshold, at most `BEFORE_NMS`, by falling score.

    Args:
        outputs: For each source class scores (2, h, w) and deltas (4, h, w).
        logits: Of every cell, as `margins` returns them.
        threshold: Scores must be greater.

    Returns:
        Boxes float64 (k, 4), corners in pixels of the network's input, not clipped, and scores float64 (k,).
    """
    scores = probabilities(logits)
    rows = np.flatnonzero(scores > threshold)
    rows = rows[np.argsort(-scores[rows], kind="stable")[:BEFORE_NMS]]
    deltas = np.concatenate([found.reshape(4, -1).T for _, found in outputs])[rows]
    chosen = priors([found.shape[1:] for _, found in outputs])[:, rows]
    return decode(deltas.astype(np.float64), chosen), scores[rows].astype(np.float64)


def priors(maps: Sequence[Sequence[int]]) -> FloatArray:
    """Return centres and sides of all priors in pixels: float64 (2, n, 2), x before y.

    The step of a source is fixed: where fc6's padding makes its map larger than the image, priors lie beyond it.

    Args:
        maps: Height and width of the map of each source.

    >>> priors([(1, 2), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)])[0].tolist()
    [[2.0, 2.0], [6.0, 2.0]]
    """
    centres, sides = [], []
    for source, (height, width) in zip(SOURCES, maps, strict=True):
        row, column = np.divmod(np.arange(height * width), max(width, 1))
        centres.append((np.column_stack((column, row)) + 0.5) * source.stride)
        sides.append(np.full((height * width, 2), float(source.side)))
    return np.stack((np.concatenate(centres), np.concatenate(sides)))
