"""What must hold on an accelerator: `SSHBENCH_TEST_DEVICE=cuda pytest tests/ssh/test_on_device.py`.

Without the variable the CPU stands in for the device, so that the tests themselves are tested.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench import ssh
from sshbench.detectors.batches import detect_batch
from sshbench.detectors.contract import detect
from sshbench.detectors.registry import load_detector
from sshbench.files import sample_dir
from sshbench.images import read_image
from sshbench.records import Detections, Image
from sshbench.runtimes.plan import plan
from sshbench.ssh import preprocess
from sshbench.ssh.architecture import architecture
from sshbench.ssh.backends import build
from sshbench.ssh.parity import TOLERANCE, differences
from sshbench.ssh.weights import random_weights

torch: Any = pytest.importorskip("torch")
DEVICE = os.environ.get("SSHBENCH_TEST_DEVICE", "cpu")
BACKENDS = ["torch", "cudagraphs", "compile"] if DEVICE.startswith("cuda") else ["torch"]
HALF = {"fp16": 0.01, "bf16": 0.05}


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return [read_image(path) for path in sorted((sample_dir() / "WIDER_val").rglob("*.jpg"))[:4]]


def assert_same(found: Detections, expected: Detections, *, pixels: float, score: float) -> None:
    """Every sure face is the same; those near the threshold may come and go."""
    sure = expected.scores > 0.3
    assert sure.sum() <= len(found)
    for box, value in zip(expected.boxes[sure], expected.scores[sure], strict=True):
        away = np.abs(found.boxes - box).max(axis=1)
        assert away.min() <= pixels
        assert abs(found.scores[away.argmin()] - value) <= score


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("backend", BACKENDS)
def test_fp32_equals_the_reference_in_numpy(backend: str) -> None:
    weights = random_weights(architecture("ssh-tiny"))
    network = build(weights, plan(backend, "fp32", DEVICE))
    assert network.plan.precision == "fp32"
    assert network.plan.kind == DEVICE.partition(":")[0]
    assert max(differences(weights, network).values()) <= TOLERANCE


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", HALF)
def test_half_precision_is_near_the_reference(backend: str, precision: str) -> None:
    weights = random_weights(architecture("ssh-tiny"))
    network = build(weights, plan(backend, precision, DEVICE))
    assert network.plan.precision == precision
    assert TOLERANCE < max(differences(weights, network).values()) <= HALF[precision]


@pytest.mark.parametrize("backend", BACKENDS[:2])
@pytest.mark.parametrize(("precision", "pixels", "score"), [("fp32", 0.05, 1e-3), ("fp16", 1.0, 0.02)])
def test_boxes_are_those_of_onnxruntime_on_the_cpu(
    images: Sequence[Image], backend: str, precision: str, pixels: float, score: float
) -> None:
    device = load_detector("ssh-tiny", backend=backend, precision=precision, device=DEVICE)
    host = load_detector("ssh-tiny", backend="onnxruntime")
    for image in images:
        assert_same(detect(device, image), detect(host, image), pixels=pixels, score=score)


@pytest.mark.parametrize("scale", [1.0, 0.37, 1.9, 800 / 427])
@pytest.mark.parametrize("shape", [(60, 90), (33, 250), (1, 40)])
def test_the_input_made_on_the_device_is_the_hosts(shape: tuple[int, int], scale: float) -> None:
    from sshbench.ssh import device

    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = preprocess.network_input(image, scale)
    made = device.network_input(image, scale, DEVICE)
    assert made.device.type == torch.device(DEVICE).type
    assert tuple(made.shape) == expected.shape
    np.testing.assert_allclose(made.cpu().numpy(), expected, atol=0.01)  # of 255 grey levels


@pytest.mark.parametrize("name", ["ssh-tiny", "ssh-pyramid"])
def test_boxes_of_inputs_made_on_the_device(images: Sequence[Image], name: str) -> None:
    weights = Path(ssh.__file__).parent / "trained" / "ssh-tiny.safetensors"
    detector: Any = load_detector(name, backend="torch", device=DEVICE, weights=weights)
    assert bool(detector.input_device) == DEVICE.startswith("cuda")
    small = [np.ascontiguousarray(image[:40, :300]) for image in images[:2]]
    detector.input_device = ""
    expected = [detect(detector, image) for image in small]
    detector.input_device = DEVICE
    for found, alone, wanted in zip(
        detect_batch(detector, small), [detect(detector, image) for image in small], expected, strict=True
    ):
        assert_same(alone, wanted, pixels=0.05, score=1e-3)
        assert_same(found, alone, pixels=0.05, score=1e-3)


def test_batches_are_their_images(images: Sequence[Image]) -> None:
    detector = load_detector("ssh-tiny", backend="torch", device=DEVICE)
    same_size = [image for image in images if image.shape == images[0].shape]
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in same_size]
    for image, found in zip([*same_size, *mirrored], detect_batch(detector, [*same_size, *mirrored]), strict=True):
        assert_same(found, detect(detector, image), pixels=0.05, score=1e-3)
