"""Make inputs and turn outputs into boxes on an accelerator, as `preprocess` and `decode` do on the host.

Nothing waits for the host. No step's shape depends on the data: boxes under the threshold are carried along as invalid,
and NMS is a fixpoint over the matrix of overlaps. A fixed number of rounds is run; whether they were enough is returned
with the boxes, in one copy to the host, and if not, the host applies NMS. Both give the result of exact greedy NMS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sshbench.records import Detections, Image
from sshbench.ssh import anchors as anchor_boxes
from sshbench.ssh.decode import PER_MODULE, suppressed
from sshbench.ssh.preprocess import MEAN

_ROUNDS = 24  # chains of suppression are short; longer ones are left to the host
_CHUNK = 1024  # rows of the matrix of overlaps that are worked out at a time


def network_input(image: Image, scale: float, device: str) -> Tensor:
    """Return the network input as `preprocess.network_input` does, made on a device: a third of the bytes are copied.

    Args:
        image: uint8 (height, width, 3), BGR.
        scale: Network pixels per image pixel.
        device: Where to make it.

    Returns:
        float32 (1, 3, height, width) on the device.
    """
    pixels = torch.from_numpy(image)
    if device.startswith("cuda"):
        pixels = pixels.pin_memory()
    data = pixels.to(device, non_blocking=True).permute(2, 0, 1)[None].float()
    if scale != 1.0:
        size = [round(side * scale) for side in image.shape[:2]]
        # The operator itself takes both the size and the exact scale, as OpenCV's call on the host does; see there.
        exact = scale if min(size) > 0 else None
        data = torch.ops.aten.upsample_bilinear2d(data, [max(1, side) for side in size], False, exact, exact)
    return data - _mean(device)


@lru_cache(maxsize=8)
def _mean(device: str) -> Tensor:
    return torch.tensor(MEAN, dtype=torch.float32).reshape(1, 3, 1, 1).to(device)


@dataclass(frozen=True, slots=True, eq=False)
class DeviceLevel:
    """`decode.LevelOutputs` with tensors (4, h, w) and (8, h, w) on a device."""

    modules: Sequence[tuple[Tensor, Tensor] | None]
    size: tuple[int, int]
    scale: float


def pooled(levels: Sequence[DeviceLevel]) -> tuple[Tensor, Tensor]:
    """Return the best boxes of all modules and levels in original pixels, and their scores; see `decode.pooled`."""
    parts = [
        _module_boxes(module, *outputs, level.size, level.scale)
        for level in levels
        for module, outputs in enumerate(level.modules)
        if outputs is not None
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def detections_of(levels: Sequence[DeviceLevel], threshold: float, nms_iou: float, top_k: int | None) -> Detections:
    """Pool the modules of all levels, in original pixels, and apply NMS; see `decode.detections_of`."""
    return on_host(*pooled(levels), threshold, nms_iou, top_k)


def on_host(boxes: Tensor, scores: Tensor, threshold: float, nms_iou: float, top_k: int | None) -> Detections:
    """Apply threshold and NMS on the device, and copy the result to the host at once."""
    scores, order = torch.sort(scores, descending=True, stable=True)
    boxes = boxes[order]
    valid = scores > threshold
    keep, settled = greedy_keep(boxes.double(), valid, nms_iou, _ROUNDS)
    flags = torch.stack((valid, keep), dim=1).to(boxes.dtype)
    table = torch.cat((boxes, scores[:, None], flags), dim=1)
    state = settled.to(boxes.dtype).expand(1, table.shape[1])
    host = torch.cat((table, state)).cpu().numpy()  # the only copy, and the only wait
    rows, done = host[:-1], bool(host[-1, 0])
    if done:
        kept = rows[rows[:, 6] > 0][:top_k]
        return Detections(kept[:, :4].astype(float), kept[:, 4].astype(float))
    rows = rows[rows[:, 5] > 0]
    return suppressed(rows[:, :4], rows[:, 4], nms_iou, top_k)


def greedy_keep(boxes: Tensor, valid: Tensor, nms_iou: float, rounds: int) -> tuple[Tensor, Tensor]:
    """Return which boxes greedy NMS keeps.

    A box is kept when no kept box before it overlaps it too much. Starting from any guess, each round makes the answer
    right at least one box further; a round that changes nothing proves that it is right everywhere.

    Args:
        boxes: (n, 4) corners by falling score, double precision.
        valid: bool (n,), boxes that take part.
        nms_iou: Threshold, sides + 1.
        rounds: Number of rounds.

    Returns:
        bool (n,), and a bool scalar: whether the answer is final.
    """
    against = _suppressors(boxes, nms_iou) & valid[None, :]
    keep = before = valid
    for _ in range(rounds):
        before = keep
        keep = valid & ~(against & keep[None, :]).any(dim=1)
    return keep, (keep == before).all()


def _suppressors(boxes: Tensor, nms_iou: float) -> Tensor:
    """Return the matrix (n, n) whose row i marks the better boxes that overlap box i too much."""
    count = boxes.shape[0]
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    areas = sides[:, 0] * sides[:, 1]
    index = torch.arange(count, device=boxes.device)
    rows = []
    for first in range(0, count, _CHUNK):
        part = boxes[first : first + _CHUNK]
        shared = torch.minimum(part[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
            part[:, None, :2], boxes[None, :, :2]
        )
        shared = (shared + 1).clamp(min=0)
        inter = shared[..., 0] * shared[..., 1]
        # As `boxes.aligned_iou` adds: the better box's area first.
        union = (areas[None, :] + areas[first : first + _CHUNK, None]) - inter
        before = index[None, :] < index[first : first + _CHUNK, None]
        rows.append((inter / union > nms_iou) & before)
    return torch.cat(rows) if rows else torch.zeros((0, 0), dtype=torch.bool, device=boxes.device)


def _module_boxes(module: int, cls: Tensor, bbox: Tensor, size: tuple[int, int], scale: float) -> tuple[Tensor, Tensor]:
    """Return the best boxes of a module in original pixels, and their scores, by falling score."""
    height, width = cls.shape[1:]
    cls, bbox = cls.float(), bbox.float()
    scores = (1 / (1 + torch.exp(cls[:2] - cls[2:]))).permute(1, 2, 0).reshape(-1)
    scores, order = torch.sort(scores, descending=True, stable=True)
    scores, order = scores[:PER_MODULE], order[:PER_MODULE]
    deltas = bbox.reshape(2, 4, -1).permute(2, 0, 1).reshape(-1, 4)[order]
    base = _anchors(module, height, width, str(cls.device))[order]
    sides = base[:, 2:] - base[:, :2] + 1
    centres = deltas[:, :2] * sides + (base[:, :2] + 0.5 * sides)
    half = 0.5 * (torch.exp(deltas[:, 2:]) * sides)
    corners = torch.cat((centres - half, centres + half), dim=1).clamp(min=0)
    limits = torch.tensor([size[1] - 1, size[0] - 1] * 2, dtype=corners.dtype)
    # Two numbers known beforehand: sending them does not wait for what the device is doing.
    limits = limits.to(corners.device, non_blocking=True)
    return torch.minimum(corners, limits) / torch.tensor(scale, dtype=corners.dtype), scores


@lru_cache(maxsize=32)
def _anchors(module: int, height: int, width: int, device: str) -> Tensor:
    return torch.from_numpy(anchor_boxes.anchors(module, height, width)).to(device)
