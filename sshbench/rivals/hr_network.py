"""An HR network in PyTorch, built from its graph with batch normalisations folded.

A variable is freed after its last use, and a ReLU or a sum overwrites an input that nothing reads afterwards.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from sshbench.rivals.hr_fold import folded
from sshbench.rivals.hr_graph import Convolution, Crop, Graph, Pool, Relu, Sides, Sum, Upsample
from sshbench.rivals.hr_weights import HrWeights


class HrNetwork(nn.Module):
    """The network of a folded graph.

    Args:
        graph: Without batch normalisations.

    Input: (n, 3, height, width), RGB minus the mean. Output: one pair, class logits (n, t, h, w) for t templates and
    deltas (n, 4 t, h, w).
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.last_use = {name: position for position, layer in enumerate(graph.layers) for name in layer.inputs}
        self.parts = nn.ModuleList([_part(layer) for layer in graph.layers])

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return class logits and deltas."""
        kept = {self.graph.input: x}
        for position, (layer, part) in enumerate(zip(self.graph.layers, self.parts, strict=True)):
            inputs = [kept[name] for name in layer.inputs]
            for name in layer.inputs:
                if self.last_use[name] == position and name != self.graph.input:
                    kept.pop(name, None)
            mine = layer.inputs[0] not in kept  # nothing reads it after this layer
            kept[layer.output] = _run(layer, part, inputs, mine)
        scores = kept[self.graph.output]
        templates = scores.shape[1] // 5
        return [(scores[:, :templates], scores[:, templates:])]


def network_of(weights: HrWeights) -> HrNetwork:
    """Return the network with its parameters, ready for inference."""
    graph, parameters = folded(weights)
    with torch.device("meta"):  # no memory and no time for random parameters
        network = HrNetwork(graph)
    state: dict[str, Tensor] = {}
    for position, layer in enumerate(graph.layers):
        if isinstance(layer, Convolution | Upsample):
            state[f"parts.{position}.weight"] = torch.from_numpy(parameters[layer.filter])
        if isinstance(layer, Convolution) and layer.bias is not None:
            state[f"parts.{position}.bias"] = torch.from_numpy(parameters[layer.bias])
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


def _part(layer: object) -> nn.Module:
    if isinstance(layer, Convolution):
        inputs, width = layer.channels
        padding = (layer.pad[0], layer.pad[2]) if _symmetric(layer.pad) else (0, 0)
        return nn.Conv2d(inputs, width, layer.kernel, layer.stride, padding, layer.dilate, bias=layer.bias is not None)
    if isinstance(layer, Upsample):
        channels = layer.channels
        cut = (min(layer.crop[:2]), min(layer.crop[2:]))
        return nn.ConvTranspose2d(channels, channels, layer.kernel, layer.up, cut, groups=channels, bias=False)
    return nn.Identity()


def _run(layer: object, part: nn.Module, inputs: list[Tensor], mine: bool) -> Tensor:
    x = inputs[0]
    if isinstance(layer, Convolution):
        return cast("Tensor", part(x if _symmetric(layer.pad) else F.pad(x, _torch_order(layer.pad))))
    if isinstance(layer, Relu):
        return x.relu_() if mine else x.relu()
    if isinstance(layer, Pool):
        return _pool(layer, x)
    if isinstance(layer, Sum):
        total = x.add_(inputs[1]) if mine else x + inputs[1]
        for other in inputs[2:]:
            total = total + other
        return total
    if isinstance(layer, Crop):
        return x[:, :, : inputs[1].shape[2], : inputs[1].shape[3]]
    if isinstance(layer, Upsample):
        made = cast("Tensor", part(x))
        top, bottom, left, right = (
            side - min(layer.crop[at : at + 2]) for at in (0, 2) for side in layer.crop[at : at + 2]
        )
        return made[:, :, top : made.shape[2] - bottom, left : made.shape[3] - right]
    raise TypeError(f"no such layer: {layer}")


def _pool(layer: Pool, x: Tensor) -> Tensor:
    """Take maxima; padding at the bottom and right alone is what rounding up gives, mostly, and needs no copy."""
    top, bottom, left, right = layer.pad
    if _symmetric(layer.pad):
        return F.max_pool2d(x, layer.kernel, layer.stride, (top, left))
    sides = zip(x.shape[2:], layer.kernel, layer.stride, (bottom, right), strict=True)
    if top == left == 0 and all((side + after - k) // s == -((k - side) // s) for side, k, s, after in sides):
        return F.max_pool2d(x, layer.kernel, layer.stride, ceil_mode=True)
    return F.max_pool2d(F.pad(x, _torch_order(layer.pad), value=float("-inf")), layer.kernel, layer.stride)


def _symmetric(pad: Sides) -> bool:
    return pad[0] == pad[1] and pad[2] == pad[3]


def _torch_order(pad: Sides) -> Any:
    return [pad[2], pad[3], pad[0], pad[1]]
