"""Fold batch normalisations into the convolutions before them, for every backend alike."""

from __future__ import annotations

import numpy as np

from sshbench.errors import UsageError
from sshbench.rivals.hr_graph import BatchNorm, Convolution, Graph, Layer
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.anchors import Float32Array

Parameters = dict[str, Float32Array]


def folded(weights: HrWeights) -> tuple[Graph, Parameters]:
    """Return the graph without batch normalisations, and its parameters; every convolution has a bias then.

    y = mult (x - mean) / sigma + shift, computed in double precision and rounded once.

    Raises:
        UsageError: A batch normalisation does not follow a convolution that nothing else reads.
    """
    parameters = dict(weights.parameters)
    writers = {layer.output: layer for layer in weights.graph.layers}
    readers: dict[str, int] = {}
    for layer in weights.graph.layers:
        for name in layer.inputs:
            readers[name] = readers.get(name, 0) + 1
    replaced: dict[str, Convolution] = {}  # by the name of the convolution
    for norm in weights.graph.layers:
        if not isinstance(norm, BatchNorm):
            continue
        before = writers.get(norm.inputs[0])
        if not isinstance(before, Convolution) or readers[before.output] != 1:
            raise UsageError(f"batch normalisation '{norm.name}' does not follow a convolution of its own")
        replaced[before.name] = _fold(before, norm, parameters)
    layers: list[Layer] = [
        replaced.get(layer.name, layer) for layer in weights.graph.layers if not isinstance(layer, BatchNorm)
    ]
    graph = weights.graph.model_copy(update={"layers": tuple(layers)})
    return graph, parameters


def _fold(convolution: Convolution, norm: BatchNorm, parameters: Parameters) -> Convolution:
    mean, sigma = parameters.pop(norm.moments).astype(np.float64).T
    factor = parameters.pop(norm.mult).astype(np.float64) / sigma
    shift = parameters.pop(norm.shift).astype(np.float64) - factor * mean
    if convolution.bias is not None:
        shift += factor * parameters[convolution.bias].astype(np.float64)
    kernels = parameters[convolution.filter].astype(np.float64) * factor[:, None, None, None]
    parameters[convolution.filter] = kernels.astype(np.float32)
    bias = convolution.bias or f"{convolution.name}_bias"
    parameters[bias] = shift.astype(np.float32)
    return convolution.model_copy(update={"bias": bias, "output": norm.output})
