"""The adapters: one scale, pyramid, batches; and what they say without weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sshbench.detectors.batches import detect_batch
from sshbench.detectors.contract import detect
from sshbench.detectors.registry import load_detector
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.records import Image
from sshbench.ssh.architecture import architecture
from sshbench.ssh.decode import LevelOutputs, detections_of
from sshbench.ssh.preprocess import network_input, pyramid_scales
from sshbench.ssh.weights import Weights, random_weights, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slim network with random weights, scaled so that scores spread over 0 to 1."""
    made = random_weights(architecture("ssh-tiny"), seed=2)
    parameters = dict(made.parameters)
    for module in ("m1", "m2", "m3"):
        parameters[f"{module}.cls_score.weight"] = parameters[f"{module}.cls_score.weight"] * np.float32(0.02)
        parameters[f"{module}.bbox_pred.weight"] = parameters[f"{module}.bbox_pred.weight"] * np.float32(0.002)
    path = tmp_path_factory.mktemp("weights") / "ssh-tiny.safetensors"
    save_weights(path, Weights(made.architecture, parameters, {}))
    return path


def picture(height: int, width: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def test_without_weights_it_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", "")
    with pytest.raises(MissingDataError, match=r"sshbench weights import SSH\.caffemodel"):
        load_detector("ssh")


def test_a_trunk_is_no_detector(tmp_path: Path) -> None:
    whole = random_weights(architecture("ssh-tiny"))
    layers = {layer.name for layer in whole.architecture.trunk_layers()}
    trunk = {name: array for name, array in whole.parameters.items() if name.rpartition(".")[0] in layers}
    save_weights(tmp_path / "t.safetensors", Weights(whole.architecture, trunk, {}, trunk_only=True))
    with pytest.raises(InputError, match="a trunk only"):
        load_detector("ssh-tiny", weights=tmp_path / "t.safetensors")


def test_settings_say_what_ran(weights: Path) -> None:
    detector = load_detector("ssh-tiny", weights=weights)
    assert detector.settings.extra == {
        "backend": "onnxruntime",
        "precision": "fp32",
        "device": "cpu",
        "architecture": "ssh-tiny",
    }
    assert detector.weights_sha256 is not None
    with pytest.raises(UsageError, match="no device 'cuda"):
        load_detector("ssh-tiny", weights=weights, device="cuda:99")
    with pytest.raises(UsageError, match="four sizes of its own"):
        load_detector("ssh-pyramid", weights=weights, resize="800x1200")
    with pytest.raises(UsageError, match="no setting 'precision'"):
        load_detector("haar", precision="bf16")


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_boxes_lie_in_the_image_and_thresholds_hold(weights: Path, backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    detector = load_detector("ssh-tiny", weights=weights, resize="300x400", backend=backend)
    found = detect(detector, picture(60, 90))
    assert len(found) > 3
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() > 0.05
    assert found.boxes.min() >= 0
    assert found.boxes[:, 2].max() <= 90
    assert found.boxes[:, 3].max() <= 60
    higher = load_detector("ssh-tiny", weights=weights, resize="300x400", backend=backend, score_threshold=0.5, top_k=2)
    assert len(detect(higher, picture(60, 90))) <= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (10, 10), (3, 500)])
def test_odd_sizes(weights: Path, shape: tuple[int, int]) -> None:
    for resize in ("original", "100x200"):
        found = detect(load_detector("ssh-tiny", weights=weights, resize=resize), picture(*shape))
        assert np.isfinite(found.boxes).all()


def test_grey_and_four_channels(weights: Path) -> None:
    detector = load_detector("ssh-tiny", weights=weights)
    grey = picture(50, 60)[:, :, 0]
    three = detect(detector, np.repeat(grey[:, :, None], 3, axis=2))
    assert detect(detector, grey).boxes.tolist() == three.boxes.tolist()
    four = np.dstack((np.repeat(grey[:, :, None], 3, axis=2), grey))
    assert detect(detector, four).boxes.tolist() == three.boxes.tolist()


def test_the_pyramid_is_four_passes_without_the_last_modules_largest(weights: Path) -> None:
    detector: Any = load_detector("ssh-pyramid", weights=weights, backend="onnxruntime")
    image = picture(6, 60)  # a strip: 120 x 1200 pixels in the second level
    levels = []
    for i, scale in enumerate(pyramid_scales(6, 60)):
        data = network_input(image, scale)
        modules: list[Any] = [(c[0], b[0]) for c, b in detector.network(data)]
        if i == 3:
            modules[2] = None
        levels.append(LevelOutputs(modules, data.shape[2:], scale))
    expected = detections_of(levels, 0.05, 0.3, None)
    found = detect(detector, image)
    assert found.boxes.tolist() == expected.boxes.tolist()
    assert len(detect(load_detector("ssh-tiny", weights=weights, resize="800x1200"), image)) != len(found)


@pytest.mark.parametrize("name", ["ssh-tiny", "ssh-pyramid"])
def test_batches_give_what_single_images_give(weights: Path, name: str) -> None:
    detector: Any = load_detector(name, weights=weights, backend="onnxruntime")
    images = [picture(6, 60, 1), picture(6, 60, 3), picture(7, 60, 2)]  # strips are quick
    together = [*detect_batch(detector, images[:2]), *detect_batch(detector, images[2:])]
    for image, found in zip(images, together, strict=True):
        alone = detect(detector, image)
        assert len(alone) == len(found)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_eval_records_backend_and_precision(sshbench: Any, weights: Path, tmp_path: Path) -> None:
    arguments = ["eval", "--dataset", "sample", "--detector", "ssh-tiny", "--weights", weights, "--limit", 2]
    code, out, err = sshbench(*arguments, "--backend", "onnxruntime", "-o", tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out)["images"] == 2
    identity = json.loads((tmp_path / "run" / "identity.json").read_text())
    assert identity["settings"]["extra"]["backend"] == "onnxruntime"
    code, _, err = sshbench(*arguments, "--backend", "tensorrt", "-o", tmp_path / "other")
    assert (code, "no backend 'tensorrt'" in err) == (2, True)


def test_onnxruntime_runs_ssh_without_torch(weights: Path) -> None:
    program = f"""
import sys
sys.modules["torch"] = None  # as if it were not installed
import numpy as np, sshbench
detector = sshbench.load_detector("ssh-tiny", weights={str(weights)!r}, backend="onnxruntime")
print(len(sshbench.detect(detector, np.zeros((40, 60, 3), dtype=np.uint8))))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
