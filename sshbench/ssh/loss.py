"""SSH's multi-task loss: cross entropy and smooth L1 over the sampled anchors of each module.

Source: Najibi et al., SSH, ICCV 2017, equation 1; release, SSH/models/train_ssh.prototxt.
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
from sshbench.ssh.targets import POSITIVE, MatchRules, module_targets, sample

SIGMA = 3.0
"""Smooth L1 turns from a parabola into a line at 1 / SIGMA**2."""


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """The loss of a batch and its parts.

    Attributes:
        total: The mean over images of the sum over modules; what is differentiated.
        parts: By `m1/cls`, `m1/box` and so on, plain numbers, means over the batch.
        positives: Positive anchors that were sampled, over the batch.
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
    """The loss of a batch.

    Args:
        outputs: Of the network, see `model.Outputs`.
        images: By image, height and width of the input: inputs may be padded to a common size.
        faces: By image, float64 (m, 4) corners in inclusive pixels of the input.
        ignored: By image, regions in which nothing is known.
        rules: Of the assignment.

    Every module's cross entropy is the mean over its sampled anchors, and its smooth L1 the sum over the positive ones
    and the four deltas by the number of sampled anchors; modules count alike. A batch's loss is the mean
    of its images', so that two processes with half of it each have the same gradient.
    """
    weight = (rules or MatchRules()).box_weight
    parts: dict[str, float] = {}
    positives = 0
    total = outputs[0][0].new_zeros(())
    for module, (cls, bbox) in enumerate(outputs):
        for i, image in enumerate(images):
            targets = module_targets(module, _shape(cls), image, faces[i], ignored[i], rules)
            scores = face_scores(cls[i].detach().float().numpy(force=True))
            chosen = sample(targets.labels, scores, rules)
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
    """A module's output for one image (c, h, w) as rows by row, column and anchor: (h * w * 2, width).

    Class scores keep background of both anchors in the first two channels, then the face of both; deltas keep the four
    of the first anchor before those of the second.
    """
    height, columns = output.shape[1:]
    if width == 2:
        return output.reshape(2, 2, height, columns).permute(2, 3, 1, 0).reshape(-1, 2)
    return output.reshape(2, 4, height, columns).permute(2, 3, 0, 1).reshape(-1, 4)


def smooth_l1(difference: Tensor, sigma: float = SIGMA) -> Tensor:
    """0.5 (sigma x)^2 where |x| < 1 / sigma^2, else |x| - 0.5 / sigma^2, element by element."""
    size = difference.abs()
    square = sigma**2
    return torch.where(size < 1 / square, 0.5 * square * difference**2, size - 0.5 / square)


def _precise(x: Tensor) -> Tensor:
    """At least single precision: sums of half precision are too coarse for a loss."""
    return x if x.dtype == torch.float64 else x.float()


def _shape(cls: Tensor) -> tuple[int, int]:
    return int(cls.shape[2]), int(cls.shape[3])
