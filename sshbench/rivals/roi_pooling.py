"""RoI max pooling, exact as Caffe's layer, without torchvision and without a loop over regions.

Bin p of 7 of a span of L cells reaches from floor(p s) to ceil((p + 1) s), where s = L / 7 in single precision: that
makes the last bin of a few lengths (57, 114 and 121 are the first) one cell longer. The largest number of a rectangle
is the largest of four overlapping windows whose sides are powers of two; maps of such windows are made one after the
other, each by one comparison of the last one with itself, shifted. All bins of all regions then are four look-ups.

Source: Girshick, Fast R-CNN, 2015; Caffe's roi_pooling_layer of that branch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sshbench.records import IntArray
from sshbench.rivals.two_stage_layers import POOLED
from sshbench.ssh.anchors import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The bins of all regions along one axis.

    Attributes:
        first: First cell of each bin, int64 (k, 7).
        last: Last cell from which a window of the bin's power may start, int64 (k, 7).
        power: Largest power of two of cells that the bin holds; -1 where it is empty, int64 (k, 7).
    """

    first: IntArray
    last: IntArray
    power: IntArray


def pooled(features: Tensor, rois: Float32Array, stride: int) -> Tensor:
    """Return the pooled maps (k, channels, 7, 7) of regions of one feature map.

    Args:
        features: (1, channels, h, w).
        rois: float32 (k, 4): inclusive corners in pixels of the network's input, not negative.
        stride: Pixels per cell.

    An empty bin, which lies beyond the map, is 0.
    """
    spans, (channels, height, width) = cells(rois, stride), features.shape[1:]
    across, down = bins(spans[:, 0::2], width), bins(spans[:, 1::2], height)
    made = features.new_zeros((len(rois) * POOLED**2, channels))
    # A cell's channels side by side: a look-up then is one run of memory.
    tall = features[0].permute(1, 2, 0).contiguous()
    for power in range(int(down.power.max(initial=-1)) + 1):
        wide = tall
        for other in range(int(across.power.max(initial=-1)) + 1):
            chosen = (down.power == power)[:, :, None] & (across.power == other)[:, None, :]
            k, i, j = np.nonzero(chosen)
            if len(k):
                rows = (down.first[k, i], down.last[k, i])
                columns = (across.first[k, j], across.last[k, j])
                made[_index(np.flatnonzero(chosen), made)] = _look_up(wide, rows, columns)
            wide = _grown(wide, 1, 1 << other)
        tall = _grown(tall, 0, 1 << power)
    return made.reshape(len(rois), POOLED, POOLED, channels).permute(0, 3, 1, 2).contiguous()


def cells(rois: Float32Array, stride: int) -> IntArray:
    """Return the first and last cells of regions: int64 (k, 4), corners rounded half away from zero, at least one cell.

    >>> cells(np.array([[8.0, 23.9, 24.0, 7.0]], dtype=np.float32), 16).tolist()
    [[1, 1, 2, 1]]
    """
    spans = np.floor(rois.astype(np.float64) / stride + 0.5).astype(np.int64)
    spans[:, 2:] = np.maximum(spans[:, 2:], spans[:, :2])
    return spans


def bins(spans: IntArray, side: int) -> Bins:
    """Return the bins of spans along one axis of a map.

    Args:
        spans: int64 (k, 2), first and last cell of each.
        side: Cells of the map along this axis; bins are cut there.

    >>> bins(np.array([[0, 56]]), 100).power[0].tolist(), bins(np.array([[0, 1]]), 100).first.tolist()
    ([3, 3, 3, 3, 3, 3, 3], [[0, 0, 0, 0, 1, 1, 1]])
    """
    step = (spans[:, 1] - spans[:, 0] + 1).astype(np.float32)[:, None] / np.float32(POOLED)
    number = np.arange(POOLED, dtype=np.float32)[None, :]
    first = np.floor(number * step).astype(np.int64) + spans[:, :1]
    end = np.ceil((number + np.float32(1)) * step).astype(np.int64) + spans[:, :1]
    first, end = np.minimum(first, side), np.minimum(end, side)
    # frexp: exact for whole numbers, where a logarithm might be rounded.
    power = np.frexp((end - first).astype(np.float64))[1].astype(np.int64) - 1
    return Bins(first, end - (1 << np.maximum(power, 0)), power)


def _look_up(windows: Tensor, rows: tuple[IntArray, IntArray], columns: tuple[IntArray, IntArray]) -> Tensor:
    """Return the largest number, by channel, of the windows (h, w, channels) that start at these rows and columns."""
    flat = windows.reshape(-1, windows.shape[2])
    best: Tensor | None = None
    for row in rows:
        for column in columns:
            found = flat[_index(row * windows.shape[1] + column, windows)]
            best = found if best is None else torch.maximum(best, found)
    assert best is not None
    return best


def _grown(windows: Tensor, axis: int, reach: int) -> Tensor:
    """Return windows twice as long along an axis, from those of `reach` cells; at the border they stay as they are."""
    rest = windows.shape[axis] - reach
    if rest <= 0:
        return windows
    larger = windows.clone()
    torch.maximum(windows.narrow(axis, 0, rest), windows.narrow(axis, reach, rest), out=larger.narrow(axis, 0, rest))
    return larger


def _index(rows: IntArray, like: Tensor) -> Tensor:
    return torch.from_numpy(rows).to(like.device)
