"""HR as a detector of the suite: protocols, settings, timing by level, and logits as scores in every evaluation."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sshbench
from sshbench.cli import app
from sshbench.detectors.augmented import merged
from sshbench.detectors.contract import detect
from sshbench.detectors.recipe import Merge
from sshbench.detectors.registry import detector_class, detector_info, load_detector
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.evaluation.plausibility import suspicions
from sshbench.files import sha256_of
from sshbench.records import Image
from sshbench.rivals.hr_templates import published_templates
from sshbench.timing import measure
from sshbench.timing.images import images_from

NAMES = ("hr-resnet101", "hr-resnet50", "hr-vgg16")
THRESHOLD = math.log(0.03 / 0.97)


@pytest.fixture(scope="module")
def files(module_at: Callable[[Path], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Narrow networks whose scores lie around the threshold."""
    writer = module_at(Path(__file__).with_name("matconvnet.py"))
    folder = tmp_path_factory.mktemp("hr")
    made = {}
    for name, net in (("resnet50", writer.resnet50()), ("vgg", writer.vgg())):
        net.clusters = published_templates()
        for layer in ("score_res3", "score_res4"):
            net.params[f"{layer}_filter"] *= 0.02
        net.params["score_res3_bias"][0, :25] -= 3.5
        made[name] = net.write(folder / f"{name}.mat")
    return made


def loaded(files: dict[str, Path], name: str = "resnet50", **settings: Any) -> Any:
    detector = {"resnet50": "hr-resnet50", "vgg": "hr-vgg16"}[name]
    return load_detector(detector, weights=files[name], backend="onnxruntime", **settings)


def picture(height: int, width: int) -> Image:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_user_should_know(name: str) -> None:
    info = detector_info(name)
    assert info.name == name
    assert info.trained_on == ("wider",)
    assert "non-commercial" in info.licence
    assert info.defaults.score_threshold == pytest.approx(-3.476, abs=1e-3)
    assert info.defaults.nms_iou == 0.3
    assert ("reconstruction" in info.title) == (name == "hr-vgg16")


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from sshbench.detectors.registry import detector_info; detector_info('hr-resnet101'); "
        "print([m for m in ('cv2', 'onnx', 'onnxruntime', 'torch', 'scipy.io', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_weights_are_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("SSHBENCH_WEIGHTS", raising=False)
    monkeypatch.delenv("SSHBENCH_OFFLINE", raising=False)
    monkeypatch.setattr("sshbench.download.download_file", lambda *_, **__: pytest.fail("it downloads"))
    with pytest.raises(MissingDataError, match=r"hr_res101\.mat.*does not download it.*peiyunh/tiny"):
        load_detector("hr-resnet101")


def test_the_file_and_the_detector_must_agree(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="holds a network of kind 'hr-resnet50', not 'hr-resnet101'"):
        load_detector("hr-resnet101", weights=files["resnet50"])
    with pytest.raises(InputError, match="holds a network of kind 'hr-other', not 'hr-resnet50'"):
        load_detector("hr-resnet50", weights=files["vgg"])
    assert loaded(files, "vgg").settings.extra["graph"] == "hr-other"


def test_settings_say_what_runs(files: dict[str, Path]) -> None:
    detector = loaded(files)
    assert dict(detector.settings.extra) == {
        "backend": "onnxruntime",
        "precision": "fp32",
        "device": "cpu",
        "protocol": "wider",
        "candidates": 1000,
        "graph": "hr-resnet50",
    }
    assert detector.weights_sha256 == sha256_of(files["resnet50"])


# Protocols


def test_levels_of_the_protocols(files: dict[str, Path]) -> None:
    image = picture(90, 120)
    detector = loaded(files)
    levels = detector.preprocess(image).data.levels
    assert [data.shape for data, _ in levels] == [
        (1, 3, 22, 29),
        (1, 3, 45, 60),
        (1, 3, 90, 120),
        (1, 3, 180, 240),
    ]
    rgb = image[:, :, ::-1].transpose(2, 0, 1) - np.array([119.2996, 110.54627, 101.83843])[:, None, None]
    np.testing.assert_allclose(levels[2][0][0], rgb, atol=1e-4)
    cost = detector.cost(detector.preprocess(image))
    one = loaded(files, protocol="single", resize="90x120")
    assert [data.shape for data, _ in one.preprocess(image).data.levels] == [(1, 3, 90, 120)]
    part = one.cost(one.preprocess(image))
    assert cost.parameters == part.parameters
    assert 5 < cost.gflop / part.gflop < 6  # 1/16 + 1/4 + 1 + 4
    made = detector_class("hr-resnet50")
    assert made.input_pixels(detector.settings, 120, 90) == 22 * 29 + 45 * 60 + 90 * 120 + 180 * 240  # type: ignore[attr-defined]


def test_detections_for_wider_are_whole_numbers_with_logits(files: dict[str, Path]) -> None:
    found = detect(loaded(files), picture(90, 120))
    assert len(found) > 20
    assert (found.boxes == np.round(found.boxes)).all()
    assert THRESHOLD < found.scores.min() < 0
    assert (np.diff(found.scores) <= 0).all()


