"""SSH's weights files: safetensors with the architecture in the metadata.

Nothing here needs torch: parameters are numpy arrays by name, `conv1_1.weight`, `m1.cls_score.bias` and so on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import write_atomic
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.architecture import Architecture, Layer, from_dict

FORMAT = "sshbench-ssh-1"
Parameters = Mapping[str, Float32Array]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Parameters of a network, with metadata.

    Attributes:
        architecture: The widths.
        parameters: By name, float32 arrays.
        metadata: Free text by name: origin, recipe, figures.
        trunk_only: Whether there is only the trunk: a start for training, not a detector.
    """

    architecture: Architecture
    parameters: Parameters
    metadata: Mapping[str, str]
    trunk_only: bool = False


def save_weights(path: Path, weights: Weights, *, half: bool = False) -> None:
    """Write a weights file, atomically.

    Args:
        path: A `.safetensors` file.
        weights: Weights to write; checked against the architecture.
        half: Store float16, which halves the size.

    Raises:
        InputError: A parameter is missing, unknown or has a wrong shape.
    """
    check_parameters(weights.parameters, _expected(weights.architecture, trunk_only=weights.trunk_only), path)
    dtype = np.float16 if half else np.float32
    arrays = {name: np.ascontiguousarray(array, dtype=dtype) for name, array in sorted(weights.parameters.items())}
    metadata = {**weights.metadata, "format": FORMAT, "architecture": weights.architecture.as_json()}
    metadata["part"] = "trunk" if weights.trunk_only else "whole"
    write_atomic(path, in_order(save(arrays, metadata)))


def in_order(content: bytes) -> bytes:
    """Return the file with sorted metadata; the library writes them in random order, which would change the sha256."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # parameters begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def read_safetensors(path: Path, remedy: str) -> tuple[dict[str, Float32Array], dict[str, str]]:
    """Read the parameters of a safetensors file as float32, and its metadata.

    Args:
        path: The file.
        remedy: What to do where it is another file.

    Raises:
        MissingDataError: There is no such file.
        InputError: It is not a safetensors file.
    """
    if not path.is_file():
        raise MissingDataError(f"no weights file at {path}", remedy="Check the path")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            parameters = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"is not a safetensors file ({error})", file=path, remedy=remedy) from error
    return parameters, metadata


def load_weights(path: Path) -> Weights:
    """Read a weights file.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a weights file of SSH; the message names the invalid parameter.
    """
    remedy = "`sshbench weights import` makes one from a .caffemodel or a PyTorch state dict"
    parameters, metadata = read_safetensors(path, remedy)
    if metadata.get("format") != FORMAT:
        raise InputError("is not a weights file of SSH", file=path, field="format", remedy=remedy)
    try:
        architecture = from_dict(json.loads(metadata["architecture"]))
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError("does not name an architecture", file=path, field="architecture", remedy=remedy) from error
    except UsageError as error:
        raise InputError(error.message, file=path, field="architecture", remedy=remedy) from error
    trunk_only = metadata.get("part") == "trunk"
    check_parameters(parameters, _expected(architecture, trunk_only=trunk_only), path)
    own = {name: text for name, text in metadata.items() if name not in ("format", "architecture", "part")}
    return Weights(architecture, parameters, own, trunk_only)


def check_parameters(parameters: Parameters, layers: Iterable[Layer], path: Path) -> None:
    """Compare parameters with layers.

    Raises:
        InputError: A parameter is missing, unknown, not finite or has a wrong shape; the message names it.
    """
    expected: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        expected[f"{layer.name}.weight"] = layer.weight_shape
        expected[f"{layer.name}.bias"] = (layer.outputs,)
    check_shapes(parameters, expected, path, "These are parameters of another network, or of other widths")


def check_shapes(parameters: Parameters, expected: Mapping[str, tuple[int, ...]], path: Path, remedy: str) -> None:
    """Compare parameters with the shapes that a network has.

    Args:
        parameters: By name.
        expected: Shape of each parameter.
        path: Their file, for messages.
        remedy: What to do where they are of another network.

    Raises:
        InputError: A parameter is missing, unknown, not finite or has a wrong shape; the message names it.
    """
    for name, shape in expected.items():
        if name not in parameters:
            raise InputError("is missing", file=path, field=name, remedy=remedy)
        if parameters[name].shape != shape:
            found = parameters[name].shape
            raise InputError(f"has shape {found}, not {shape}", file=path, field=name, remedy=remedy)
        if not np.isfinite(parameters[name]).all():
            raise InputError("is not finite", file=path, field=name, remedy="Get the file again")
    if unknown := sorted(set(parameters) - set(expected)):
        raise InputError("does not belong to any layer", file=path, field=unknown[0], remedy=remedy)


def _expected(architecture: Architecture, *, trunk_only: bool) -> list[Layer]:
    return list(architecture.trunk_layers() if trunk_only else architecture.layers())


def random_weights(architecture: Architecture, seed: int = 0, *, few_boxes: bool = False) -> Weights:
    """Return random parameters for tests and timings; they do not detect faces.

    Args:
        architecture: The widths.
        seed: Seed of the generator.
        few_boxes: Lower the class scores so that only some boxes pass the threshold, as in a trained network;
            postprocessing then takes a realistic time.
    """
    rng = np.random.default_rng(seed)
    parameters: dict[str, Float32Array] = {}
    for layer in architecture.layers():
        spread = (2 / (layer.inputs * layer.kernel**2)) ** 0.5  # keeps the size of activations (He)
        parameters[f"{layer.name}.weight"] = rng.normal(0, spread, layer.weight_shape).astype(np.float32)
        parameters[f"{layer.name}.bias"] = rng.normal(0, 0.01, layer.outputs).astype(np.float32)
    if few_boxes:
        for layer in architecture.layers():
            if layer.name.endswith(("cls_score", "bbox_pred")):
                parameters[f"{layer.name}.weight"] *= np.float32(0.01)
            if layer.name.endswith("cls_score"):
                parameters[f"{layer.name}.bias"] = np.array([4, 4, 0, 0], dtype=np.float32)
    origin = f"random, seed {seed}" + (", few boxes" if few_boxes else "")
    return Weights(architecture, parameters, {"origin": origin})
