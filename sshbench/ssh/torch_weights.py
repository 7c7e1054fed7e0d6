"""Convert weights between sshbench's files and PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from sshbench.errors import InputError, MissingDataError
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.model import SSH
from sshbench.ssh.weights import Weights


def model_of(weights: Weights) -> SSH:
    """Return the network with these parameters, in evaluation mode, float32 on the CPU."""
    model = SSH(weights.architecture)
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.parameters.items()})
    return model.eval()


def read_state_dict(path: Path) -> dict[str, Float32Array]:
    """Read a PyTorch file of tensors by name: `weights_only`, so that nothing in it is executed.

    Checkpoints with the tensors under `state_dict`, `model` or `weight` are read too; the prefix `module.` of
    DataParallel is removed.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a dictionary of tensors by name.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}", remedy="Check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old kinds of tensors
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        raise InputError(
            f"is not a file of tensors that can be loaded without executing code ({type(error).__name__})",
            file=path,
            remedy="Save its state_dict() with torch.save",
        ) from error
    for inner in ("state_dict", "model", "weight"):
        if isinstance(content, dict) and isinstance(content.get(inner), dict):
            content = content[inner]
    if not isinstance(content, dict):
        raise InputError("does not contain tensors by name", file=path, remedy="Save the model's state_dict()")
    found = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, torch.Tensor)}
    if not found:
        raise InputError("does not contain tensors by name", file=path, remedy="Save the model's state_dict()")
    try:
        return {name.removeprefix("module."): _plain(tensor) for name, tensor in found.items()}
    except Exception as error:  # tensors without data, or of kinds that cannot be converted
        raise InputError(
            f"holds a tensor that cannot be read ({type(error).__name__}: {error})",
            file=path,
            remedy="Save the model's state_dict() with ordinary tensors",
        ) from error


def _plain(tensor: torch.Tensor) -> Float32Array:
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.detach().cpu().float().numpy()
