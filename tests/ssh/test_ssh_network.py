"""The network against an independent one, OpenCV's Caffe importer, and every backend against the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from sshbench.errors import UsageError
from sshbench.runtimes import plan as plans
from sshbench.ssh import backends
from sshbench.ssh.architecture import architecture, architecture_names
from sshbench.ssh.importing import import_caffemodel
from sshbench.ssh.parity import differences
from sshbench.ssh.weights import load_weights, random_weights, save_weights

torch = pytest.importorskip("torch")

SIZES = [(64, 64), (97, 131), (150, 83), (201, 240)]


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("caffe_writer.py"))


@pytest.fixture(scope="module")
def imported(writer: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, backends.Run]:
    """Random weights as the release would hold them, and our network after import and a round trip to disk."""
    folder = tmp_path_factory.mktemp("caffe")
    _, model = writer.write(folder, random_weights(architecture("ssh-vgg16"), seed=3), 64, 64)
    save_weights(folder / "ssh.safetensors", import_caffemodel(model, architecture("ssh-vgg16")))
    eager = replace(plans.plan("torch", "fp32"), channels_last=False)
    return folder, backends.build(load_weights(folder / "ssh.safetensors"), eager)


@pytest.mark.parametrize("size", [*SIZES[:3], *(pytest.param(size, marks=pytest.mark.thorough) for size in SIZES[3:])])
def test_the_network_is_the_releases(
    writer: ModuleType, imported: tuple[Path, backends.Run], size: tuple[int, int]
) -> None:
    folder, run = imported
    (folder / "net.prototxt").write_text(writer.prototxt(architecture("ssh-vgg16"), *size))
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    batch = np.random.default_rng(sum(size)).normal(0, 50, (1, 3, *size)).astype(np.float32)
    net.setInput(batch)
    names = [f"m{m}@ssh_{kind}_out" for m in (1, 2, 3) for kind in ("cls_score", "bbox_pred")]
    expected = net.forward(names)
    found = [array for pair in run(batch) for array in pair]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_parameters_and_multiplications() -> None:
    """19.77 million parameters; 266.65 GFLOP at 640 x 640, as the layer table adds up by hand."""
    from torch.utils.flop_counter import FlopCounterMode

    from sshbench.ssh.model import SSH

    widths = architecture("ssh-vgg16")
    with torch.device("meta"):
        model = SSH(widths)
        image = torch.zeros(1, 3, 640, 640)
    assert sum(parameter.numel() for parameter in model.parameters()) == 19_766_372 == widths.parameters()
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model(image)
    assert counter.get_total_flops() == sum(
        2 * layer.outputs * layer.inputs * layer.kernel**2 * side(layer.name) ** 2 for layer in widths.layers()
    )
    assert round(counter.get_total_flops() / 1e9, 2) == 266.65


def side(layer: str) -> int:
    """Of a layer's square output for an input of 640 pixels."""
    if layer.startswith("conv"):
        return 640 >> (int(layer[4]) - 1)
    return 640 // {"m1": 8, "m2": 16, "m3": 32}[layer[:2]]


@pytest.mark.parametrize("name", architecture_names())
def test_modules_have_one_cell_a_stride(name: str) -> None:
    from sshbench.ssh.torch_weights import model_of

    model = model_of(random_weights(architecture(name)))
    with torch.inference_mode():
        for height, width in ((1, 1), (7, 300), (65, 33)):
            outputs = model(torch.zeros(2, 3, height, width))
            for (cls, bbox), pools in zip(outputs, (3, 4, 5), strict=True):
                rows, columns = height, width
                for _ in range(pools):
                    rows, columns = -(-rows // 2), -(-columns // 2)  # every pool rounds up
                assert tuple(cls.shape) == (2, 4, rows, columns)
                assert tuple(bbox.shape) == (2, 8, rows, columns)


@pytest.mark.parametrize(
    ("backend", "precision", "tolerance"),
    [
        ("torch", "fp32", 1e-4),
        ("torch", "bf16", 0.05),
        ("onnxruntime", "fp32", 1e-4),
        ("openvino", "fp32", 1e-4),
    ],
)
def test_backends_agree_with_the_reference(backend: str, precision: str, tolerance: float) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    weights = random_weights(architecture("ssh-tiny"), seed=1)
    network = backends.build(weights, plans.plan(backend, precision))
    assert max(differences(weights, network).values()) <= tolerance


def test_trap_relu_follows_the_concatenation() -> None:
    """Branches join with their negative values; one ReLU follows the concatenation."""
    from sshbench.ssh.model import DetectionModule

    module = DetectionModule(4, 8).eval()
    x = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        context = torch.relu(module.dimred(x))
        parts = [module.conv3x3(x), module.conv5x5(context), module.conv7x7(torch.relu(module.conv7x7_1(context)))]
        expected = module.cls_score(torch.relu(torch.cat(parts, dim=1)))
        assert torch.equal(module(x)[0], expected)
        assert (parts[0] < 0).any()


def test_trap_upsampling_has_zeros_beyond_the_border() -> None:
    from sshbench.ssh.model import upsample

    x = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0)) + 1
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = torch.outer(line, line).expand(3, 1, 4, 4)
    expected = torch.nn.functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=3)
    assert torch.allclose(upsample(x), expected, atol=1e-6)
    plain = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    assert (plain[0, 0, 0, 0] - expected[0, 0, 0, 0]) > 0.2


def test_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    assert plans.plan("torch", "auto") == plans.Plan("torch", "bf16", "cpu", exact=False)
    assert plans.plan("auto", "fp32").backend == "torch"
    assert plans.plan("onnxruntime", "auto").precision == "fp32"
    monkeypatch.setattr(plans, "cpu_flags", lambda: frozenset({"avx2"}))
    assert plans.plan("torch", "auto").precision == "fp32"
    monkeypatch.setattr(plans, "find_spec", lambda name: None if name in ("torch", "openvino") else object())
    assert plans.plan("auto", "auto") == plans.Plan("onnxruntime", "fp32", "cpu", exact=False)
    with pytest.raises(UsageError, match=r"pip install 'sshbench\[ssh\]'"):
        plans.plan("torch")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tensorrt",), "no backend 'tensorrt'"),
        (("torch", "int4"), "no precision 'int4'"),
        (("torch", "int8"), "does not run int8. Use --backend openvino"),
        (("cudagraphs", "fp16"), "'cudagraphs' does not run on 'cpu', only on cuda"),
        (("torch", "fp32", "tpu"), "no device 'tpu'"),
        (("onnxruntime", "bf16"), "does not run networks in bf16"),
        (("openvino", "fp32", "cuda"), "does not run on 'cuda', only on cpu, gpu, npu"),
        (("torch", "fp32", "cuda:99"), "no device 'cuda:99'.*Here are: cpu"),
        (("onnxruntime", "fp32", "tensorrt"), "no device 'tensorrt'.*Here are: .*pip install onnxruntime-gpu"),
    ],
)
def test_what_cannot_run_is_said(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plans.plan(*arguments)
