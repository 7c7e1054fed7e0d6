"""Random weights of HR, for timing."""

from __future__ import annotations

import numpy as np

from sshbench.rivals.hr_graph import BatchNorm, Convolution, Graph, Upsample
from sshbench.rivals.hr_templates import published_templates
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.random_weights import random_parameters

MEAN = (119.2996, 110.54627, 101.83843)
"""Of red, green and blue. Source: peiyunh/tiny, data/widerface/imageStats.mat (MIT, 2016)."""
_BRANCH = 1 / 3  # multiplier of the end of a residual branch, which keeps sums of 30 blocks small


def random_hr_weights(graph: Graph, seed: int = 0) -> HrWeights:
    """Return random parameters; they do not detect faces.

    Batch normalisations have mean 0, sigma 1 and multiplier 1, a third at the end of a residual branch, so that all
    numbers stay finite and none becomes denormal.

    Args:
        graph: The layers.
        seed: Seed of the generator.
    """
    shapes = graph.parameter_shapes()
    convolutions = [layer for layer in graph.layers if isinstance(layer, Convolution)]
    trained = [name for layer in convolutions for name in (layer.filter, layer.bias) if name is not None]
    predictors = frozenset(layer.filter for layer in convolutions if layer.name.startswith("score_"))
    parameters = dict(random_parameters({name: shapes[name] for name in trained}, seed, predictors=predictors))
    for layer in graph.layers:
        if isinstance(layer, BatchNorm):
            factor = _BRANCH if layer.name.endswith("branch2c") else 1.0
            parameters[layer.mult] = np.full(layer.channels, factor, dtype=np.float32)
            parameters[layer.shift] = np.zeros(layer.channels, dtype=np.float32)
            parameters[layer.moments] = np.tile(np.array([0, 1], dtype=np.float32), (layer.channels, 1))
        elif isinstance(layer, Upsample):
            parameters[layer.filter] = bilinear(layer)
    return HrWeights(graph, parameters, MEAN, published_templates(), {"origin": f"random, seed {seed}"})


def bilinear(layer: Upsample) -> np.typing.NDArray[np.float32]:
    """Return the fixed kernels of the upsampling, float32 (channels, 1, 4, 4)."""
    line = np.array([0.25, 0.75, 0.75, 0.25], dtype=np.float32)
    return np.tile(np.outer(line, line), (layer.channels, 1, 1, 1))
