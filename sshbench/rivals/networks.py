"""What the rivals' PyTorch networks share: convolutions from data, L2 normalisation, parameters into place."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from sshbench.rivals.layers import Conv, Linear, Step
from sshbench.ssh.anchors import Float32Array

NORM_EPSILON = 1e-10
"""Inside the root of the L2 normalisation, as in Caffe's SSD."""


class Normalised(nn.Module):
    """L2 normalisation over channels at every cell, with a learnt scale per channel.

    Source: Liu et al., ParseNet, 2015; the Normalize layer of Caffe's SSD branch.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled unit vectors of (n, channels, height, width)."""
        length = (x.square().sum(dim=1, keepdim=True) + NORM_EPSILON).sqrt()
        return x / length * self.weight[None, :, None, None]


def conv_module(conv: Conv) -> nn.Conv2d:
    """Return a convolution as a module."""
    return nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.pad, conv.dilation)


def add_layers(model: nn.Module, layers: Iterable[Step | Linear]) -> None:
    """Add the layers that have parameters to a module, by their names."""
    for layer in layers:
        if isinstance(layer, Conv):
            model.add_module(layer.name, conv_module(layer))
        elif isinstance(layer, Linear):
            model.add_module(layer.name, nn.Linear(layer.inputs, layer.outputs))


def run_trunk(model: nn.Module, steps: Iterable[Step], x: Tensor, keep: Iterable[str]) -> dict[str, Tensor]:
    """Run a trunk: convolutions with ReLU, and pools; return the maps named in `keep`."""
    wanted, kept = frozenset(keep), {}
    for step in steps:
        if isinstance(step, Conv):
            x = F.relu(getattr(model, step.name)(x))
            if step.name in wanted:
                kept[step.name] = x
        else:
            x = F.max_pool2d(x, 2, 2, ceil_mode=step.ceil)
    return kept


def without_storage() -> AbstractContextManager[object]:
    """Return a context in which modules are made without storage for their parameters; `filled` brings it."""
    return torch.device("meta")


def filled(model: nn.Module, parameters: Iterable[tuple[str, Float32Array]]) -> nn.Module:
    """Put parameters into a module that was made without storage, one after the other; set it to evaluation mode.

    Raises:
        KeyError: A parameter is missing.
    """
    missing = dict(model.named_parameters())
    for name, array in parameters:
        owner, _, attribute = name.rpartition(".")
        # A copy: what a reader returns may be a view of its file.
        tensor = torch.from_numpy(array if array.flags.owndata else np.array(array))
        expected = missing.pop(name)
        assert tensor.shape == expected.shape, name
        setattr(model.get_submodule(owner), attribute, nn.Parameter(tensor, requires_grad=False))
    if missing:
        raise KeyError(next(iter(missing)))
    return model.eval()
