"""The least time this machine could take: multiplications at its measured rate, bytes at its measured bandwidth.

A library may beat this limit by an algorithm with fewer multiplications (Winograd's for 3x3 convolutions).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np

from sshbench.errors import UsageError
from sshbench.ssh.architecture import Architecture
from sshbench.ssh.work import work_of
from sshbench.timing.record import Floor

_MATRIX = 2048
_COPY_MIB = 256
_ROUNDS = 7


def floor_of(
    architecture: Architecture, height: int, width: int, *, precision: str, device: str, forward_ms: float
) -> Floor:
    """Compare a measured forward time with the roofline.

    Raises:
        UsageError: The precision is int8, whose rate is not measured, or needs torch.
    """
    if precision == "int8":
        raise UsageError("--floor knows no limit for int8", remedy="Leave --floor out, or use another --precision")
    operations, transferred = work_of(architecture, height, width, precision)
    rate, bandwidth = matmul_rate(precision, device), copy_rate(device)
    limit = 1000 * max(operations / rate.flops, transferred / bandwidth)
    return Floor(
        gflop=operations / 1e9,
        gigabytes=transferred / 1e9,
        matmul_gflops=rate.flops / 1e9,
        copy_gigabytes=bandwidth / 1e9,
        limit_ms=limit,
        over=forward_ms / limit,
        tf32=rate.tf32,
    )


@dataclass(frozen=True, slots=True)
class MatmulRate:
    """The measured rate of a matrix product.

    Attributes:
        flops: Operations per second, two for a multiplication and its addition.
        tf32: Whether CUDA computed in TF32, read back from torch during the measurement; None on other devices.
    """

    flops: float
    tf32: bool | None = None


@lru_cache(maxsize=8)
def matmul_rate(precision: str, device: str) -> MatmulRate:
    """Measure a 2 048 x 2 048 matrix product with the fastest installed library; median of seven.

    Libraries differ by factors (MKL on another maker's processor). On a CPU numpy's product, torch's product, and
    torch's convolution with a kernel of one pixel, which is the same product, are tried, and the fastest counts. On
    CUDA, TF32 is off, as it is while the network runs: otherwise the limit of a network in fp32 would be that of
    another precision.

    Args:
        precision: `fp32`, `bf16` or `fp16`.
        device: `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises:
        UsageError: The precision needs torch.
    """
    rates = []
    if precision == "fp32" and device == "cpu":
        a = np.random.default_rng(0).normal(size=(_MATRIX, _MATRIX)).astype(np.float32)
        rates.append(_rate(lambda: a @ a))
    try:
        import torch
    except ImportError as error:
        if not rates:
            raise UsageError(f"--floor in {precision} needs torch", remedy="Run pip install 'sshbench[ssh]'") from error
        return MatmulRate(max(rates))
    from sshbench.ssh.precision import exact_precision, uses_tf32

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    kind = torch.device(device).type
    with torch.inference_mode(), exact_precision(kind):
        tf32 = uses_tf32() if kind == "cuda" else None
        matrix = torch.randn(_MATRIX, _MATRIX, dtype=torch.float32).to(device=device, dtype=dtype)
        rates.append(_rate(lambda: _synchronised(device, lambda: matrix @ matrix)))
        pixels = matrix.reshape(1, _MATRIX, _MATRIX // 32, 32).contiguous(memory_format=torch.channels_last)
        kernel = matrix.reshape(_MATRIX, _MATRIX, 1, 1)
        convolve = torch.nn.functional.conv2d
        rates.append(_rate(lambda: _synchronised(device, lambda: convolve(pixels, kernel))))
    return MatmulRate(max(rates), tf32)


def _rate(work: Callable[[], object]) -> float:
    return 2.0 * _MATRIX**3 / _seconds(work)


@lru_cache(maxsize=8)
def copy_rate(device: str) -> float:
    """Measure the bytes read and written per second by a large copy; median of seven."""
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
