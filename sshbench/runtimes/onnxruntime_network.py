"""Run ONNX networks with ONNX Runtime, on the execution provider that a device names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sshbench.errors import UsageError
from sshbench.runtimes.graphs import WEIGHTED, half_precision, precision_of
from sshbench.runtimes.network import Array, OnnxNetwork, Value
from sshbench.runtimes.plan import PROVIDERS, Plan

_OPTIONS: dict[str, dict[str, str]] = {
    "cuda": {"use_tf32": "0"},  # fp32 is fp32
    "tensorrt": {"trt_fp16_enable": "0"},  # the network itself says which precision
}
_COMPILED = ("tensorrt", "coreml")  # providers that turn the graph into code of their own


def open_onnxruntime(content: bytes, asked: Plan) -> OnnxNetwork:
    """Open an ONNX network with ONNX Runtime.

    The precision is read from the graph that ONNX Runtime has optimized for the device and runs. TensorRT and CoreML
    compile the graph and show no other: for them it is that of the graph that they were given.

    Raises:
        UsageError: The provider does not start, or the CPU runs the convolutions in its place.
    """
    import onnxruntime

    if asked.precision == "fp16":
        content = half_precision(content)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # published files hold unused parts, and sizes that were freed on purpose
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    provider = PROVIDERS[asked.kind]
    numbered = {"device_id": str(asked.number)} if asked.kind in ("cuda", "tensorrt", "directml") else {}
    before = _running_threads()
    with TemporaryDirectory(prefix="sshbench-") as folder:
        optimized = Path(folder) / "optimized.onnx"
        if asked.kind not in _COMPILED:
            options.optimized_model_filepath = str(optimized)
        chosen = [(provider, {**_OPTIONS.get(asked.kind, {}), **numbered})]
        session: Any = onnxruntime.InferenceSession(content, options, providers=chosen)
        # ONNX Runtime does not say how many threads it uses by default: the caller's, and those it has just started.
        after = _running_threads()
        precision = precision_of(optimized.read_bytes() if optimized.exists() else content)
    nodes = _nodes(session)
    _check_provider(session.get_providers(), nodes, provider, asked.device)
    ran = replace(asked, precision=precision or asked.precision, exact=True)
    threads = None if before is None or after is None or asked.kind != "cpu" else after - before + 1

    def run(names: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        found: list[Array] = session.run(list(names), dict(feeds))
        return found

    return OnnxNetwork(run, _values(session.get_inputs()), _values(session.get_outputs()), ran, threads, nodes)


def _values(found: Sequence[Any]) -> tuple[Value, ...]:
    return tuple(Value(one.name, tuple(one.shape), one.type) for one in found)


def _nodes(session: Any) -> dict[str, int]:
    """Return how many layers with weights each provider runs, as ONNX Runtime says; empty before the version that does.

    What computes sizes runs on the CPU on purpose.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    counted: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counted[part.ep_name] += sum(node.op_type in WEIGHTED for node in part.get_nodes())
    return {name: count for name, count in counted.items() if count}


def _check_provider(started: Sequence[str], nodes: Mapping[str, int], provider: str, device: str) -> None:
    """Refuse that the CPU does the work of another provider, as ONNX Runtime does without an error."""
    if started[0] != provider:
        raise UsageError(
            f"ONNX Runtime could not start its {provider}, and uses {', '.join(started)}",
            remedy="Check the driver and the libraries that it needs, or use --device cpu",
        )
    if nodes and nodes.get(provider, 0) * 2 < sum(nodes.values()):
        where = ", ".join(f"{count} by {name}" for name, count in nodes.items())
        raise UsageError(
            f"device '{device}' runs fewer than half of the network's layers ({where})", remedy="Use --device cpu"
        )


def _running_threads() -> int | None:
    """Return how many threads this process has; None on other systems than Linux. psutil takes 17 ms to import."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None
