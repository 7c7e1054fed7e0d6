"""Networks in training: initial weights, learning rates per layer, moving average, conversion to a weights file.

Source: SSH release, SSH/models/train_ssh.prototxt (initial values, rates per layer).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

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
    """Extension: a convolution followed by batch normalisation, which `weights_of` folds into it."""

    bn: nn.BatchNorm2d

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the parent class uses this name
        """Return the normalised output."""
        normalised: Tensor = self.bn(super().forward(input))
        return normalised


def network(architecture: Architecture, *, seed: int, start: Weights | None = None, batch_norm: bool = False) -> SSH:
    """Create a network with its initial weights.

    The trunk comes from `start`, or is drawn at random so that activations keep their scale (He initialisation). The
    layers that SSH adds are drawn with standard deviation 0.01 and bias 0, as in the release.

    Args:
        architecture: Widths of the network.
        seed: Seed of the random weights.
        start: Weights of a trunk or of a whole network.
        batch_norm: Extension: add batch normalisation after every convolution except the heads.

    Raises:
        UsageError: `start` has another architecture, or is combined with batch normalisation.
    """
    if start is not None and start.architecture != architecture:
        raise UsageError(
            f"the initial weights have architecture '{start.architecture.name}', the recipe has '{architecture.name}'",
            remedy="Pass weights of the recipe's architecture with --start",
        )
    if start is not None and batch_norm:
        raise UsageError(
            "batch_norm cannot be combined with initial weights, because it would rescale them",
            remedy="Set batch_norm = false in the recipe, or train without --start",
        )
    model = SSH(architecture)
    rng = np.random.default_rng(seed)
    trunk = {layer.name for layer in architecture.trunk_layers()}
    state: dict[str, Tensor] = {}
    for layer in architecture.layers():
        he = (2 / (layer.inputs * layer.kernel**2)) ** 0.5
        if layer.inputs == _CHANNELS and not batch_norm:
            he /= _INPUT_SPREAD  # otherwise activations are as large as pixel values, and the first steps overflow
        # The scale of weights has no effect in normalised layers; the heads are not normalised.
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


class ParameterGroup(TypedDict):
    """Parameters that share a learning rate and a weight decay; `factor` is relative to the base learning rate."""

    params: list[nn.Parameter]
    lr: float
    factor: float
    weight_decay: float


def parameter_groups(model: SSH, lr: float, weight_decay: float) -> list[ParameterGroup]:
    """Group the trainable parameters for the optimiser.

    Biases learn twice as fast; biases of the layers that SSH adds, and batch normalisation, have no weight decay.

    Args:
        model: Network whose frozen stages do not require gradients.
        lr: Base learning rate.
        weight_decay: Base weight decay.
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
    """Return the content of a weights file, with batch normalisation folded into the convolutions.

    Args:
        model: The network in training.
        state: Its state dict, or a moving average of it.
        metadata: Text fields of the weights file.
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
    """Return the moving average after one more step; integer counters are copied from `state`."""
    return dict(_averaged(average, state, decay))


def _averaged(average: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        floating = value.is_floating_point()
        yield name, average[name].lerp(value, 1 - decay) if floating else value.clone()
