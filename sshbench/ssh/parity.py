"""Backends against the reference: the same network in fp32, eager, on the CPU (ONNX Runtime where torch is absent)."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from sshbench.ssh.backends import build as build_backend
from sshbench.ssh.backends import plan
from sshbench.ssh.weights import Weights

SIZES = ((64, 96), (131, 77), (33, 250))
TOLERANCE = 1e-4


def compare(weights: Weights, backend: str, precision: str = "fp32", device: str = "cpu") -> list[float]:
    """Largest difference from the reference at each of `SIZES`, relative to the largest output of each kind.

    Raises:
        UsageError: The backend is not there, or does not have the precision.
    """
    eager = replace(plan("torch" if find_spec("torch") else "onnxruntime", "fp32"), channels_last=False)
    reference = build_backend(weights, eager)
    tested = build_backend(weights, plan(backend, precision, device))
    rng = np.random.default_rng(0)
    differences = []
    for height, width in SIZES:
        batch = rng.normal(0, 50, (1, 3, height, width)).astype(np.float32)
        expected = [array for pair in reference(batch) for array in pair]
        found = [_host(array) for pair in tested(batch) for array in pair]
        worst = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(expected, found, strict=True))
        differences.append(worst)
    return differences


def sizes_of(differences: list[float]) -> dict[str, float]:
    """Differences by size, as text."""
    return {f"{height}x{width}": value for (height, width), value in zip(SIZES, differences, strict=True)}


def _host(array: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if isinstance(array, np.ndarray):
        return np.asarray(array, dtype=np.float32)
    import torch

    assert isinstance(array, torch.Tensor)
    return np.asarray(array.float().cpu().numpy(), dtype=np.float32)
