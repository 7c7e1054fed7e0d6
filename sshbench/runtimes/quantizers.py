"""Static quantization of ONNX networks to int8, by ONNX Runtime's quantizer or by NNCF.

Both write the same kind of file: a graph with the operators QuantizeLinear and DequantizeLinear around every layer in
int8, which ONNX Runtime and OpenVINO run. Weights are int8, one scale per channel; sums between layers are 8 bits, one
scale per tensor. The layers of `graphs.last_layers` stay float.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sshbench.errors import UsageError, did_you_mean
from sshbench.runtimes.graphs import last_layers
from sshbench.runtimes.network import Array

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZERS = ("onnxruntime", "nncf")
METHODS = {
    "onnxruntime": "mean over the images of the smallest and the largest value",
    "nncf": "mixed preset, fast bias correction",
}
"""How each finds the range of a tensor."""

_OPSET = 17  # scales per channel need 13


def check_quantizer(name: str) -> str:
    """Return the version of a quantizer.

    Raises:
        UsageError: There is no such quantizer, or it is not installed.
    """
    if name not in QUANTIZERS:
        raise UsageError(f"there is no quantizer '{name}'", remedy=did_you_mean(name, QUANTIZERS))
    if find_spec(name) is None:
        raise UsageError(f"quantizer '{name}' is not installed", remedy="pip install 'sshbench[int8]'")
    return version(name)


def quantize(content: bytes, inputs: Callable[[], Iterable[Array]], quantizer: str) -> tuple[ModelProto, list[str]]:
    """Quantize a network.

    Args:
        content: Content of an ONNX file with one input, in fp32.
        inputs: Function that returns the inputs to calibrate with, float32 (n, channels, height, width) each.
        quantizer: One of `QUANTIZERS`.

    Returns:
        The quantized network, and the names of the nodes that stay float.

    Raises:
        UsageError: The network has several inputs, or no layer to quantize.
    """
    with TemporaryDirectory(prefix="sshbench-") as folder, _quiet():
        model = _simplified(content, Path(folder))
        names = [value.name for value in model.graph.input]
        if len(names) != 1:
            raise UsageError(
                f"a network of {len(names)} inputs ({', '.join(names)}) is not quantized", remedy="Use fp32"
            )
        kept = last_layers(model.graph)
        if all(node.name in kept for node in model.graph.node):
            raise UsageError("the network has no layer that can be int8", remedy="Use --precision fp32")
        work = _by_nncf if quantizer == "nncf" else _by_onnxruntime
        return work(model, names[0], inputs, kept, Path(folder)), kept


def _simplified(content: bytes, folder: Path) -> ModelProto:
    """Return a network with constants folded and normalisation merged into convolutions, whose nodes all have names."""
    import onnx
    import onnxruntime

    model = onnx.ModelProto.FromString(content)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]  # old files list constants among the inputs, which keeps them from being folded
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 8)
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset < _OPSET:
        model = onnx.version_converter.convert_version(model, _OPSET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "simple.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    simple: ModelProto = onnx.load(folder / "simple.onnx")
    for number, node in enumerate(simple.graph.node):
        node.name = f"{number}-{node.name or node.op_type}"
    return simple


def _by_onnxruntime(
    model: ModelProto, name: str, inputs: Callable[[], Iterable[Array]], kept: list[str], folder: Path
) -> ModelProto:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            self._left = iter(inputs())

        def get_next(self) -> dict[str, Array] | None:
            data = next(self._left, None)
            return None if data is None else {name: data}

    out = folder / "int8.onnx"
    quantize_static(
        model,
        out,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
        extra_options={"CalibMovingAverage": True},  # with extremes of all images a single bright one decides
    )
    return onnx.load(out)


def _by_nncf(
    model: ModelProto, name: str, inputs: Callable[[], Iterable[Array]], kept: list[str], folder: Path
) -> ModelProto:
    import nncf

    data = [{name: one} for one in inputs()]
    quantized: ModelProto = nncf.quantize(
        model,
        nncf.Dataset(data),
        subset_size=len(data),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
    )
    return quantized


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizers from printing, and NNCF from reporting its use to its makers over the network."""
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"
    root: Any = logging.getLogger()
    level = root.level
    try:
        root.setLevel(logging.ERROR)
        if find_spec("nncf") is not None:
            logging.getLogger("nncf").setLevel(logging.ERROR)
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before
