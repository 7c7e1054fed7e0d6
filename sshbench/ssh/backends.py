"""What runs the network: PyTorch (eager or compiled), ONNX Runtime, OpenVINO, each at a stated precision.

A backend takes a batch, float32 (n, 3, height, width), and gives for each module class scores (n, 4, h, w) and deltas
(n, 8, h, w): float32 arrays, or tensors that stay on an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from sshbench.errors import UsageError
from sshbench.provenance import cpu_flags
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.onnx_graph import INPUT, OUTPUTS, onnx_model
from sshbench.ssh.weights import Weights

Backend = Literal["torch", "compile", "onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "fp16"]
BACKENDS = ("torch", "compile", "onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "fp16")
Run = Callable[[Float32Array], list[tuple[Any, Any]]]
_PACKAGES = {"torch": "torch", "compile": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino"}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86, Arm


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run: resolved, so that a result's identity can record it.

    Attributes:
        backend: One of `BACKENDS`.
        precision: One of `PRECISIONS`.
        device: `cpu`, `cuda`, `cuda:1` or `mps`.
        channels_last: Memory layout of PyTorch's tensors.
    """

    backend: Backend
    precision: Precision
    device: str = "cpu"
    channels_last: bool = True


def plan(backend: str = "auto", precision: str = "fp32", device: str = "cpu") -> Plan:
    """Resolve what a user asked for.

    `auto` as precision: fp16 on an accelerator; on a CPU bf16 where its instructions have it, else fp32. `auto` as
    backend: PyTorch on an accelerator and for a stated precision; for precision `auto` on a CPU the fastest that is
    installed of OpenVINO, PyTorch and ONNX Runtime, in the order measured.

    Raises:
        UsageError: A name is unknown, a package is missing, the device is not there, or they do not go together.
    """
    _known("device", device.split(":")[0], ("cpu", "cuda", "mps"))
    _known("precision", precision, (*PRECISIONS, "auto"))
    _known("backend", backend, (*BACKENDS, "auto"))
    if backend == "auto":
        order = (
            ("openvino", "torch", "onnxruntime")
            if device == "cpu" and precision == "auto"
            else ("torch", "onnxruntime")
        )
        backend = next((name for name in order if find_spec(_PACKAGES[name]) is not None), "onnxruntime")
    if find_spec(_PACKAGES[backend]) is None:
        extra = "ssh" if backend in ("torch", "compile") else "openvino"
        raise UsageError(f"backend '{backend}' is not installed", remedy=f"pip install 'sshbench[{extra}]'")
    if device != "cpu":
        if backend not in ("torch", "compile"):
            raise UsageError(
                f"backend '{backend}' runs on the CPU here, not on '{device}'", remedy="Use --backend torch"
            )
        _check_device(device)
    if precision == "auto":
        precision = _best_precision(backend, device)
    if backend == "onnxruntime" and precision != "fp32":
        raise UsageError(f"ONNX Runtime runs SSH in fp32 here, not in {precision}", remedy="Use --precision fp32")
    return Plan(backend, precision, device)  # type: ignore[arg-type]  # the names were checked above


def build(weights: Weights, chosen: Plan, *, threads: int | None = None) -> Run:
    """Make the network ready to run.

    Args:
        weights: Parameters and widths.
        chosen: What runs it.
        threads: Of the CPU; None for all cores.
    """
    if chosen.backend == "onnxruntime":
        return _onnxruntime(weights, threads)
    if chosen.backend == "openvino":
        return _openvino(weights, chosen, threads)
    return _torch(weights, chosen, threads)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 natively (AVX512-BF16, AMX, Armv8.6)."""
    return bool(_BF16_FLAGS & cpu_flags())


def _best_precision(backend: str, device: str) -> str:
    if device != "cpu":
        return "fp16"
    return "bf16" if backend != "onnxruntime" and cpu_has_bf16() else "fp32"


def _known(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"there is no {what} '{value}'", remedy=f"Known: {', '.join(allowed)}")


def _check_device(device: str) -> None:
    import torch

    kind, _, number = device.partition(":")
    there = torch.backends.mps.is_available() if kind == "mps" else torch.cuda.is_available()
    if there and number:
        there = number.isdecimal() and int(number) < torch.cuda.device_count()
    if not there:
        raise UsageError(f"there is no device '{device}' here", remedy="`sshbench doctor` shows what there is")


def _torch(weights: Weights, chosen: Plan, threads: int | None) -> Run:
    import torch

    from sshbench.ssh.torch_weights import model_of

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[chosen.precision]
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    if threads is not None:
        torch.set_num_threads(threads)
    network: Any = model_of(weights)  # the stubs leave `memory_format` out
    model = network.to(device=chosen.device, dtype=dtype, memory_format=layout)
    if chosen.backend == "compile":
        model = torch.compile(model)
    on_cpu = chosen.device == "cpu"
    pinned = chosen.device.startswith("cuda")

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        tensor = torch.from_numpy(batch)
        if pinned:
            tensor = tensor.pin_memory()
        with torch.inference_mode():
            tensor = tensor.to(device=chosen.device, non_blocking=True).to(dtype=dtype, memory_format=layout)
            outputs = model(tensor)
        if not on_cpu:
            return list(outputs)
        return [(cls.float().numpy(), bbox.float().numpy()) for cls, bbox in outputs]

    return run


def _onnxruntime(weights: Weights, threads: int | None) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(onnx_model(weights), options, providers=["CPUExecutionProvider"])

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        outputs = session.run(OUTPUTS, {INPUT: batch})
        return list(zip(outputs[::2], outputs[1::2], strict=True))

    return run


def _openvino(weights: Weights, chosen: Plan, threads: int | None) -> Run:
    import openvino

    core = openvino.Core()
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    options["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[chosen.precision]
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(core.read_model(onnx_model(weights)), "CPU", options)

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        outputs = compiled(batch)
        arrays = [np.asarray(outputs[name], dtype=np.float32) for name in OUTPUTS]
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    return run
