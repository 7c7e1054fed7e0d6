"""Initial weights, rules of learning per layer, and folding of batch normalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sshbench.errors import UsageError
from sshbench.ssh.architecture import architecture
from sshbench.ssh.model import SSH
from sshbench.ssh.torch_weights import model_of
from sshbench.ssh.weights import random_weights
from sshbench.training.loop import learning_rate
from sshbench.training.network import network, parameter_groups, weights_of
from sshbench.training.recipe import Optimiser


def test_learning_rate() -> None:
    steps = Optimiser(iterations=21000, lr=0.004, steps=(18000,))
    assert [learning_rate(steps, i) for i in (0, 17999)] == [0.004, 0.004]
    assert learning_rate(steps, 18000) == pytest.approx(0.0004)
    cosine = Optimiser(iterations=100, lr=1.0, schedule="cosine", warmup=10)
    assert learning_rate(cosine, 0) == pytest.approx(0.1)
    assert learning_rate(cosine, 50) == pytest.approx(0.5)
    assert learning_rate(cosine, 100) == pytest.approx(0.0)


def test_bias_rules_and_frozen_stages() -> None:
    widths = architecture("ssh-vgg16")
    model = SSH(widths)
    for name in (name for stage in model.stages[: widths.frozen] for name in stage):
        getattr(model, name).requires_grad_(False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rules = {}
    for group in parameter_groups(model, 0.004, 0.0005):
        for parameter in group["params"]:
            rules[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    assert not any(name.startswith(("conv1", "conv2")) for name in rules)
    assert rules["conv3_1.weight"] == (0.004, 0.0005)
    assert rules["conv3_1.bias"] == (0.008, 0.0005)
    assert rules["m1.dimred.weight"] == (0.004, 0.0005)
    assert rules["m1.dimred.bias"] == (0.008, 0.0)
    assert rules["conv4_128.bias"] == (0.008, 0.0)


def test_initial_weights() -> None:
    widths = architecture("ssh-tiny")
    trunk = random_weights(widths, seed=9)
    model = network(widths, seed=0, start=trunk)
    state = model.state_dict()
    np.testing.assert_array_equal(state["conv3_1.weight"].numpy(), trunk.parameters["conv3_1.weight"])
    fresh = network(widths, seed=0).state_dict()
    assert float(fresh["m2.conv3x3.weight"].std()) == pytest.approx(0.01, rel=0.05)
    assert not fresh["m2.conv3x3.bias"].any()
    pixels = 60 * torch.randn((1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    seen: list[float] = []
    drawn = network(widths, seed=0)
    last = drawn.get_submodule("conv5_2")
    last.register_forward_hook(lambda _, __, output: seen.append(float(output.detach().std())))
    drawn(pixels)
    assert 0.2 < seen[0] < 5, "a drawn trunk keeps activations near one, whatever the size of pixels"
    with pytest.raises(UsageError, match="cannot be combined with initial weights"):
        network(widths, seed=0, start=trunk, batch_norm=True)
    with pytest.raises(UsageError, match="initial weights have architecture 'ssh-tiny', the recipe has 'ssh-vgg16'"):
        network(architecture("ssh-vgg16"), seed=0, start=trunk)


def test_batch_normalisation_is_folded() -> None:
    model = network(architecture("ssh-tiny"), seed=0, batch_norm=True)
    x = torch.randn((4, 3, 96, 96), generator=torch.Generator().manual_seed(0)) * 50
    for _ in range(20):
        model(x)
    model.eval()
    folded = model_of(weights_of(model, model.state_dict(), {}))
    with torch.no_grad():
        for (cls, bbox), (folded_cls, folded_bbox) in zip(model(x), folded(x), strict=True):
            torch.testing.assert_close(folded_cls, cls, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(folded_bbox, bbox, rtol=1e-3, atol=1e-4)
