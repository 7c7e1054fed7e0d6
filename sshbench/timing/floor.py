"""The least time this machine could take: multiplications at its measured rate, bytes at its measured bandwidth."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from statistics import median

import numpy as np

from sshbench.errors import UsageError
from sshbench.ssh.architecture import Architecture, Layer
from sshbench.timing.record import Floor

_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
_MATRIX = 2048
_COPY_MIB = 256
_ROUNDS = 7


def work_of(architecture: Architecture, height: int, width: int, precision: str) -> tuple[float, float]:
    """Operations (two for a multiplication and its addition) and bytes of one pass.

    Bytes are a lower bound: every parameter is read once, every feature map written once and read once.
    """
    operations = transferred = 0.0
    for layer in architecture.layers():
        rows, columns = feature_size(layer, height, width)
        operations += 2.0 * layer.outputs * layer.inputs * layer.kernel**2 * rows * columns
        transferred += layer.outputs * (layer.inputs * layer.kernel**2 + 1) + 2.0 * layer.outputs * rows * columns
    return operations, transferred * _BYTES[precision]


def feature_size(layer: Layer, height: int, width: int) -> tuple[int, int]:
    """Height and width of a layer's output for an input of this size; pools round up."""
    pools = {"m1": 3, "m2": 4, "m3": 5}.get(layer.name[:2])
    if pools is None:
        pools = 3 if layer.name == "conv4_fuse_final" else int(layer.name[4]) - 1
    for _ in range(pools):
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def floor_of(
    architecture: Architecture, height: int, width: int, *, precision: str, device: str, forward_ms: float
) -> Floor:
    """Compare a measured forward time with the roofline."""
    operations, transferred = work_of(architecture, height, width, precision)
    flops, bandwidth = matmul_rate(precision, device), copy_rate(device)
    limit = 1000 * max(operations / flops, transferred / bandwidth)
    return Floor(
        gflop=operations / 1e9,
        gigabytes=transferred / 1e9,
        matmul_gflops=flops / 1e9,
        copy_gigabytes=bandwidth / 1e9,
        limit_ms=limit,
        over=forward_ms / limit,
    )


@lru_cache(maxsize=8)
def matmul_rate(precision: str, device: str) -> float:
    """Operations a second of a 2 048 x 2 048 matrix product, median of seven; by torch where it is installed.

    Raises:
        UsageError: The precision needs torch.
    """
    try:
        import torch
    except ImportError as error:
        if precision != "fp32":
            raise UsageError(f"--floor in {precision} needs torch", remedy="pip install 'sshbench[ssh]'") from error
        a = np.random.default_rng(0).normal(size=(_MATRIX, _MATRIX)).astype(np.float32)
        return 2.0 * _MATRIX**3 / _seconds(lambda: a @ a)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    matrix = torch.randn(_MATRIX, _MATRIX, dtype=torch.float32).to(device=device, dtype=dtype)
    return 2.0 * _MATRIX**3 / _seconds(lambda: _synchronised(device, lambda: matrix @ matrix))


@lru_cache(maxsize=8)
def copy_rate(device: str) -> float:
    """Bytes read and written a second by a large copy, median of seven."""
    size = _COPY_MIB * 2**20
    if device.startswith("cuda"):
        import torch

        there = torch.empty(size, dtype=torch.uint8, device=device)
        target = torch.empty_like(there)
        return 2.0 * size / _seconds(lambda: _synchronised(device, lambda: target.copy_(there)))
    source = np.ones(size // 8)
    into = np.empty_like(source)
    return 2.0 * size / _seconds(lambda: np.copyto(into, source))


def _synchronised(device: str, work: Callable[[], object]) -> None:
    work()
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], object]) -> float:
    work()
    found = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)
