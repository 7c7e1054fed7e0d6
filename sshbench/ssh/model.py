"""The network: VGG-16 trunk, fusion for the first module, three detection modules with context.

Details that other ports get wrong: pools round up; the 3x3 branch and the ends of the context branches have no ReLU of
their own before the concatenation (one follows it); the upsampling has fixed bilinear weights, zeros beyond the border.

Source: Najibi et al., SSH, ICCV 2017, section 3; release, models/test_ssh.prototxt.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from sshbench.ssh.architecture import MODULES, Architecture

Outputs = list[tuple[Tensor, Tensor]]
"""For each module: class scores (n, 4, h, w), background of both anchors, then face; and deltas (n, 8, h, w)."""


def pool(x: Tensor) -> Tensor:
    """Apply a 2x2 max pool with stride 2, rounding up as Caffe does."""
    return F.max_pool2d(x, 2, 2, ceil_mode=True)


def upsample(x: Tensor) -> Tensor:
    """Upsample by two bilinearly, as a depthwise transposed convolution with kernel 4, stride 2, pad 1 gives it.

    Beyond the border are zeros; plain interpolation would repeat the last pixel.
    """
    padded = F.pad(x, (1, 1, 1, 1))
    doubled = F.interpolate(padded, scale_factor=2.0, mode="bilinear", align_corners=False)
    return doubled[:, :, 2:-2, 2:-2]


class DetectionModule(nn.Module):
    """A detection module of width X: 3x3 branch (X) and context branches (X/2 each), class scores and deltas."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.conv3x3 = nn.Conv2d(inputs, width, 3, padding=1)
        self.dimred = nn.Conv2d(inputs, half, 3, padding=1)
        self.conv5x5 = nn.Conv2d(half, half, 3, padding=1)
        self.conv7x7_1 = nn.Conv2d(half, half, 3, padding=1)
        self.conv7x7 = nn.Conv2d(half, half, 3, padding=1)
        self.cls_score = nn.Conv2d(2 * width, 4, 1)
        self.bbox_pred = nn.Conv2d(2 * width, 8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (n, 4, h, w) and deltas (n, 8, h, w)."""
        context = F.relu(self.dimred(x))
        branches = (self.conv3x3(x), self.conv5x5(context), self.conv7x7(F.relu(self.conv7x7_1(context))))
        features = F.relu(torch.cat(branches, dim=1))
        return self.cls_score(features), self.bbox_pred(features)


class SSH(nn.Module):
    """SSH network of given widths.

    Args:
        architecture: The widths.

    Input: (n, 3, height, width), BGR minus the mean. Output: see `Outputs`.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.stages: list[list[str]] = [[] for _ in architecture.trunk]
        for layer in architecture.trunk_layers():
            stride = architecture.stem if layer.name == "conv1_1" else 1
            setattr(self, layer.name, nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, stride, padding=1))
            self.stages[int(layer.name[4]) - 1].append(layer.name)
        fourth, fifth, lateral = architecture.trunk[3][-1], architecture.trunk[4][-1], architecture.lateral
        self.conv4_128 = nn.Conv2d(fourth, lateral, 1)
        self.conv5_128 = nn.Conv2d(fifth, lateral, 1)
        self.conv4_fuse_final = nn.Conv2d(lateral, lateral, 3, padding=1)
        for name, inputs, width in zip(MODULES, (lateral, fifth, fifth), architecture.modules, strict=True):
            setattr(self, name, DetectionModule(inputs, width))

    def forward(self, x: Tensor) -> Outputs:
        """Return the outputs of the modules at strides 8, 16 and 32."""
        features: list[Tensor] = []
        for stage, names in enumerate(self.stages):
            if stage > 1 or (stage == 1 and self.architecture.stem == 1):
                x = pool(x)
            for name in names:
                x = F.relu(getattr(self, name)(x))
            features.append(x)
        fourth, fifth = features[3], features[4]
        lateral = F.relu(self.conv4_128(fourth))
        context = upsample(F.relu(self.conv5_128(fifth)))[:, :, : lateral.shape[2], : lateral.shape[3]]
        fused = F.relu(self.conv4_fuse_final(lateral + context))
        return [getattr(self, "m1")(fused), getattr(self, "m2")(fifth), getattr(self, "m3")(pool(fifth))]  # noqa: B009