def test_the_demo_has_its_own_threshold_and_clips(files: dict[str, Path]) -> None:
    demo = loaded(files, protocol="demo")
    assert (demo.settings.score_threshold, demo.settings.nms_iou) == (0.0, 0.1)
    changed = loaded(files, protocol="demo", score_threshold=-3.0, nms_iou=0.2)
    assert (changed.settings.score_threshold, changed.settings.nms_iou) == (-3.0, 0.2)
    found = detect(changed, picture(90, 120))
    assert len(found) > 0
    assert found.boxes.min() >= 1
    assert (found.boxes.max(axis=0) <= (120, 90, 120, 90)).all()


def test_only_a_single_level_takes_a_size(files: dict[str, Path]) -> None:
    for protocol in ("wider", "demo"):
        detector = loaded(files, protocol=protocol)
        # `sshbench timing` changes the size of a loaded detector.
        detector.settings = replace(detector.settings, resize="400x800")
        with pytest.raises(UsageError, match=rf"'{protocol}' has sizes of its own.*protocol=single"):
            detect(detector, picture(90, 120))
    with pytest.raises(UsageError, match=r"no protocol 'widr'.*wider"):
        loaded(files, protocol="widr")


def test_a_single_level_is_the_level_of_the_pyramid(files: dict[str, Path]) -> None:
    image = picture(90, 120)
    pyramid, one = loaded(files), loaded(files, protocol="single")
    whole = pyramid.forward(pyramid.preprocess(image))[2]
    (alone,) = one.forward(one.preprocess(image))
    for ours, theirs in zip(alone, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("protocol", ["wider", "demo", "single"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 700), (16, 16)])
def test_odd_images(files: dict[str, Path], protocol: str, shape: tuple[int, int]) -> None:
    found = detect(loaded(files, protocol=protocol, score_threshold=-20.0), picture(*shape))
    assert np.isfinite(found.boxes).all()


# Random weights and timing


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_random_weights_pass_a_fixed_number(backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    detector: Any = load_detector(
        "hr-resnet50", weights="random:3", protocol="single", candidates=200, backend=backend, resize="100x200"
    )
    assert detector.settings.extra["parameters"] == "random, seed 3, 200 candidates"
    assert detector.trained_on == ()
    for image in (picture(90, 120), picture(100, 80)):
        prepared = detector.preprocess(image)
        _, scores, _ = detector.decode_boxes(detector.forward(prepared), prepared)
        assert len(scores) == 200
        assert scores.min() > detector.settings.score_threshold


def test_timing_names_the_levels(files: dict[str, Path]) -> None:
    images, _ = images_from(None, 2)
    few: dict[str, Any] = {"score_threshold": 50.0}  # NMS of all that random logits let pass would take minutes
    measured = measure(loaded(files, **few), images, min_time=0, min_count=2)
    levels = [f"forward: {scale}x" for scale in ("0.25", "0.5", "1", "2")]
    assert list(measured.stages) == ["read", "preprocess", *levels, "decode", "nms"]
    assert measured.within("forward") == levels
    single = measure(loaded(files, protocol="single", **few), images, min_time=0, min_count=2)
    assert list(single.stages) == ["read", "preprocess", "forward: network", "decode", "nms"]


# Logits as scores


@pytest.mark.parametrize("shift", [0.0, -50.0])
def test_logits_are_evaluated_as_probabilities_would_be(files: dict[str, Path], shift: float) -> None:
    """The sigmoid keeps the order, so that metrics differ by the grid of scores alone; all may be negative."""
    sample = sshbench.load_dataset("sample")
    detector = loaded(files, protocol="single", resize="100x200")
    rng = np.random.default_rng(0)
    images = []
    for one in sample:
        found, faces = detect(detector, one.read()), sample.faces[one.key].boxes
        scores = np.concatenate((found.scores, rng.normal(3, 2, len(faces))))
        images.append((one.key, sshbench.Detections(np.concatenate((found.boxes, faces)), scores)))
    logits = sshbench.DetectionSet.from_images(images)
    moved = replace(logits, scores=logits.scores + shift)
    codes = {finding.code for finding in suspicions(moved, sample.faces, set())}
    assert not codes & {"equal-scores", "high-threshold", "empty-boxes", "relative-boxes"}
    probabilities = replace(logits, scores=1 / (1 + np.exp(-logits.scores)))
    first, second = (sshbench.evaluate(sample, one).metrics for one in (moved, probabilities))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value is not None
        assert value > 0.3, "most faces are found"
        assert value == pytest.approx(second[name], abs=0.02), name


def test_voting_by_logits_is_refused() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10]])
    rule = Merge(method="vote", iou=0.3)
    assert len(merged(boxes, np.array([0.5, 0.2]), rule)) == 1
    with pytest.raises(UsageError, match=r"voting weighs boxes by their scores, which go down to -3\.1"):
        merged(boxes, np.array([0.5, -3.1]), rule)


# Command line


def test_import_and_info_commands(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "hr.safetensors"
    done = CliRunner().invoke(app, ["weights", "import", str(files["resnet50"]), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(done.output)
    assert written["architecture"] == "hr-resnet50"
    assert written["metadata"]["templates"] == "as published"
    again = CliRunner().invoke(app, ["weights", "info", str(out), "--json"])
    assert json.loads(again.output) == written
    image = picture(64, 96)
    direct, converted = loaded(files), load_detector("hr-resnet50", weights=out, backend="onnxruntime")
    for ours, theirs in zip(detect(direct, image).boxes, detect(converted, image).boxes, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    wrong = CliRunner().invoke(app, ["weights", "import", str(files["vgg"]), "-o", str(out), "--half"])
    assert str(wrong.exception) == "--half is not for a .mat file. Leave it out"
