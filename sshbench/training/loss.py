"""SSH's multi-task loss: cross entropy and smooth L1 over the sampled anchors of each module.

Source: Najibi et al., SSH, ICCV 2017, equation 1; SSH release, SSH/models/train_ssh.prototxt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from sshbench.records import FloatArray
from sshbench.ssh.architecture import MODULES
from sshbench.ssh.decode import face_scores
from sshbench.ssh.model import Outputs
from sshbench.training.targets import POSITIVE, MatchRules, module_targets, sample_anchors

SIGMA = 3.0
"""Smooth L1 changes from a parabola to a line at 1 / SIGMA**2."""


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """Loss of a batch and its parts.

    Attributes:
        total: Scalar tensor with gradient: the mean over images of the sum over modules.
        parts: Means over the batch as plain numbers, by `m1/cls`, `m1/box` and so on.
        positives: Number of positive anchors sampled in the batch.
    """

    total: Tensor
    parts: dict[str, float]
    positives: int


def ssh_loss(
    outputs: Outputs,
    images: Sequence[tuple[int, int]],
    faces: Sequence[FloatArray],
    ignored: Sequence[FloatArray],
    rules: MatchRules | None = None,
) -> Loss:
    """Compute the loss of a batch.

    Per module and image, the loss is the mean cross entropy of the sampled anchors plus `box_weight` times the smooth
    L1 of the positive ones, summed over their four deltas and divided by the number of sampled anchors. Modules are
    added up, images are averaged: two processes with half of a batch each have the same mean gradient.

    Args:
        outputs: Network outputs, see `sshbench.ssh.model.Outputs`.
        images: Per image, height and width of its input in pixels; inputs may be padded to a common size.
        faces: Per image, float64 (m, 4): x1 y1 x2 y2 in inclusive pixels of the input.
        ignored: Per image, float64 (k, 4): regions that may contain unlabelled faces.
        rules: Assignment and sampling; None for the release's.
    """
    weight = (rules or MatchRules()).box_weight
    parts: dict[str, float] = {}
    positives = 0
    total = outputs[0][0].new_zeros(())
    for module, (cls, bbox) in enumerate(outputs):
        for i, image in enumerate(images):
            targets = module_targets(module, _shape(cls), image, faces[i], ignored[i], rules)
            scores = face_scores(cls[i].detach().float().numpy(force=True))
            chosen = sample_anchors(targets.labels, scores, rules)
            labels = torch.from_numpy(targets.labels[chosen].astype(np.int64)).to(cls.device)
            rows = torch.from_numpy(chosen).to(cls.device)
            logits, moves = _precise(by_anchor(cls[i], 2)[rows]), _precise(by_anchor(bbox[i], 4)[rows])
            deltas = torch.from_numpy(targets.deltas[chosen]).to(moves)
            count = max(len(chosen), 1)
            entropy = F.cross_entropy(logits, labels, reduction="sum") / count
            box = (smooth_l1(moves - deltas) * (labels == POSITIVE)[:, None]).sum() / count
            total = total + (entropy + weight * box) / len(images)
            for name, value in (("cls", entropy), ("box", box)):
                key = f"{MODULES[module]}/{name}"
                parts[key] = parts.get(key, 0.0) + float(value.detach()) / len(images)
            positives += int((labels == POSITIVE).sum())
    return Loss(total, parts, positives)


def by_anchor(output: Tensor, width: int) -> Tensor:
    """Reorder the output of a module so that each anchor has one row.

    Args:
        output: (2 * width, h, w), for one image. Channels of class scores: background of both anchors, then face of
            both. Channels of deltas: four of the first anchor, then four of the second.
        width: 2 for class scores, 4 for deltas.

    Returns:
        (h * w * 2, width), ordered by row, column and anchor.
    """
    height, columns = output.shape[1:]
    if width == 2:
        return output.reshape(2, 2, height, columns).permute(2, 3, 1, 0).reshape(-1, 2)
    return output.reshape(2, 4, height, columns).permute(2, 3, 0, 1).reshape(-1, 4)


def smooth_l1(difference: Tensor, sigma: float = SIGMA) -> Tensor:
    """Return 0.5 (sigma x)^2 where |x| < 1 / sigma^2, else |x| - 0.5 / sigma^2, per element."""
    size = difference.abs()
    square = sigma**2
    return torch.where(size < 1 / square, 0.5 * square * difference**2, size - 0.5 / square)


def _precise(x: Tensor) -> Tensor:
    """Return at least single precision, because sums in half precision are too coarse for a loss."""
    return x if x.dtype == torch.float64 else x.float()


def _shape(cls: Tensor) -> tuple[int, int]:
    return int(cls.shape[2]), int(cls.shape[3])
