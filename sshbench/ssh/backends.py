"""Backends that run the network: PyTorch (eager, compiled, CUDA graphs), ONNX Runtime, OpenVINO; each in one precision.

A backend takes a batch, float32 (n, 3, height, width), as an array, or for PyTorch as a tensor. It returns for each
module class scores (n, 4, h, w) and deltas (n, 8, h, w): float32 arrays, or tensors that stay on an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sshbench.runtimes.plan import Plan, Precision, check_ran
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.weights import Weights

if TYPE_CHECKING:
    import torch

Run = Callable[[Float32Array], list[tuple[Any, Any]]]


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


def build(weights: Weights, chosen: Plan, content: bytes | None = None) -> Network:
    """Build the network for a backend.

    Args:
        weights: Parameters and widths.
        chosen: Requested plan.
        content: An ONNX file of the network to run in place of the one that is written from the weights: in int8.

    Returns:
        The network, with its effective plan.

    Raises:
        UsageError: The library runs another precision on this device than `chosen` requires.
    """
    if chosen.backend in ("onnxruntime", "openvino"):
        from sshbench.ssh.onnx_graph import onnx_model

        return run_onnx(content or onnx_model(weights), chosen)
    network = _torch(weights, chosen)
    check_ran(chosen, network.plan)
    return network


def run_onnx(content: bytes, chosen: Plan) -> Network:
    """Return the network of an ONNX file of ours.

    Args:
        content: As `onnx_graph.onnx_model` writes it, or quantized.
        chosen: Requested plan, with backend `onnxruntime` or `openvino`.

    Raises:
        UsageError: The library runs another precision on this device than `chosen` requires.
    """
    from sshbench.runtimes.network import open_onnx
    from sshbench.ssh.onnx_graph import INPUT, OUTPUTS

    network = open_onnx(content, chosen)

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        outputs = network.run(OUTPUTS, {INPUT: batch})
        return list(zip(outputs[::2], outputs[1::2], strict=True))

    return Network(run, network.plan, network.threads)


def _torch(weights: Weights, chosen: Plan) -> Network:
    import torch

    from sshbench.ssh.precision import exact_precision
    from sshbench.ssh.torch_weights import model_of

    dtypes: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = dtypes[chosen.precision]
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    network: Any = model_of(weights)  # the stubs leave `memory_format` out
    model = network.to(device=chosen.device, dtype=dtype, memory_format=layout)
    parameter: torch.Tensor = next(model.parameters())
    if chosen.backend == "compile":
        model = torch.compile(model)
    elif chosen.backend == "cudagraphs":
        from sshbench.ssh.cuda_graphs import ReplayedModel

        model = ReplayedModel(model)
    on_cpu = chosen.device == "cpu"
    pinned = chosen.device.startswith("cuda")

    def run(batch: Float32Array | torch.Tensor) -> list[tuple[Any, Any]]:
        tensor = torch.from_numpy(batch) if isinstance(batch, np.ndarray) else batch
        if pinned and tensor.device.type == "cpu":
            tensor = tensor.pin_memory()
        with torch.inference_mode(), exact_precision(parameter.device.type):
            tensor = tensor.to(device=chosen.device, non_blocking=True).to(dtype=dtype, memory_format=layout)
            outputs = model(tensor)
        if not on_cpu:
            return list(outputs)
        return [(cls.float().numpy(), bbox.float().numpy()) for cls, bbox in outputs]

    precision = next(name for name, kind in dtypes.items() if kind == parameter.dtype)
    ran = replace(chosen, precision=precision, device=str(parameter.device), exact=True)
    return Network(run, ran, torch.get_num_threads() if on_cpu else None)
