"""Weights of S3FD, read or random: the authors' `.caffemodel`, and the public `.pth` files of both kinds of names.

The names tell the network: Caffe's names (the authors' file and its conversions) mean the released one; `vgg.N`,
`extras.N`, `loc.N` mean the PyTorch retraining, whose fc6 is dilated and which takes RGB.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sshbench.errors import InputError, UsageError
from sshbench.rivals.importing import caffe_parameters, check_parameters
from sshbench.rivals.layers import Conv
from sshbench.rivals.s3fd_layers import Variant
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.random_weights import random_parameters

_VGG = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
_REMEDY = "Give the authors' SFD.caffemodel, a conversion of it, or a state dict of S3FD.pytorch"


def read_s3fd(path: Path, variant: Variant) -> tuple[Variant, dict[str, Float32Array]]:
    """Read a weights file.

    Args:
        path: A `.caffemodel`, or a PyTorch file; no code in it is executed.
        variant: What the user asks for; `dilated` is set by the file.

    Returns:
        The variant of the file, and its parameters by Caffe's names, for an input of BGR minus the mean: a first layer
        that takes RGB has its channels reversed.

    Raises:
        MissingDataError: There is no such file.
        InputError: A parameter is missing, unknown, not finite or has a wrong shape, or names of both kinds are mixed.
        UsageError: The variant contradicts the file.
    """
    found = caffe_parameters(path, variant.shapes()) if path.suffix == ".caffemodel" else _torch(path)
    theirs = _other_names(variant)
    caffe = [name for name in found if name in variant.shapes()]
    other = [name for name in found if name in theirs.values()]
    if caffe and other:
        raise InputError(
            f"mixes names of two networks, such as '{caffe[0]}' and '{other[0]}', which have different layers fc6",
            file=path,
            remedy=_REMEDY,
        )
    if other:
        if variant.fc6_pad != Variant().fc6_pad:
            raise UsageError(
                f"fc6_pad={variant.fc6_pad} does not fit {path.name}, whose fc6 is dilated", remedy="Leave fc6_pad out"
            )
        variant = replace(variant, dilated=True)
        back = {there: here for here, there in theirs.items()}
        found = {back.get(name, name): array for name, array in found.items()}
    check_parameters(found, variant.shapes(), path, _REMEDY, theirs if other else None)
    if other:
        found["conv1_1.weight"] = np.ascontiguousarray(found["conv1_1.weight"][:, ::-1])  # RGB to BGR
    return variant, {name: found[name] for name in variant.shapes()}


def random_s3fd(variant: Variant, seed: int) -> dict[str, Float32Array]:
    """Return random parameters by Caffe's names; the scales of L2 normalisation are where training starts."""
    scales = {f"{source.head}.weight": source.scale for source, _, _ in variant.predictors() if source.scale}
    predictors = frozenset(name for name in variant.shapes() if "_mbox_" in name)
    made = dict(random_parameters(variant.shapes(), seed, predictors=predictors))
    return made | {name: np.full(made[name].shape, scale, dtype=np.float32) for name, scale in scales.items()}


def _torch(path: Path) -> dict[str, Float32Array]:
    from sshbench.ssh.torch_weights import read_state_dict

    return read_state_dict(path)


def _other_names(variant: Variant) -> dict[str, str]:
    """Return the names of the PyTorch retraining by Caffe's names."""
    convolutions = [step.name for step in variant.trunk() if isinstance(step, Conv)]
    layers = {name: f"vgg.{number}" for name, number in zip(convolutions, _VGG, strict=False)}
    layers |= {name: f"extras.{number}" for number, name in enumerate(convolutions[len(_VGG) :])}
    for number, (source, scores, deltas) in enumerate(variant.predictors()):
        layers |= {scores.name: f"conf.{number}", deltas.name: f"loc.{number}"}
        if source.scale:
            layers[source.head] = f"L2Norm{source.layer.removeprefix('conv')}"
    split = {name: name.rpartition(".") for name in variant.shapes()}
    return {name: f"{layers[layer]}.{part}" for name, (layer, _, part) in split.items()}
