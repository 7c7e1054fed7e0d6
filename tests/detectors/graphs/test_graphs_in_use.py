"""Graphs in runs, in other processes, in timings and on the command line."""

from __future__ import annotations

import json
import pickle
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench as package
from sshbench.detectors.batches import detect_batch
from sshbench.detectors.graphs.look import look_at
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.detectors.pixels import mean_pixels
from sshbench.detectors.weights import find_weights
from sshbench.errors import CheckFailedError, MissingDataError, UsageError
from sshbench.files import sample_dir
from sshbench.images import read_image
from sshbench.runs import open_run
from tests.detectors.graphs.maker import FAMILIES, constant_net

IMAGE = sample_dir() / "WIDER_val" / "images" / "0--Portrait" / "0_Portrait_sample_0_1.jpg"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A network of YOLOv8's family with the same two boxes everywhere, of which the guess finds the better one."""
    outputs, _ = FAMILIES["yolov8"](128, 96)
    return constant_net(tmp_path / "two faces.onnx", outputs, (1, 3, 96, 128))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    output = {"family": "yolov8", "output": "output0", "face_class": 1}
    content = {"name": "two", "input": {"size": [128, 96]}, "output": output, "trained_on": ["fddb"]}
    return GraphSpec.model_validate(content).write(tmp_path / "two.toml")


