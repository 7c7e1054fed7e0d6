"""What really runs is recorded, and a wrong network is noticed; nothing here needs torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from sshbench.detectors.registry import load_detector
from sshbench.errors import CheckFailedError, UsageError
from sshbench.runtimes import openvino_network
from sshbench.runtimes import plan as plans
from sshbench.ssh import backends, reference
from sshbench.ssh.architecture import architecture
from sshbench.ssh.onnx_graph import onnx_model
from sshbench.ssh.parity import TOLERANCE, differences, opencv_network
from sshbench.ssh.weights import Weights, random_weights, save_weights

NODES = ("Conv", "Relu", "MaxPool", "ConvTranspose", "Add", "Shape", "Slice", "Concat")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(architecture("ssh-tiny"), seed=1)


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("caffe_writer.py"))


@pytest.mark.parametrize("size", [pytest.param((64, 64), marks=pytest.mark.thorough), (33, 70)])
def test_the_reference_is_the_releases_network(writer: ModuleType, tmp_path: Path, size: tuple[int, int]) -> None:
    known = random_weights(architecture("ssh-vgg16"), seed=3)
    prototxt, model = writer.write(tmp_path, known, *size)
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(model))
    batch = np.random.default_rng(sum(size)).normal(0, 50, (1, 3, *size)).astype(np.float32)
    net.setInput(batch)
    expected = net.forward([f"m{m}@ssh_{kind}_out" for m in (1, 2, 3) for kind in ("cls_score", "bbox_pred")])
    found = [array for pair in reference.outputs(known, batch[0]) for array in pair]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape[1:]
        assert np.abs(ours - theirs[0]).max() <= 1e-5 * np.abs(theirs).max()


# The exported file


def test_the_file_is_the_same_each_time_and_checked(weights: Weights) -> None:
    content = onnx_model(weights)
    assert content == onnx_model(weights)
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert {node.op_type for node in model.graph.node} == set(NODES)
    assert {entry.key for entry in model.metadata_props} >= {"architecture"}


def test_two_libraries_read_the_same_network_from_the_file(weights: Weights) -> None:
    content = onnx_model(weights)
    for network in (backends.run_onnx(content, plans.plan("onnxruntime")), opencv_network(content)):
        found = differences(weights, network)
        assert list(found) == ["64x96", "131x77", "33x250"]
        assert 0 < max(found.values()) <= TOLERANCE


def round_down(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "ceil_mode":
                attribute.i = 0


def drop_relu(model: onnx.ModelProto) -> None:
    nodes = [node for node in model.graph.node if node.op_type == "Relu"]
    nodes[-1].op_type = "Identity"


def swap_branches(model: onnx.ModelProto) -> None:
    inputs = next(node for node in model.graph.node if node.op_type == "Concat").input
    inputs[1], inputs[2] = inputs[2], inputs[1]


def shift_bias(model: onnx.ModelProto) -> None:
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "m2.cls_score.bias")
    bias.raw_data = (np.frombuffer(bias.raw_data, "<f4") + np.float32(1)).tobytes()


def nearest_upsampling(model: onnx.ModelProto) -> None:
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "conv5_128_up.weight")
    kernel.raw_data = np.full(tuple(kernel.dims), 0.25, "<f4").tobytes()


@pytest.mark.parametrize("spoil", [round_down, drop_relu, swap_branches, shift_bias, nearest_upsampling])
def test_a_wrong_export_is_noticed(weights: Weights, spoil: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_model_from_string(onnx_model(weights))
    spoil(model)
    network = backends.run_onnx(model.SerializeToString(), plans.plan("onnxruntime"))
    if spoil is round_down:  # the crop is smaller than what it is added to
        with pytest.raises(CheckFailedError, match="fails at 131x77"):
            differences(weights, network)
    else:
        assert max(differences(weights, network).values()) > TOLERANCE


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from sshbench.cli import main
from sshbench.ssh import onnx_graph
if sys.argv[1] == "wrong":
    import onnx
    written = onnx_graph.onnx_model
    def onnx_model(weights):
        model = onnx.load_model_from_string(written(weights))
        next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Identity"
        return model.SerializeToString()
    onnx_graph.onnx_model = onnx_model
sys.argv = ["sshbench", *sys.argv[2:]]
main()
"""


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_export_without_torch_compares_with_an_independent_network(weights: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", weights)
    arguments = ("weights", "export", tmp_path / "w.safetensors", "-o", tmp_path / "n.onnx")
    done = without_torch("right", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["reference"] == reference.NAME
    for found in report["differences"].values():
        assert 0 < max(found.values()) <= TOLERANCE
    assert set(report["differences"]) == {"onnxruntime", "opencv"}
    done = without_torch("wrong", *arguments)
    assert done.returncode == 1
    assert reference.NAME in done.stdout
    assert "Do not use the file" in done.stderr


@pytest.mark.thorough
def test_doctor_without_torch_compares_with_an_independent_network() -> None:
    done = without_torch("right", "doctor", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["reference"] == reference.NAME
    checks = {check["what"]: check for check in report["checks"]}
    assert (checks["torch fp32 cpu"]["ok"], checks["torch fp32 cpu"]["detail"]) == (None, "not installed")
    for name in ("onnxruntime fp32 cpu", "opencv fp32 cpu"):
        assert checks[name]["ok"]
        assert checks[name]["threads"] >= 1
        assert "differs by 0 " not in checks[name]["detail"]


@pytest.mark.thorough
def test_doctor_notices_a_wrong_network() -> None:
    done = without_torch("wrong", "doctor")
    assert done.returncode == 1
    assert "FAILED  onnxruntime fp32 cpu" in done.stdout


# What really runs


def fits(precision: str, worst: float) -> bool:
    """Whether a difference is one that this precision leaves: 24, 11 or 8 bits."""
    low, high = {"fp32": (0, 1e-5), "fp16": (1e-4, 1e-2), "bf16": (2e-3, 0.05)}[precision]
    return low < worst <= high


@pytest.mark.parametrize("asked", ["fp32", "bf16", "fp16"])
def test_openvino_runs_what_is_recorded_or_refuses(weights: Weights, asked: Any) -> None:
    """A processor without fp16 runs fp16 as bf16 or fp32, whatever it is told."""
    pytest.importorskip("openvino")
    network = backends.build(weights, plans.Plan("openvino", asked, exact=False))
    ran = network.plan.precision
    assert fits(ran, max(differences(weights, network).values()))
    assert network.plan.device == "cpu"
    assert network.threads is not None
    assert network.threads >= 1
    if ran == asked:
        assert backends.build(weights, plans.plan("openvino", asked)).plan == network.plan
    else:
        with pytest.raises(UsageError, match=f"runs in {ran} on this device where {asked} is asked for.*{ran}"):
            backends.build(weights, plans.plan("openvino", asked))


def test_the_settings_hold_the_precision_that_runs(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    save_weights(tmp_path / "w.safetensors", weights)
    monkeypatch.setattr(openvino_network, "_precision", lambda compiled: "bf16")
    options: dict[str, Any] = {"weights": tmp_path / "w.safetensors", "backend": "openvino"}
    with pytest.raises(UsageError, match="runs in bf16 on this device where fp16 is asked for"):
        load_detector("ssh-tiny", **options, precision="fp16")
    monkeypatch.setattr(plans, "cpu_flags", lambda: frozenset({"avx2"}))  # so that `auto` asks for fp32
    detector = load_detector("ssh-tiny", **options, precision="auto")
    assert detector.settings.extra["precision"] == "bf16"


def test_onnxruntime_says_what_it_runs(weights: Weights) -> None:
    network = backends.build(weights, plans.plan("onnxruntime"))
    assert network.plan == plans.Plan("onnxruntime", "fp32", "cpu")
    assert network.threads is not None
    assert network.threads >= 1


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_autocast_around_a_detector_changes_nothing(weights: Weights, asked: str) -> None:
    torch = pytest.importorskip("torch")
    network = backends.build(weights, plans.plan("torch", asked))
    assert network.plan.precision == asked
    assert fits(asked, max(differences(weights, network).values()))
    batch = np.random.default_rng(0).normal(0, 50, (1, 3, 40, 60)).astype(np.float32)
    alone = network(batch)
    with torch.autocast("cpu", torch.bfloat16):
        inside = network(batch)
    for one, other in zip(alone, inside, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
