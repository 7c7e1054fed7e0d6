"""Backends that run the network: PyTorch (eager, compiled, CUDA graphs), ONNX Runtime, OpenVINO; each in one precision.

A backend takes a batch, float32 (n, 3, height, width), as an array, or for PyTorch as a tensor. It returns for each
module class scores (n, 4, h, w) and deltas (n, 8, h, w): float32 arrays, or tensors that stay on an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sshbench.runtimes.plan import ONNX_BACKENDS, Plan, Precision, check_ran
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.weights import Weights

if TYPE_CHECKING:
    import torch

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""PyTorch's names of the precisions."""
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

    def model() -> torch.nn.Module:
        from sshbench.ssh.torch_weights import model_of

        return model_of(weights)

    def graph() -> bytes:
        from sshbench.ssh.onnx_graph import onnx_model

        return content or onnx_model(weights)

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
    if chosen.backend in ONNX_BACKENDS:
        return run_onnx(graph(), chosen)
    network = _torch(model(), chosen)
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

    network = open_onnx(content, chosen)
    names = [value.name for value in network.outputs]

    def run(batch: Float32Array) -> list[tuple[Any, Any]]:
        arrays = network.run(names, {network.inputs[0].name: batch})
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    return Network(run, network.plan, network.threads)


def _torch(made: Any, chosen: Plan) -> Network:  # Any: the stubs leave `memory_format` out
    import torch

    from sshbench.ssh.precision import exact_precision

    dtype: torch.dtype = getattr(torch, DTYPES[chosen.precision])
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    model = made.to(device=chosen.device, dtype=dtype, memory_format=layout)
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

    ran = replace(chosen, precision=precision_of(parameter), device=str(parameter.device), exact=True)
    return Network(run, ran, torch.get_num_threads() if on_cpu else None)


def precision_of(parameter: torch.Tensor) -> Precision:
    """Return the precision of a tensor, read from it."""
    return cast("Precision", next(name for name, kind in DTYPES.items() if f"torch.{kind}" == str(parameter.dtype)))
