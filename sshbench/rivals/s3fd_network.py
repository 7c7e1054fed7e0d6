"""The network of S3FD in PyTorch, with the parameter names of the authors' Caffe file."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sshbench.rivals.networks import Normalised, add_layers, filled, run_trunk, without_storage
from sshbench.rivals.s3fd_layers import SOURCES, Variant
from sshbench.ssh.anchors import Float32Array


class S3fdNetwork(nn.Module):
    """VGG-16 with six sources of boxes, strides 4 to 128.

    Args:
        variant: Which of the published networks.

    Input: (n, 3, height, width), BGR minus the mean. Output: for each source class scores (n, 2, h, w), background and
    face, and deltas (n, 4, h, w).
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.steps = variant.trunk()
        add_layers(self, self.steps)
        for source, scores, deltas in variant.predictors():
            if source.scale:
                self.add_module(source.head, Normalised(scores.inputs, source.scale))
            add_layers(self, (scores, deltas))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return class scores and deltas of the six sources."""
        maps = run_trunk(self, self.steps, x, [source.layer for source in SOURCES])
        outputs = []
        for source in SOURCES:
            features = maps[source.layer]
            if source.scale:
                features = getattr(self, source.head)(features)
            scores = getattr(self, f"{source.head}_mbox_conf")(features)
            if source.background > 1:  # max-out: the surest background counts
                background = scores[:, : source.background].amax(dim=1, keepdim=True)
                scores = torch.cat((background, scores[:, source.background :]), dim=1)
            outputs.append((scores, getattr(self, f"{source.head}_mbox_loc")(features)))
        return outputs


def network_of(variant: Variant, parameters: Iterable[tuple[str, Float32Array]]) -> nn.Module:
    """Return the network with these parameters, in evaluation mode, float32 on the CPU."""
    with without_storage():
        network = S3fdNetwork(variant)
    return filled(network, parameters)
