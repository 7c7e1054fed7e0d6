"""Every family of outputs: tiny networks with two known faces, decoded to 1e-4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.detectors.contract import detect
from sshbench.detectors.graphs.onnx_graph import OnnxGraph
from sshbench.detectors.graphs.spec import GraphSpec, family_names
from sshbench.records import Detections
from tests.detectors.graphs.maker import FACES, FAMILIES, SCORES, constant_net, logit

SIZES = [(64, 64), (128, 64), (96, 160)]


def spec_of(width: int, height: int, output: dict[str, Any], **settings: Any) -> GraphSpec:
    return GraphSpec.model_validate(
        {
            "input": {"size": [width, height]},
            "output": output,
            "settings": {"score_threshold": 0.3, "nms_iou": 0.5, **settings},
        }
    )


def found_by(path: Path, spec: GraphSpec, image_size: tuple[int, int]) -> Detections:
    detector = OnnxGraph(path, spec=spec)
    detector.load()
    return detect(detector, np.zeros((image_size[1], image_size[0], 3), dtype=np.uint8))


def test_every_family_has_a_network() -> None:
    assert {str(code(64, 64)[1]["family"]) for code in FAMILIES.values()} == set(family_names())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_two_faces_are_decoded(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    outputs, output = FAMILIES[name](*size)
    path = constant_net(tmp_path / "net.onnx", outputs, (1, 3, size[1], size[0]))
    found = found_by(path, spec_of(*size, output), size)
    np.testing.assert_allclose(found.boxes, FACES, atol=1e-4)
    np.testing.assert_allclose(found.scores, SCORES, atol=1e-6)


@pytest.mark.parametrize("fit", ["letterbox", "pad", "squash"])
def test_boxes_come_back_into_an_image_of_another_size(fit: str, tmp_path: Path) -> None:
    """192 x 96 in 64 x 64: a third, with 32 rows, 16 of them above or none; or squashed to 64 x 64."""
    outputs, output = FAMILIES["yolov8"](64, 64)
    path = constant_net(tmp_path / "net.onnx", outputs, (1, 3, 64, 64))
    spec = GraphSpec.model_validate(
        {"input": {"size": [64, 64], "fit": fit}, "output": output, "settings": {"score_threshold": 0.3}}
    )
    found = found_by(path, spec, (192, 96))
    expected = {
        "letterbox": (FACES - [0, 16, 0, 16]) * 3,
        "pad": FACES * 3,
        "squash": FACES * [3, 1.5, 3, 1.5],
    }[fit]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-4)


def test_settings_work_as_for_other_detectors(tmp_path: Path) -> None:
    outputs, output = FAMILIES["boxes+scores"](64, 64)
    path = constant_net(tmp_path / "net.onnx", outputs, (1, 3, 64, 64))
    assert len(found_by(path, spec_of(64, 64, output, score_threshold=0.7), (64, 64))) == 1
    assert len(found_by(path, spec_of(64, 64, output, nms_iou=0.1), (64, 64))) == 1
    assert len(found_by(path, spec_of(64, 64, output, top_k=1), (64, 64))) == 1


def variants() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Options of the families, each with the outputs changed in the same way."""
    size = (64, 64)
    v5, v5_spec = FAMILIES["yolov5"](*size)
    logits = v5["output"].copy()
    for row in (5, 70):
        logits[0, row, [4, 15]] = [logit(min(value, 1 - 1e-7)) for value in v5["output"][0, row, [4, 15]].tolist()]
    logits[0, :, [4, 15]] = np.where(logits[0, :, [4, 15]] == np.float32(0.01), -9, logits[0, :, [4, 15]])
    v8, v8_spec = FAMILIES["yolov8"](*size)
    normalised = v8["output0"].copy()
    normalised[0, :4] /= 64
    x_spec = FAMILIES["yolox"](*size)[1]
    decoded, _ = FAMILIES["yolov8"](*size)
    x_rows = np.insert(decoded["output0"][0, [0, 1, 2, 3, 5]].T, 4, 1.0, axis=1)[None]
    scrfd, scrfd_spec = FAMILIES["scrfd"](*size)
    maps, pixels = {}, dict(scrfd)
    for stride in (8, 16, 32):
        for kind, columns in (("score", 1), ("bbox", 4)):
            rows = scrfd[f"{kind}_{stride}"].reshape(64 // stride, 64 // stride, 2 * columns)
            maps[f"{kind}_{stride}"] = rows.transpose(2, 0, 1)[None]
        pixels[f"bbox_{stride}"] = scrfd[f"bbox_{stride}"] * stride
    yunet, yunet_spec = FAMILIES["yunet"](*size)
    root = {name: values**2 if name.startswith("cls") else values for name, values in yunet.items()}
    root |= {name: np.ones_like(values) for name, values in yunet.items() if name.startswith("obj")}
    center, center_spec = FAMILIES["centernet"](*size)
    direct = {
        "heatmap": np.vectorize(logit)(np.clip(center["heatmap"], 1e-4, 0.9999)),
        "scale": np.exp(center["scale"])[:, ::-1],
        "offset": center["offset"][:, ::-1] + 0.5,
    }
    options = {"order": "xy", "log_sides": False, "centre": 0.0, "peaks": True, "sigmoid": True}
    nms, nms_spec = FAMILIES["boxes+scores-nms"](*size)
    seven = np.column_stack((np.zeros(100), nms["dets"][0][:, [0, 1, 2, 3, 5, 4]]))
    labels = {"b": FACES, "s": SCORES, "labels": np.array([1.0, 1.0])}
    yxyx = {"b": (FACES / 64)[:, [1, 0, 3, 2]], "s": [logit(score) for score in SCORES]}
    both = {"family": "boxes+scores", "boxes": "b", "scores": "s"}
    return [
        ("yolov5 logits", {"output": logits}, {**v5_spec, "sigmoid": True}),
        ("yolov8 rows", {"output0": v8["output0"].transpose(0, 2, 1)}, {**v8_spec, "channels_first": False}),
        ("yolov8 normalised", {"output0": normalised}, {**v8_spec, "units": "normalised"}),
        ("yolox decoded", {"output": x_rows}, {**x_spec, "decoded": True}),
        ("scrfd maps", maps, scrfd_spec),
        ("scrfd pixels", pixels, {**scrfd_spec, "distances": "pixels"}),
        ("yunet root", root, {**yunet_spec, "score": "sqrt"}),
        ("centernet direct", direct, {**center_spec, **options}),
        ("seven columns", {"d": seven}, {**nms_spec, "boxes": "d", "box_column": 1, "score_column": 6}),
        ("labels", labels, {**both, "labels": "labels", "face_class": 1}),
        ("y before x, logits", yxyx, {**both, "box_form": "y1x1y2x2", "units": "normalised", "activation": "sigmoid"}),
    ]


@pytest.mark.parametrize(("outputs", "output"), [row[1:] for row in variants()], ids=[row[0] for row in variants()])
def test_options_of_the_families(outputs: dict[str, Any], output: dict[str, Any], tmp_path: Path) -> None:
    arrays = {name: np.asarray(values, dtype=np.float32) for name, values in outputs.items()}
    path = constant_net(tmp_path / "net.onnx", arrays, (1, 3, 64, 64))
    found = found_by(path, spec_of(64, 64, output), (64, 64))
    np.testing.assert_allclose(found.boxes, FACES, atol=1e-4)
    np.testing.assert_allclose(found.scores, SCORES, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_rows_behind_nms(count: int, tmp_path: Path) -> None:
    """Without an axis for the image, one row looks like an axis of length 1."""
    rows = np.column_stack((FACES, SCORES, [0, 0]))[:count].astype(np.float32)
    both: dict[str, Any] = {"b": rows[:, :4], "s": rows[:, 4], "labels": np.zeros(count, dtype=np.int64)}
    in_one = {"family": "boxes+scores", "boxes": "d", "class_column": 5}
    in_three = {"family": "boxes+scores", "boxes": "b", "scores": "s", "labels": "labels"}
    for outputs, output in (({"d": rows}, in_one), (both, in_three)):
        path = constant_net(tmp_path / "net.onnx", outputs, (1, 3, 64, 64))
        found = found_by(path, spec_of(64, 64, output), (64, 64))
        np.testing.assert_allclose(found.boxes, FACES[:count], atol=1e-4)
