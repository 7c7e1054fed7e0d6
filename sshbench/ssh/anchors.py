"""Anchors of the three detection modules.

Source: SSH release, SSH/layers/generate_anchors.py and the modules' parameters; spec numbers: base box of 16 pixels in
inclusive coordinates, ratio 1, scales 1 2 | 4 8 | 16 32, strides 8 | 16 | 32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.ssh.architecture import SCALES, STRIDES

_BASE = 16
Float32Array = npt.NDArray[np.float32]


def base_anchors(module: int) -> Float32Array:
    """Return the two anchors of a module at its first cell: float32 (2, 4), inclusive corners.

    >>> base_anchors(0).tolist()
    [[0.0, 0.0, 15.0, 15.0], [-8.0, -8.0, 23.0, 23.0]]
    """
    centre = (_BASE - 1) / 2
    sides = [_BASE * scale for scale in SCALES[module]]
    half = [(side - 1) / 2 for side in sides]
    return np.array([(centre - h, centre - h, centre + h, centre + h) for h in half], dtype=np.float32)


def anchors(module: int, height: int, width: int) -> Float32Array:
    """Return all anchors of a module's feature map, by row, column and anchor: float32 (height * width * 2, 4)."""
    rows, columns = np.divmod(np.arange(height * width), max(width, 1))
    shifts = np.column_stack((columns, rows, columns, rows)).astype(np.float32) * np.float32(STRIDES[module])
    return (shifts[:, None, :] + base_anchors(module)[None, :, :]).reshape(-1, 4)
