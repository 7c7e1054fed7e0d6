"""Backends that run the network: PyTorch (eager or compiled), ONNX Runtime, OpenVINO, each at a stated precision.

A backend takes a batch, float32 (n, 3, height, width), and returns for each module class scores (n, 4, h, w) and deltas
(n, 8, h, w): float32 arrays, or tensors that stay on an accelerator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from sshbench.errors import UsageError, did_you_mean
from sshbench.provenance import cpu_flags
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.weights import Weights

if TYPE_CHECKING:
    import torch

Backend = Literal["torch", "compile", "onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "fp16"]
BACKENDS = ("torch", "compile", "onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "fp16")
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""PyTorch's names of the precisions."""
Run = Callable[[Float32Array], list[tuple[Any, Any]]]
_PACKAGES = {"torch": "torch", "compile": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino"}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86, Arm


@dataclass(frozen=True, slots=True)
class Plan:
    """Requested or effective way to run the network; `build` returns the effective one.

    Attributes:
        backend: One of `BACKENDS`.
        precision: One of `PRECISIONS`.
        device: `cpu`, `cuda`, `cuda:1` or `mps`.
        channels_last: Memory layout of PyTorch's tensors.
        exact: Whether another effective precision is an error.
    """

    backend: Backend
    precision: Precision
    device: str = "cpu"
    channels_last: bool = True
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is ready to run, and how it runs, read back from the library.

    Attributes:
        run: Function from a batch to the modules' outputs; see the docstring of this module.
        plan: Effective plan, with precision and device read back from the library.
        threads: CPU threads that the library uses; None on an accelerator, and if they are unknown (ONNX Runtime on
            systems other than Linux).
    """

    run: Run
    plan: Plan
    threads: int | None

    def __call__(self, batch: Float32Array) -> list[tuple[Any, Any]]:
        """Return class scores and deltas of each module for a batch (n, 3, height, width)."""
        return self.run(batch)


def plan(backend: str = "auto", precision: str = "fp32", device: str = "cpu") -> Plan:
    """Resolve the requested backend, precision and device.

    `auto` as precision: fp16 on an accelerator; on a CPU bf16 where its instructions have it, else fp32. `auto` as
    backend: PyTorch on an accelerator and for a stated precision; for precision `auto` on a CPU the fastest that is
    installed of OpenVINO, PyTorch and ONNX Runtime, in the order measured.

    Raises:
        UsageError: A name is unknown, a package or the device is missing, or the values contradict each other.
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
    exact = precision != "auto"
    if not exact:
        precision = _best_precision(backend, device)
    if backend == "onnxruntime" and precision != "fp32":
        raise UsageError(f"ONNX Runtime runs SSH in fp32 here, not in {precision}", remedy="Use --precision fp32")
    return Plan(backend, precision, device, exact=exact)  # type: ignore[arg-type]  # the names were checked above


def build(weights: Weights, chosen: Plan) -> Network:
    """Build the network for a backend.

    Args:
        weights: Parameters and widths.
        chosen: Requested plan.

    Returns:
        The network, with its effective plan.

    Raises:
        UsageError: The library runs another precision on this device than `chosen` requires.
    """

    def model() -> torch.nn.Module:
        from sshbench.ssh.torch_weights import model_of

        return model_of(weights)

    def graph() -> bytes:
        from sshbench.ssh.onnx_graph import onnx_model

        return onnx_model(weights)

    return build_network(model, graph, chosen)


def build_network(model: Callable[[], torch.nn.Module], graph: Callable[[], bytes], chosen: Plan) -> Network:
    """Build any network whose outputs are pairs of class scores and deltas.

    Args:
        model: Makes the network for PyTorch, float32 on the CPU.
        graph: Makes the content of its ONNX file: one input, and outputs in the order scores, deltas, scores and so on.
        chosen: Requested plan.

    Returns:
        The network, with its effective plan.

    Raises:
        UsageError: The library runs another precision on this device than `chosen` requires.
    """
    if chosen.backend == "onnxruntime":
        network = run_onnx(graph())
    elif chosen.backend == "openvino":
        network = _openvino(graph(), chosen)
    else:
        network = _torch(model(), chosen)
    ran = network.plan.precision
    if chosen.exact and ran != chosen.precision:
        raise UsageError(
            f"backend '{chosen.backend}' runs in {ran} on this device where {chosen.precision} is asked for",
            remedy=f"Use --precision {ran}, or --precision auto, which records what runs",
        )
    return network


def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 natively (AVX512-BF16, AMX, Armv8.6)."""
    return bool(_BF16_FLAGS & cpu_flags())


def _best_precision(backend: str, device: str) -> str:
    if device != "cpu":
        return "fp16"
    return "bf16" if backend != "onnxruntime" and cpu_has_bf16() else "fp32"


def _known(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"there is no {what} '{value}'", remedy=did_you_mean(value, allowed))


def _check_device(device: str) -> None:
    import torch

    kind, _, number = device.partition(":")
    there = torch.backends.mps.is_available() if kind == "mps" else torch.cuda.is_available()
    if there and number:
        there = number.isdecimal() and int(number) < torch.cuda.device_count()
    if not there:
        raise UsageError(f"no device '{device}' here", remedy="`sshbench doctor` lists the devices")


def run_onnx(content: bytes) -> Network:
    """Return the network of an ONNX file of ours, run by ONNX Runtime on the CPU.

    Args:
        content: As `onnx_graph.onnx_model` writes it.
    """
    import onnxruntime

    before = _running_threads()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # ONNX Runtime does not say how many threads it uses by default: the caller's, and those that it has just started.
    after = _running_threads()
    threads = None if before is None or after is None else after - before + 1
    (provider,) = session.get_providers()
    (image,), outputs = session.get_inputs(), session.get_outputs()
    kinds = {value.type for value in (image, *outputs)}
    names = [value.name for value in outputs]
    assert (provider, kinds) == ("CPUExecutionProvider", {"tensor(float)"})

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        arrays = session.run(names, {image.name: batch})
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    return Network(run, Plan("onnxruntime", "fp32"), threads)


def _running_threads() -> int | None:
    """Return how many threads this process has; None on other systems than Linux. psutil takes 17 ms to import."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


def _torch(made: Any, chosen: Plan) -> Network:  # Any: the stubs leave `memory_format` out
    import torch

    from sshbench.ssh.precision import exact_precision

    dtype: torch.dtype = getattr(torch, DTYPES[chosen.precision])
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    model = made.to(device=chosen.device, dtype=dtype, memory_format=layout)
    parameter: torch.Tensor = next(model.parameters())
    if chosen.backend == "compile":
        model = torch.compile(model)
    on_cpu = chosen.device == "cpu"
    pinned = chosen.device.startswith("cuda")

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        tensor = torch.from_numpy(batch)
        if pinned:
            tensor = tensor.pin_memory()
        with torch.inference_mode(), exact_precision(parameter.device.type):
            tensor = tensor.to(device=chosen.device, non_blocking=True).to(dtype=dtype, memory_format=layout)
            outputs = model(tensor)
        if not on_cpu:
            return list(outputs)
        return [(cls.float().numpy(), bbox.float().numpy()) for cls, bbox in outputs]

    ran = replace(chosen, precision=precision_of(parameter), device=str(parameter.device), exact=True)
    return Network(run, ran, torch.get_num_threads() if on_cpu else None)


def precision_of(parameter: torch.Tensor) -> Precision:
    """Return the precision of a tensor, read from it."""
    return cast("Precision", next(name for name, kind in DTYPES.items() if f"torch.{kind}" == str(parameter.dtype)))


def _openvino(content: bytes, chosen: Plan) -> Network:
    import openvino

    core = openvino.Core()
    names = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": names[chosen.precision]}
    compiled = core.compile_model(core.read_model(content), "CPU", options)

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        outputs = compiled(batch)
        arrays = [np.asarray(outputs[out], dtype=np.float32) for out in compiled.outputs]
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    found = _openvino_precision(compiled)
    precision = next((name for name, theirs in names.items() if theirs == found), found)
    (device,) = compiled.get_property("EXECUTION_DEVICES")
    ran = replace(chosen, precision=precision, device=device.lower(), exact=True)  # type: ignore[arg-type]
    return Network(run, ran, int(compiled.get_property("INFERENCE_NUM_THREADS")))


def _openvino_precision(compiled: Any) -> str:
    """Return the precision that most convolutions of a compiled OpenVINO model run in, by its name there.

    The hint is not binding: without bf16 or fp16 in the processor, OpenVINO runs another
    precision; its compiled graph says which.
    """
    infos = [operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops()]
    kinds = Counter(info["runtimePrecision"].value for info in infos if info["layerType"].value == "Convolution")
    return str(kinds.most_common(1)[0][0]).lower()
