"""A network to train: how it starts, what learns at which rate, and how it becomes a weights file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sshbench.errors import UsageError
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import Architecture
from sshbench.ssh.model import SSH
from sshbench.ssh.weights import Weights

_HEADS = ("cls_score", "bbox_pred")
_NEW_SPREAD = 0.01
_CHANNELS = 3
_INPUT_SPREAD = 64.0  # about the standard deviation of pixels minus their mean


class NormalisedConv(nn.Conv2d):
    """Ours: a convolution followed by batch normalisation, which `weights_of` folds into it."""

    bn: nn.BatchNorm2d

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name of the class it extends
        """The normalised output."""
        normalised: Tensor = self.bn(super().forward(input))
        return normalised


def network(architecture: Architecture, *, seed: int, start: Weights | None = None, batch_norm: bool = False) -> SSH:
    """A network at the beginning of its training.

    The trunk is `start`'s, else drawn so that it keeps the size of activations (He); the layers that SSH adds are drawn
    with standard deviation 0.01 and bias 0, as in the release.

    Args:
        architecture: The widths.
        seed: Of what is drawn.
        start: A trunk, or a whole network to go on from.
        batch_norm: Ours: normalise after every convolution but the heads.

    Raises:
        UsageError: `start` is of another architecture, or batch normalisation is asked for beside it.
    """
    if start is not None and start.architecture != architecture:
        raise UsageError(f"the first weights are of '{start.architecture.name}', not '{architecture.name}'")
    if start is not None and batch_norm:
        raise UsageError("batch_norm is for training from scratch: given weights would be scaled anew")
    model = SSH(architecture)
    rng = np.random.default_rng(seed)
    trunk = {layer.name for layer in architecture.trunk_layers()}
    state: dict[str, Tensor] = {}
    for layer in architecture.layers():
        he = (2 / (layer.inputs * layer.kernel**2)) ** 0.5
        if layer.inputs == _CHANNELS and not batch_norm:
            he /= _INPUT_SPREAD  # else every activation is as large as pixels are, and the first steps overflow
        # Normalised layers forget the size of their weights; the heads are not normalised.
        scratch = layer.name in trunk or (batch_norm and not layer.name.endswith(_HEADS))
        drawn = rng.normal(0, he if scratch else _NEW_SPREAD, layer.weight_shape).astype(np.float32)
        state[f"{layer.name}.weight"] = torch.from_numpy(drawn)
        state[f"{layer.name}.bias"] = torch.zeros(layer.outputs)
    if start is not None:
        state |= {name: torch.from_numpy(np.array(array)) for name, array in start.parameters.items()}
    model.load_state_dict(state)
    for stage in model.stages[: architecture.frozen]:
        for name in stage:
            getattr(model, name).requires_grad_(False)
    if batch_norm:
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Conv2d) and not name.endswith(_HEADS):
                module.__class__ = NormalisedConv
                module.bn = nn.BatchNorm2d(module.out_channels)
    return model


def parameter_groups(model: SSH, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """What the optimiser gets: biases learn twice as fast, and those of the layers that SSH adds do not decay.

    Each group keeps its factor under `factor`, so that a schedule can set `lr` for all.
    """
    trunk = {layer.name for layer in model.architecture.trunk_layers()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer, _, kind = name.rpartition(".")
        if layer.endswith(".bn"):
            rule = (1.0, 0.0)
        elif kind == "bias":
            rule = (2.0, weight_decay if layer in trunk else 0.0)
        else:
            rule = (1.0, weight_decay)
        groups.setdefault(rule, []).append(parameter)
    return [
        {"params": parameters, "lr": lr * factor, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def weights_of(model: SSH, state: dict[str, Tensor], metadata: dict[str, str]) -> Weights:
    """A weights file's content, with batch normalisation folded into the convolutions.

    Args:
        model: Says which layers are normalised.
        state: Its parameters, or their moving average, by the names of its state dict.
        metadata: Free text.
    """
    parameters: dict[str, Float32Array] = {}
    for layer in model.architecture.layers():
        weight, bias = state[f"{layer.name}.weight"].double(), state[f"{layer.name}.bias"].double()
        if f"{layer.name}.bn.weight" in state:
            mean, variance, gain, shift = (
                state[f"{layer.name}.bn.{part}"].double() for part in ("running_mean", "running_var", "weight", "bias")
            )
            factor = gain / torch.sqrt(variance + nn.BatchNorm2d(1).eps)
            weight, bias = weight * factor[:, None, None, None], (bias - mean) * factor + shift
        parameters[f"{layer.name}.weight"] = weight.float().numpy(force=True)
        parameters[f"{layer.name}.bias"] = bias.float().numpy(force=True)
    return Weights(model.architecture, parameters, metadata)


def updated_average(average: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> dict[str, Tensor]:
    """The moving average one step on; counters are taken as they are."""
    return dict(_averaged(average, state, decay))


def _averaged(average: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        floating = value.is_floating_point()
        yield name, average[name].lerp(value, 1 - decay) if floating else value.clone()
