"""Import weights: the authors' `.caffemodel`, PyTorch state dicts, ImageNet trunks of either convention."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from sshbench.errors import InputError, UsageError
from sshbench.files import sha256_of
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import Architecture, Layer
from sshbench.ssh.caffe import read_caffemodel
from sshbench.ssh.preprocess import MEAN
from sshbench.ssh.weights import Weights

Convention = Literal["caffe-bgr", "torchvision-rgb"]
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue, in 0..1
# Position of the convolutions in torchvision's `vgg16().features`.
_TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def import_caffemodel(path: Path, architecture: Architecture) -> Weights:
    """Read the release's `.caffemodel`, or the trunk of Caffe's VGG-16.

    Layers are found by the release's names; every shape is checked. From a file with only a trunk (an ImageNet
    classifier), a trunk is returned.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a `.caffemodel`, or a layer is missing or has another shape; the message names it.
    """
    layers = read_caffemodel(path)
    wanted = list(architecture.layers())
    trunk = list(architecture.trunk_layers())
    trunk_only = not any(layer.caffe in layers for layer in wanted[len(trunk) :])
    parameters: dict[str, Float32Array] = {}
    for layer in trunk if trunk_only else wanted:
        blobs = layers.get(layer.caffe)
        if blobs is None or len(blobs) != 2:
            near = ", ".join(sorted(layers)[:8])
            raise InputError(
                "the layer is missing, or lacks weights or bias",
                file=path,
                field=layer.caffe,
                value=near,
                remedy=f"'{architecture.name}' needs it; --architecture names another",
            )
        parameters[f"{layer.name}.weight"] = _shaped(blobs[0], layer.weight_shape, path, layer.caffe)
        # Old files have the bias as (1, 1, 1, n).
        parameters[f"{layer.name}.bias"] = _shaped(blobs[1].reshape(-1), (layer.outputs,), path, layer.caffe)
    return Weights(architecture, parameters, _origin(path, "caffemodel"), trunk_only)


def import_state_dict(
    path: Path,
    architecture: Architecture,
    *,
    name_map: Mapping[str, str] | None = None,
    convention: Convention | None = None,
) -> Weights:
    """Read a PyTorch state dict of SSH, or of a VGG-16 trunk.

    Args:
        path: The file; no code in it is executed.
        architecture: The widths.
        name_map: From sshbench's layer names (`m1.conv3x3`) to those of the file; layers without an entry have
            sshbench's names, or torchvision's for a trunk (`features.0`).
        convention: Input of the trunk's first layer: `caffe-bgr` as in sshbench, or `torchvision-rgb`, which is folded
            into conv1_1. Default: `torchvision-rgb` if the names are torchvision's.

    Raises:
        MissingDataError: There is no such file.
        InputError: A layer is missing or has another shape; the message names it.
    """
    from sshbench.ssh.torch_weights import read_state_dict

    found = read_state_dict(path)
    names = dict(name_map or {})
    trunk = list(architecture.trunk_layers())
    torchvision = "features.0.weight" in found and not names
    if torchvision:
        if len(trunk) != len(_TORCHVISION):
            raise UsageError(
                f"torchvision's VGG-16 does not fit the trunk of '{architecture.name}'", remedy="Use ssh-vgg16"
            )
        names = {layer.name: f"features.{position}" for layer, position in zip(trunk, _TORCHVISION, strict=True)}
    wanted = list(architecture.layers())
    trunk_only = not any(f"{names.get(layer.name, layer.name)}.weight" in found for layer in wanted[len(trunk) :])
    parameters: dict[str, Float32Array] = {}
    for layer in trunk if trunk_only else wanted:
        there = names.get(layer.name, layer.name)
        for part, shape in (("weight", layer.weight_shape), ("bias", (layer.outputs,))):
            array = found.get(f"{there}.{part}")
            if array is None:
                near = ", ".join(sorted(found)[:8])
                remedy = "Say by --name-map how the layers are called there"
                raise InputError("is missing", file=path, field=f"{there}.{part}", value=near, remedy=remedy)
            parameters[f"{layer.name}.{part}"] = _shaped(array, shape, path, f"{there}.{part}")
    if (convention or ("torchvision-rgb" if torchvision else "caffe-bgr")) == "torchvision-rgb":
        fold_rgb(parameters)
    return Weights(architecture, parameters, _origin(path, "state dict"), trunk_only)


def fold_rgb(parameters: dict[str, Float32Array]) -> None:
    """Change conv1_1 from RGB in 0..1, normalised by ImageNet's mean and deviation, to BGR minus Caffe's mean.

    The network's input is then that of the release. Results differ only at the outermost pixels, where the zeros that
    pad the convolution stand for slightly different colours.
    """
    weight = parameters["conv1_1.weight"].astype(np.float64)
    deviation, mean = np.array(_IMAGENET_DEVIATION), np.array(_IMAGENET_MEAN)
    shift = (np.array(MEAN[::-1]) / 255 - mean) / deviation  # what a zero of our input is in theirs
    bias = parameters["conv1_1.bias"].astype(np.float64) + (weight * shift[None, :, None, None]).sum(axis=(1, 2, 3))
    scaled = weight / (255 * deviation)[None, :, None, None]
    parameters["conv1_1.weight"] = np.ascontiguousarray(scaled[:, ::-1]).astype(np.float32)
    parameters["conv1_1.bias"] = bias.astype(np.float32)


def read_name_map(path: Path, layers: Iterable[Layer]) -> dict[str, str]:
    """Read a TOML table from sshbench's layer names to other names.

    Raises:
        InputError: The file is not valid TOML, or a layer name is unknown.
    """
    remedy = 'Write lines such as "m1.conv3x3" = "their.layer"'
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"is no name map ({error})", file=path, remedy=remedy) from error
    known = {layer.name for layer in layers}
    for name, there in table.items():
        if name not in known or not isinstance(there, str):
            raise InputError("is not a layer of SSH with a name", file=path, field=name, value=there, remedy=remedy)
    return dict(table)


def _shaped(array: Float32Array, shape: tuple[int, ...], path: Path, name: str) -> Float32Array:
    if array.shape != shape:
        raise InputError(
            f"has shape {array.shape}, not {shape}",
            file=path,
            field=name,
            remedy="These are parameters of another network, or of other widths (--architecture)",
        )
    return np.asarray(array, dtype=np.float32)


def _origin(path: Path, what: str) -> dict[str, str]:
    return {"origin": f"{what} {path.name}, sha256 {sha256_of(path)}"}
