"""Networks run as they are asked to, and what is recorded is what the library says of itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from sshbench.errors import MissingDataError, UsageError
from sshbench.runtimes import graphs, int8, onnxruntime_network, quantizers
from sshbench.runtimes import plan as plans
from sshbench.runtimes.network import Array, open_onnx
from tests.runtimes.networks import in_numpy, network, parameters

BACKENDS = ["onnxruntime", "openvino"]


def data(count: int = 4, seed: int = 1) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (1, 3, 24, 32)).astype(np.float32) for _ in range(count)]


@pytest.fixture(scope="module", params=quantizers.QUANTIZERS)
def quantized(request: pytest.FixtureRequest) -> tuple[str, bytes, list[str]]:
    """Quantizer, file in int8, and the nodes that stay float."""
    pytest.importorskip(request.param)
    model, kept = quantizers.quantize(network(), lambda: data(8), request.param)
    return request.param, model.SerializeToString(), kept


@pytest.mark.parametrize("backend", BACKENDS)
def test_fp32_is_the_network(backend: str) -> None:
    pytest.importorskip(backend)
    opened = open_onnx(network(), plans.plan(backend))
    assert opened.plan == plans.Plan(backend, "fp32", "cpu")  # type: ignore[arg-type]
    assert opened.threads is not None
    assert opened.threads >= 1
    assert [(one.name, one.type) for one in (*opened.inputs, *opened.outputs)] == [
        ("x", "tensor(float)"),
        ("y", "tensor(float)"),
    ]
    assert opened.inputs[0].shape[1] == 3
    np.testing.assert_allclose(opened.run(["y"], {"x": data()[0]})[0], in_numpy(data()[0]), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_int8_is_the_network_within_the_steps_of_eight_bits(
    quantized: tuple[str, bytes, list[str]], backend: str
) -> None:
    pytest.importorskip(backend)
    quantizer, content, _ = quantized
    opened = open_onnx(content, plans.Plan(backend, "int8", exact=False))  # type: ignore[arg-type]
    if (quantizer, backend) != ("nncf", "onnxruntime"):  # which runs some of NNCF's layers in fp32, and says so
        assert opened.plan.precision == "int8"
    for x in data(3, seed=2):
        difference = np.abs(opened.run(["y"], {"x": x})[0] - in_numpy(x))
        assert 1e-5 < difference.max() < 0.05  # fp32 differs by less than the first
        assert difference.mean() < 0.01


def test_the_head_and_what_follows_it_stay_float(quantized: tuple[str, bytes, list[str]]) -> None:
    _, content, kept = quantized
    assert [re.sub(r"^\d+-", "", name) for name in kept] == ["Conv", "Sigmoid"]
    model = onnx.ModelProto.FromString(content)
    makers = {name: node for node in model.graph.node for name in node.output}
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    heads = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in types]
    assert len(heads) == 1
    assert types[heads[0].input[1]] == onnx.TensorProto.FLOAT
    others = [node for node in model.graph.node if node.op_type == "Conv" and node is not heads[0]]
    assert [makers[node.input[1]].op_type for node in others] == ["DequantizeLinear"] * 2


def test_a_size_is_no_value_that_keeps_a_layer_float() -> None:
    """A graph whose output is resized to the size of an earlier layer."""
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["a"], name="early"),
        onnx.helper.make_node("Shape", ["a"], ["s"], name="shape"),
        onnx.helper.make_node("Conv", ["a", "w"], ["b"], name="head"),
        onnx.helper.make_node("Reshape", ["b", "s"], ["y"], name="reshape"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, None)], [value("y", 1, None)])
    assert graphs.last_layers(graph) == ["shape", "head", "reshape"]


def test_another_precision_than_asked_for_is_refused() -> None:
    """The CPU has no fp16 in ONNX Runtime; a network that is not quantized does not run in int8."""
    precisions: tuple[plans.Precision, ...] = ("fp16", "int8")
    for precision in precisions:
        asked = plans.Plan("onnxruntime", precision)
        ran = open_onnx(network(), plans.Plan("onnxruntime", precision, exact=False)).plan.precision
        if ran == precision:
            pytest.skip(f"this processor runs {precision}")
        with pytest.raises(UsageError, match=f"runs in {ran} on this device where {precision} is asked for"):
            open_onnx(network(), asked)


def test_fp16_is_read_from_the_weights_of_the_graph() -> None:
    assert graphs.precision_of(network()) == "fp32"
    half = graphs.half_precision(network())
    assert graphs.precision_of(half) == "fp16"
    values = (*(model := onnx.ModelProto.FromString(half)).graph.input, *model.graph.output)
    assert {value.type.tensor_type.elem_type for value in values} == {onnx.TensorProto.FLOAT}


def test_a_graph_without_weights_has_no_precision() -> None:
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    assert graphs.precision_of(onnx.helper.make_model(graph).SerializeToString()) is None


class FakeSession:
    """A session of ONNX Runtime with accelerators, of which this machine has none."""

    def __init__(self, started: list[str], nodes: dict[str, int]) -> None:
        self._started, self._nodes = started, nodes

    def get_providers(self) -> list[str]:
        return self._started

    def get_provider_graph_assignment_info(self) -> list[Any]:
        class Part:
            def __init__(self, name: str, count: int) -> None:
                self.ep_name, self._count = name, count

            def get_nodes(self) -> list[Any]:
                layers = [onnx.helper.make_node("Conv", [], [])] * self._count
                return [*layers, *[onnx.helper.make_node("Shape", [], [])] * 50]

        return [Part(name, count) for name, count in self._nodes.items()]


@pytest.mark.parametrize(
    ("started", "nodes", "says"),
    [
        (["CPUExecutionProvider"], {}, "could not start its CUDAExecutionProvider, and uses CPUExecutionProvider"),
        (
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
            {"CUDAExecutionProvider": 2, "CPUExecutionProvider": 60},
            r"'cuda:1' runs fewer than half .*\(2 by CUDAExecutionProvider, 60 by CPUExecutionProvider\)",
        ),
    ],
)
def test_a_provider_that_leaves_the_work_to_the_cpu_is_refused(
    started: list[str], nodes: dict[str, int], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    asked: dict[str, Any] = {}

    def session(content: bytes, options: object, providers: object) -> FakeSession:
        asked["providers"] = providers
        return FakeSession(started, nodes)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with pytest.raises(UsageError, match=says):
        onnxruntime_network.open_onnxruntime(network(), plans.Plan("onnxruntime", "fp32", "cuda:1"))
    # TF32 is off: fp32 is fp32.
    assert asked["providers"] == [("CUDAExecutionProvider", {"use_tf32": "0", "device_id": "1"})]


def test_a_missing_provider_is_an_error_that_lists_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    here = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: here)
    assert plans.plan("onnxruntime", "fp16", "cuda:1").number == 1
    with pytest.raises(UsageError, match=r"no device 'directml' here.*Here are: cpu, cuda\. pip install onnxruntime-d"):
        plans.plan("onnxruntime", "fp32", "directml")


def test_auto_takes_a_backend_that_can() -> None:
    assert plans.plan("auto", "fp32", allowed=plans.ONNX_BACKENDS).backend == "onnxruntime"
    assert plans.plan("auto", "int8").backend in plans.ONNX_BACKENDS
    with pytest.raises(UsageError, match=r"no backend 'torch'.*onnxruntime, openvino, auto"):
        plans.plan("torch", allowed=plans.ONNX_BACKENDS)


# Calibration


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for number in range(6):
        path = folder / f"event{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("no image")
    return folder


def inputs(paths: Iterable[Path]) -> Iterable[Array]:
    for path in paths:
        pixels = cv2.imread(str(path))
        assert pixels is not None
        yield (pixels.astype(np.float32).transpose(2, 0, 1)[None] - 127) / 64


def test_images_are_taken_at_equal_distances(photos: Path) -> None:
    chosen = int8.calibration_images(photos, 3)
    assert [path.name for path in chosen] == ["0.png", "4.png", "3.png"]  # of 0 2 4 | 1 3 5
    assert len(int8.calibration_images(photos, 99)) == 6
    with pytest.raises(MissingDataError, match=r"no images to calibrate int8 with in .*photos/none"):
        int8.calibration_images(photos / "none", 3)


def test_the_same_calibration_is_made_once_and_found_by_its_name(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))
    calibration = int8.Calibration(str(photos), count=3)
    path, record = int8.int8_network(network(), calibration, inputs, {"resize": "original"})
    content = path.read_bytes()
    assert int8.record_of(content) == record
    assert (record.quantizer, record.images, len(record.float_layers)) == ("onnxruntime", 3, 2)
    assert record.id.startswith(f"onnxruntime-{record.version}-3-")

    def never(*_: object) -> Any:
        raise AssertionError("it was quantized again")

    monkeypatch.setattr(int8, "quantize", never)
    assert int8.int8_network(network(), calibration, inputs, {"resize": "original"}) == (path, record)
    # As the identity of a run names it, without the images.
    assert int8.int8_network(network(), int8.Calibration(record.id), inputs, {}) == (path, record)
    with pytest.raises(MissingDataError, match="neither a folder of images nor a calibration of this network"):
        int8.int8_network(network(parameters(1)), int8.Calibration(record.id), inputs, {})
    with pytest.raises(UsageError, match="int8 needs images to calibrate the network with"):
        int8.int8_network(network(), int8.Calibration(""), inputs, {})
    with pytest.raises(UsageError, match="no quantizer 'tflite'"):
        int8.int8_network(network(), int8.Calibration(str(photos), "tflite"), inputs, {})


def test_whatever_changes_the_network_changes_the_name_of_its_calibration(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))

    def name(count: int = 3, resize: str = "original", seed: int = 0) -> str:
        calibration = int8.Calibration(str(photos), count=count)
        return int8.int8_network(network(parameters(seed)), calibration, inputs, {"resize": resize})[1].id

    names = [name(), name(count=2), name(resize="480x640"), name(seed=1)]
    pixels = np.zeros((24, 32, 3), dtype=np.uint8)
    cv2.imwrite(str(photos / "event0" / "0.png"), pixels)
    names.append(name())
    assert len(set(names)) == len(names)
    assert name() == names[-1]


def test_quantizing_prints_nothing_and_leaves_logging_as_it_was(
    capfd: pytest.CaptureFixture[str], quantized: tuple[str, bytes, list[str]]
) -> None:
    before = logging.getLogger().level
    quantizers.quantize(network(), lambda: data(2), quantized[0])
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().level == before


@pytest.mark.parametrize("problem", ["two inputs", "nothing to quantize"])
def test_what_cannot_be_quantized_is_said(problem: str) -> None:
    value = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Add", ["a", "b"], ["y"])]
    values = [value("a", 1, [1]), value("b", 1, [1])]
    if problem != "two inputs":
        nodes, values = [onnx.helper.make_node("Neg", ["a"], ["y"])], values[:1]
    graph = onnx.helper.make_graph(nodes, "g", values, [value("y", 1, [1])])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(UsageError, match=r"2 inputs \(a, b\)" if problem == "two inputs" else "no layer"):
        quantizers.quantize(model.SerializeToString(), data, "onnxruntime")