def test_a_run_keeps_the_guess_and_a_picture(graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = package.run(f"onnx:{graph}", "sample", out=folder, limit=2, progress=False)
    assert [one.code for one in result.record.warnings].count("guessed-spec") == 1
    kept = GraphSpec.read(folder / "spec.toml")
    assert kept.output.family == "yolov8"
    assert (folder / "spec-check.jpg").read_bytes()[:2] == b"\xff\xd8"
    with open_run(folder) as run:
        assert run.identity.settings["extra"]["spec"] == kept.hash
        assert run.identity.weights_sha256 is not None
        assert run.identity.spelling == f"onnx:{graph}"
    (folder / "spec.toml").write_text("# mine\n")
    package.run(f"onnx:{graph}", "sample", out=folder, limit=2, progress=False)
    assert (folder / "spec.toml").read_text() == "# mine\n"


def test_a_specification_is_part_of_the_identity(graph: Path, spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = package.run(f"onnx:{graph}", "sample", out=folder, limit=2, settings={"spec": spec}, progress=False)
    assert result.record.detections == 4
    assert result.record.detector == "two"
    assert not [one for one in result.record.warnings if one.code == "guessed-spec"]
    spec.write_text(spec.read_text().replace('fit = "letterbox"', 'fit = "squash"'))
    with pytest.raises(package.SshbenchError, match="other settings"):
        package.run(f"onnx:{graph}", "sample", out=folder, limit=2, settings={"spec": spec}, progress=False)


def test_objects_go_to_run(graph: Path, spec: Path, tmp_path: Path) -> None:
    detector = package.OnnxGraph(graph, spec=spec)
    assert package.run(detector, "sample", out=tmp_path / "run", limit=2, progress=False).record.detections == 4
    again: package.OnnxGraph = pickle.loads(pickle.dumps(detector))
    image = np.zeros((96, 128, 3), dtype=np.uint8)
    assert package.detect(again, image).boxes.tolist() == package.detect(detector, image).boxes.tolist()


@pytest.mark.thorough
def test_other_processes_detect_the_same(graph: Path, spec: Path, tmp_path: Path) -> None:
    detector = package.OnnxGraph(graph, spec=spec)
    of_object = package.run(detector, "sample", out=tmp_path / "two", limit=4, workers=2, progress=False)
    by_name = package.run(
        f"onnx:{graph}", "sample", out=tmp_path / "name", limit=4, settings={"spec": spec}, workers=2, progress=False
    )
    assert of_object.record.detections == by_name.record.detections == 8


def test_a_run_of_a_graph_can_be_timed(graph: Path, spec: Path, tmp_path: Path) -> None:
    package.run(f"onnx:{graph}", "sample", out=tmp_path / "run", limit=2, settings={"spec": spec}, progress=False)
    (record,) = package.time_runs([tmp_path / "run"], count=2, min_time=0, min_count=2)
    assert record.detector == "two"
    direct = package.time_detector(
        f"onnx:{graph}", sizes="original", settings={"spec": str(spec)}, count=1, min_time=0, min_count=2
    )
    assert direct.settings["extra"]["spec"] == record.settings["extra"]["spec"]


def test_pixels_of_the_network_are_counted(graph: Path) -> None:
    detector = package.OnnxGraph(graph)
    assert mean_pixels(detector, detector.settings, [(256, 96)]).input == 128 * 48


def test_another_backend_and_precision(shared: Path) -> None:
    pytest.importorskip("openvino")
    spelling = f"onnx:{shared}/weights/face_detection_yunet_2023mar.onnx"
    image = read_image(IMAGE)
    plain = package.load_detector(spelling)
    other = package.load_detector(spelling, backend="openvino")
    np.testing.assert_allclose(package.detect(other, image).boxes, package.detect(plain, image).boxes, atol=1e-2)
    assert other.settings.extra["backend"] == "openvino"
    assert "backend" not in plain.settings.extra
    small = package.load_detector(
        spelling, precision="int8", calibration=str(sample_dir()), calibration_images=2, resize="fit=320x320"
    )
    assert small.settings.extra["precision"] == "int8"
    assert len(package.detect(small, image)) > 0


def test_the_command_line(graph: Path, spec: Path, tmp_path: Path, sshbench: Call) -> None:
    code, out, err = sshbench("detect", IMAGE, "-o", tmp_path / "out", "--detector", f"onnx:{graph}")
    assert code == 0, err
    assert "was guessed: family yolov8" in err
    assert GraphSpec.read(tmp_path / "out" / "spec.toml").output.family == "yolov8"
    code, out, err = sshbench(
        "eval",
        "--dataset",
        "sample",
        "--limit",
        1,
        "--out",
        tmp_path / "run",
        "--detector",
        f"onnx:{graph}",
        "--spec",
        spec,
    )
    assert code == 0, err
    assert "2 detections" in out
    code, out, err = sshbench("detect", IMAGE, "-o", tmp_path / "out", "--detector", "haar", "--spec", spec)
    assert (code, "takes no --spec" in err) == (2, True)


def test_looking_at_a_graph(graph: Path, tmp_path: Path, sshbench: Call) -> None:
    code, out, err = sshbench("detectors", "spec", graph)
    assert code == 0
    assert "image (1, 3, 96, 128) float32" in err
    assert GraphSpec.model_validate(tomllib.loads(out)).output.family == "yolov8"
    code, out, err = sshbench("detectors", "spec", graph, "-o", tmp_path / "new.toml")
    assert (code, out.strip()) == (0, str(tmp_path / "new.toml"))
    code, out, err = sshbench("detectors", "spec", graph, "-o", tmp_path / "new.toml")
    assert (code, "exists" in err) == (2, True)
    code, out, err = sshbench("detectors", "spec", graph, "--json")
    assert json.loads(out)["spec"]["output"]["family"] == "yolov8"
    with pytest.raises(UsageError, match="exists"):
        look_at(graph, out=tmp_path / "new.toml")


def test_where_nothing_can_be_guessed_there_is_a_file_to_fill_in(tmp_path: Path, sshbench: Call) -> None:
    odd: dict[str, Any] = {"odd": np.zeros((1, 7, 3), dtype=np.float32)}
    path = constant_net(tmp_path / "odd.onnx", odd, (1, 3, 64, 64))
    code, _, err = sshbench("detectors", "spec", path, "-o", tmp_path / "fill.toml")
    assert (code, "One to fill in is" in err) == (2, True)
    assert "CHANGE THIS" in (tmp_path / "fill.toml").read_text()
    for _ in range(2):  # the file of the first call is left as it is
        with pytest.raises(package.SshbenchError, match=r"One to fill in is .*run-spec\.toml"):
            package.run(f"onnx:{path}", "sample", out=tmp_path / "run", limit=1, progress=False)
    (tmp_path / "run-spec.toml").write_text("# mine\n")
    with pytest.raises(package.SshbenchError, match=r"One to fill in is .*run-spec~2\.toml"):
        package.run(f"onnx:{path}", "sample", out=tmp_path / "run", limit=1, progress=False)
    assert (tmp_path / "run-spec.toml").read_text() == "# mine\n"


def test_outputs_that_are_not_finite_name_the_image(tmp_path: Path, spec: Path) -> None:
    values = FAMILIES["yolov8"](128, 96)[0]["output0"].copy()
    values[0, 4, 0] = np.nan
    path = constant_net(tmp_path / "nan.onnx", {"output0": values}, (1, 3, 96, 128))
    says = r"0_Portrait_sample_0_1: output 'output0' of nan\.onnx holds numbers that are not finite \(nan\)"
    with pytest.raises(CheckFailedError, match=says):
        package.run(f"onnx:{path}", "sample", out=tmp_path / "run", limit=1, settings={"spec": spec}, progress=False)


def test_a_graph_with_a_free_batch_works_in_batches(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    try:
        path = find_weights("retinaface-mnet025.onnx")
    except MissingDataError as error:
        pytest.skip(f"no package index to take the weights from: {error.message}")
    detector = package.load_detector(f"onnx:{path}", resize="fit=320x320")
    images = [read_image(IMAGE), read_image(IMAGE)[:, ::-1]]
    for found, image in zip(detect_batch(detector, images), images, strict=True):
        np.testing.assert_allclose(found.boxes, package.detect(detector, image).boxes, atol=1e-2)
    one_by_one = package.load_detector(f"onnx:{shared}/weights/ultraface-version-RFB-320.onnx")
    with pytest.raises(UsageError, match="cannot work in batches"):
        detect_batch(one_by_one, images)
