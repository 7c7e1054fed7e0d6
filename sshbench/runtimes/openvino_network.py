"""Run ONNX networks with OpenVINO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sshbench.runtimes.network import Array, OnnxNetwork, declared_values
from sshbench.runtimes.plan import Plan

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}  # int8: what the layers left float run in
_NAMES = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "i8": "int8", "u8": "int8"}
_LAYERS = (("convolution", "deconvolution"), ("fullyconnected", "fully_connected", "matmul"))


def open_openvino(content: bytes, asked: Plan) -> OnnxNetwork:
    """Open an ONNX network with OpenVINO.

    The precision is read from the compiled graph: that of most of its convolutions.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(content)
    device = asked.kind.upper() + (f".{asked.number}" if ":" in asked.device else "")
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[asked.precision]}
    compiled: Any = core.compile_model(model, device, hints)

    def run(names: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        outputs = compiled(dict(feeds))
        return [np.asarray(outputs[name]) for name in names]

    (where,) = compiled.get_property("EXECUTION_DEVICES")
    ran = replace(
        asked,
        precision=_precision(compiled) or asked.precision,  # type: ignore[arg-type]  # a name of theirs, if unknown
        device=asked.device if where.upper().startswith(asked.kind.upper()) else where.lower(),
        exact=True,
    )
    threads = int(compiled.get_property("INFERENCE_NUM_THREADS")) if asked.kind == "cpu" else None
    return OnnxNetwork(run, *declared_values(content), ran, threads, {})


def _precision(compiled: Any) -> str | None:
    """Return the precision that most convolutions of a compiled model run in; products of matrices, if it has none.

    The hint is not binding: without bf16 or fp16 in the processor, OpenVINO runs another precision; its compiled graph
    says which.
    """
    infos = [operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops()]
    for layers in _LAYERS:
        kinds = Counter(
            str(info["runtimePrecision"].value).lower() for info in infos if info["layerType"].value.lower() in layers
        )
        if kinds:
            found = kinds.most_common(1)[0][0]
            return _NAMES.get(found, found)
    return None
