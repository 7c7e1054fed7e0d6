"""Decoding of boxes that are coded against prior boxes: SSD's, RetinaFace's and FaceBoxes'."""

from __future__ import annotations

import numpy as np

from sshbench.detectors.graphs.arrays import Found
from sshbench.detectors.priors import Levels, decode, priors
from sshbench.records import FloatArray
from sshbench.ssh.anchors import Float32Array


def decode_priors(
    deltas: FloatArray | Float32Array,
    scores: FloatArray,
    height: int,
    width: int,
    threshold: float,
    *,
    levels: Levels,
    variances: tuple[float, float] = (0.1, 0.2),
    clip: bool = False,
) -> Found:
    """Decode the boxes whose scores pass a threshold from their priors.

    Args:
        deltas: (n, 4): centre x and y in sides of the prior, logarithms of width and height, over the variances.
        scores: float64 (n,).
        height: Of the network's input.
        width: Of the network's input.
        threshold: Rows with lower scores are left out.
        levels: Strides, box sizes and densities.
        variances: Of centres and of sides.
        clip: Cut centres and sides of the priors to the network's input, as some trainings do.

    Raises:
        ValueError: The number of rows is not that of the priors.

    >>> zeros = np.zeros((1, 4))
    >>> decode_priors(zeros, np.array([0.9]), 8, 8, 0.5, levels=[(8, [(16, 1)])])[0].tolist()
    [[-4.0, -4.0, 12.0, 12.0]]
    """
    all_priors = priors(height, width, levels)
    if len(scores) != all_priors.shape[1]:
        raise ValueError(f"{len(scores)} rows, but the levels have {all_priors.shape[1]} priors for this input")
    rows = np.flatnonzero(scores >= threshold)
    chosen = all_priors[:, rows]
    if clip:
        chosen = np.clip(chosen, 0, [width, height])
    return decode(np.asarray(deltas[rows], dtype=np.float64), chosen, variances), scores[rows]
