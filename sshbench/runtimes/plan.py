"""How a network is to run: backend, precision and device, checked and resolved before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from sshbench.errors import UsageError, did_you_mean
from sshbench.provenance import cpu_flags

Backend = Literal["torch", "compile", "cudagraphs", "onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
BACKENDS = ("torch", "compile", "cudagraphs", "onnxruntime", "openvino")
ONNX_BACKENDS = ("onnxruntime", "openvino")
"""The backends that run an ONNX network."""
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""The execution provider of ONNX Runtime for each device."""

_TORCH = ("cpu", "cuda", "mps")
_OPENVINO = ("cpu", "gpu", "npu")
_DEVICES = {
    "torch": _TORCH,
    "compile": _TORCH,
    "cudagraphs": ("cuda",),
    "onnxruntime": tuple(PROVIDERS),
    "openvino": _OPENVINO,
}
_PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}  # the others are PyTorch
_INSTALL = {
    "cuda": "pip install onnxruntime-gpu in place of onnxruntime",
    "tensorrt": "pip install onnxruntime-gpu in place of onnxruntime, and TensorRT",
    "coreml": "CoreML is in the onnxruntime of macOS only",
    "directml": "pip install onnxruntime-directml in place of onnxruntime, on Windows",
}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86, Arm


@dataclass(frozen=True, slots=True)
class Plan:
    """Requested or effective way to run a network.

    Attributes:
        backend: One of `BACKENDS`.
        precision: One of `PRECISIONS`.
        device: Kind of device, with `:N` for one of several: `cpu`; `cuda`, `cuda:1`, `mps` (PyTorch); `cuda`,
            `tensorrt`, `coreml`, `directml` (ONNX Runtime); `gpu`, `npu` (OpenVINO).
        channels_last: Memory layout of PyTorch's tensors.
        exact: Whether another effective precision is an error.
    """

    backend: Backend
    precision: Precision
    device: str = "cpu"
    channels_last: bool = True
    exact: bool = True

    @property
    def kind(self) -> str:
        """The device without its number."""
        return self.device.partition(":")[0]

    @property
    def number(self) -> int:
        """The number of the device; 0 where none is named."""
        return int(self.device.partition(":")[2] or 0)


def plan(
    backend: str = "auto", precision: str = "fp32", device: str = "cpu", *, allowed: Sequence[str] = BACKENDS
) -> Plan:
    """Resolve the requested backend, precision and device.

    `auto` as precision: fp16 on an accelerator; on a CPU bf16 where its instructions and the backend have it, else
    fp32; int8 is never chosen, because it needs images to calibrate with. `auto` as backend: on a CPU in int8 or in
    precision `auto` the fastest that is installed of OpenVINO, PyTorch and ONNX Runtime, in the order measured;
    otherwise PyTorch, or ONNX Runtime where that is not possible.

    Args:
        backend: One of `allowed`, or `auto`.
        precision: One of `PRECISIONS`, or `auto`.
        device: As in `Plan`.
        allowed: The backends that the network can be run by.

    Raises:
        UsageError: A name is unknown, a package or the device is missing, or the values contradict each other.

    >>> plan("onnxruntime").device
    'cpu'
    """
    _known("backend", backend, (*allowed, "auto"))
    _known("precision", precision, (*PRECISIONS, "auto"))
    kind = device.partition(":")[0]
    _known("device", kind, sorted({name for one in allowed for name in _DEVICES[one]}))
    if backend == "auto":
        fast = kind == "cpu" and precision in ("auto", "int8")
        order = ("openvino", "torch", "onnxruntime") if fast else ("torch", "onnxruntime", "openvino")
        able = [name for name in order if name in allowed and kind in _DEVICES[name]]
        able = [name for name in able if precision != "int8" or name in ONNX_BACKENDS]
        backend = next((name for name in able if _installed(name)), able[0] if able else allowed[0])
    if kind not in _DEVICES[backend]:
        others = [name for name in allowed if kind in _DEVICES[name]]
        raise UsageError(
            f"backend '{backend}' does not run on '{device}', only on {', '.join(_DEVICES[backend])}",
            remedy=f"Use --backend {others[0]}",
        )
    if not _installed(backend):
        extra = "openvino" if backend == "openvino" else "ssh"
        raise UsageError(f"backend '{backend}' is not installed", remedy=f"pip install 'sshbench[{extra}]'")
    _check_device(backend, device)
    exact = precision != "auto"
    if not exact:
        precision = _best_precision(backend, kind)
    _check_precision(backend, precision)
    return Plan(backend, precision, device, exact=exact)  # type: ignore[arg-type]  # the names were checked above


def check_ran(asked: Plan, ran: Plan) -> Plan:
    """Return the effective plan if its precision is the one that was asked for.

    Raises:
        UsageError: The library runs another precision on this device than `asked` requires.
    """
    if asked.exact and ran.precision != asked.precision:
        raise UsageError(
            f"backend '{asked.backend}' runs in {ran.precision} on this device where {asked.precision} is asked for",
            remedy=f"Use --precision {ran.precision}, or --precision auto, which records what runs",
        )
    return ran


def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 natively (AVX512-BF16, AMX, Armv8.6)."""
    return bool(_BF16_FLAGS & cpu_flags())


def devices_here(backend: str) -> list[str]:
    """Return the devices that a backend can use on this machine; numbers of several equal ones are left out.

    >>> "cpu" in devices_here("onnxruntime")
    True
    """
    if backend == "onnxruntime":
        import onnxruntime

        there = onnxruntime.get_available_providers()
        return [name for name, provider in PROVIDERS.items() if provider in there]
    if backend == "openvino":
        import openvino

        there = [name.partition(".")[0].lower() for name in openvino.Core().available_devices]
        return [name for name in _OPENVINO if name in there]
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name in _DEVICES[backend] if there[name]]


def _installed(backend: str) -> bool:
    return find_spec(_PACKAGES.get(backend, "torch")) is not None


def _best_precision(backend: str, kind: str) -> str:
    if kind != "cpu":
        return "fp16"
    return "bf16" if backend != "onnxruntime" and cpu_has_bf16() else "fp32"


def _known(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"there is no {what} '{value}'", remedy=did_you_mean(value, allowed))


def _check_precision(backend: str, precision: str) -> None:
    if precision == "int8" and backend not in ONNX_BACKENDS:
        raise UsageError(f"backend '{backend}' does not run int8", remedy="Use --backend openvino or onnxruntime")
    if precision == "bf16" and backend == "onnxruntime":
        raise UsageError("ONNX Runtime does not run networks in bf16", remedy="Use --precision fp32, fp16 or int8")


def _check_device(backend: str, device: str) -> None:
    """Refuse a device that is not there; the error lists those that are."""
    kind, _, number = device.partition(":")
    here = devices_here(backend)
    there = kind in here and (not number or number.isdecimal())
    if there and number and backend not in ONNX_BACKENDS:
        import torch

        there = kind == "cuda" and int(number) < torch.cuda.device_count()
    if not there:
        install = f". {_INSTALL[kind]}" if backend == "onnxruntime" and kind in _INSTALL else ""
        raise UsageError(
            f"no device '{device}' here for backend '{backend}'",
            remedy=f"Here are: {', '.join(here) or 'none'}{install}. `sshbench doctor` lists what it can run",
        )
