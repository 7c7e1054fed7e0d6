"""Graphs and specifications that are wrong: each gives one error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sshbench.detectors.contract import detect
from sshbench.detectors.graphs.onnx_graph import OnnxGraph
from sshbench.detectors.graphs.spec import GraphSpec
from sshbench.detectors.registry import load_detector
from sshbench.errors import DetectorError, InputError, MissingDataError, SshbenchError, UsageError
from tests.detectors.graphs.maker import FACES, FAMILIES, constant_net, save, yolov8

SHAPE = (1, 3, 64, 64)
IMAGE = helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)
OUT = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)


def good(path: Path, **new: Any) -> Path:
    outputs = {**yolov8(64, 64)[0], **new}
    return constant_net(path, outputs, SHAPE)


def text(path: Path) -> Path:
    path.write_text("this is no network, but a letter\n" * 40)
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def truncated(path: Path) -> Path:
    content = good(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def no_outputs(path: Path) -> Path:
    return save(path, [helper.make_node("Relu", ["image"], ["out"])], [IMAGE], [])


def no_inputs(path: Path) -> Path:
    value = numpy_helper.from_array(np.zeros(3, dtype=np.float32))
    return save(path, [helper.make_node("Constant", [], ["out"], value=value)], [], [OUT])


def two_inputs(path: Path) -> Path:
    info = helper.make_tensor_value_info("im_info", TensorProto.FLOAT, (1, 3))
    return save(path, [helper.make_node("Relu", ["image"], ["out"])], [IMAGE, info], [OUT])


def wrong_rank(path: Path) -> Path:
    return constant_net(path, yolov8(64, 64)[0], (1, 12288))


def one_channel(path: Path) -> Path:
    return constant_net(path, yolov8(64, 64)[0], (1, 1, 64, 64))


def integer_input(path: Path) -> Path:
    return constant_net(path, yolov8(64, 64)[0], SHAPE, dtype=TensorProto.INT64)


def unknown_operator(path: Path) -> Path:
    return save(path, [helper.make_node("Banana", ["image"], ["out"])], [IMAGE], [OUT])


def other_batch(path: Path) -> Path:
    """Four images at once, and a reshape that works for no other number."""
    shape = numpy_helper.from_array(np.array([4, 3, 4096]), "shape")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (4, 3, 64, 64))
    node = helper.make_node("Reshape", ["image", "shape"], ["out"])
    return save(path, [node], [image], [OUT], initializer=[shape])


def without_its_data(path: Path) -> Path:
    weights = numpy_helper.from_array(np.ones((1, 3, 64, 64), dtype=np.float32), "weights")
    save(path, [helper.make_node("Add", ["image", "weights"], ["out"])], [IMAGE], [OUT], initializer=[weights])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    (path.parent / "net.data").unlink()
    return path


BROKEN: list[tuple[Callable[[Path], Path], type[SshbenchError], str]] = [
    (text, InputError, r"net\.onnx: not an ONNX file.*Export the model again"),
    (empty, InputError, r"net\.onnx: not an ONNX file, or a graph without operators"),
    (truncated, InputError, r"net\.onnx: not an ONNX file, or a part of one"),
    (no_outputs, InputError, "the graph has no outputs"),
    (no_inputs, InputError, "the graph has no inputs"),
    (two_inputs, InputError, r"takes 2 inputs.*im_info \(1, 3\) float32.*image as its only input"),
    (wrong_rank, InputError, r"no batch of images with three channels: image \(1, 12288\) float32"),
    (one_channel, InputError, r"no batch of images with three channels: image \(1, 1, 64, 64\)"),
    (integer_input, InputError, r"numbers of type int64.*float32, float16 or uint8"),
    (unknown_operator, InputError, r"ONNX Runtime cannot read the graph.*Banana"),
    (
        other_batch,
        InputError,
        r"run on an input of shape \(1, 3, 256, 320\); it declares image \(4, 3, 64, 64\)",
    ),
    (without_its_data, MissingDataError, r"net\.data, is missing.*Put it beside the graph"),
]


@pytest.mark.parametrize(("make", "kind", "says"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
def test_a_broken_graph(make: Callable[[Path], Path], kind: type[SshbenchError], says: str, tmp_path: Path) -> None:
    path = make(tmp_path / "net.onnx")
    with pytest.raises(kind, match=says) as raised:
        load_detector(f"onnx:{path}")
    assert "failed during" not in str(raised.value)
    assert "\n" not in str(raised.value)


def spec(**output: Any) -> GraphSpec:
    fields = {"family": "yolov8", "output": "output0", "face_class": 1, **output}
    return GraphSpec.model_validate({"input": {"size": [64, 64]}, "output": fields})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")], ids=str)
def test_outputs_that_are_not_finite(wrong: float, tmp_path: Path) -> None:
    values = yolov8(64, 64)[0]["output0"].copy()
    values[0, 4, 0] = wrong
    path = good(tmp_path / "net.onnx", output0=values)
    with pytest.raises(DetectorError, match=rf"'output0' of net\.onnx holds numbers that are not finite \({wrong}\)"):
        detect(OnnxGraph(path, spec=spec()), np.zeros((64, 64, 3), dtype=np.uint8))


def test_outputs_of_whole_numbers(tmp_path: Path) -> None:
    path = good(tmp_path / "net.onnx", output0=np.zeros((1, 6, 84), dtype=np.int64))
    with pytest.raises(InputError, match="'output0' has numbers of type int64, where floating-point numbers"):
        OnnxGraph(path, spec=spec()).load()


CONTRADICTIONS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"output": "output1"}, r"field 'output': .*no such output.*output0 \(1, 6, 84\)"),
    ({"name": "img"}, {}, r"field 'input\.name': .*image \(1, 3, 64, 64\)"),
    ({"layout": "NHWC"}, {}, r"field 'input\.layout'.*\(1, 3, 64, 64\).*'NHWC'\. Change it"),
    ({"dtype": "uint8"}, {}, r"field 'input\.dtype'.*float32\): 'uint8'"),
    ({}, {"face_class": 7}, "output 'output0' has 6 columns, so there is no class in column 11"),
    ({}, {"family": "yolox", "face_class": 0}, "has 84 columns|84 cells"),
    ({}, {"channels_first": False, "face_class": 80}, "84 columns, so there is no class in column 84"),
]


@pytest.mark.parametrize(("given", "output", "says"), CONTRADICTIONS, ids=[str(row[:2]) for row in CONTRADICTIONS])
def test_a_specification_that_contradicts_the_graph(
    given: dict[str, Any], output: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = good(tmp_path / "net.onnx")
    fields = {"family": "yolov8", "output": "output0", "face_class": 1, **output}
    wrong = GraphSpec.model_validate({"input": {"size": [64, 64], **given}, "output": fields})
    with pytest.raises(InputError, match=says):
        OnnxGraph(path, spec=wrong).load()


def test_a_size_that_the_graph_cannot_take(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1, 3, 4096]), "shape")
    node = helper.make_node("Reshape", ["image", "shape"], ["out"])
    path = save(tmp_path / "net.onnx", [node], [IMAGE], [OUT], initializer=[shape])
    wrong = GraphSpec.model_validate({"input": {"size": [96, 96]}, "output": {"family": "yolov8", "output": "out"}})
    with pytest.raises(InputError, match=r"cannot run on an input of shape \(1, 3, 96, 96\)"):
        OnnxGraph(path, spec=wrong).load()


@pytest.mark.parametrize("name", ["yunet", "scrfd", "retinaface", "yolox"])
def test_a_number_of_rows_that_does_not_fit(name: str, tmp_path: Path) -> None:
    outputs, output = FAMILIES[name](64, 64)
    path = constant_net(tmp_path / "net.onnx", outputs, SHAPE)
    wrong = GraphSpec.model_validate({"input": {"size": [96, 96]}, "output": output})
    with pytest.raises(InputError, match=rf"does not fit family '{name}' for an input of 96 x 96: .*rows, but"):
        OnnxGraph(path, spec=wrong).load()


DYNAMIC = '[input]\nsize = "dynamic"\n'
YOLO = '[output]\nfamily = "yolov8"\noutput = "x"\n'
RAW_SSD = '[output]\nfamily = "ssd"\nboxes = "x"\nscores = "y"\ndecoded = false\n'
FILES = [
    ("[input]\nsize = [640, 640\n", "cannot be read"),
    (DYNAMIC, "field 'output': Field required"),
    (DYNAMIC + YOLO.replace("v8", "v9"), r"field 'output'.*'yolov5', 'yolov8'"),
    ("[input]\nsize = [640, 0]\n" + YOLO, r"field 'input\.size.*greater than or equal"),
    (DYNAMIC + YOLO + "class = 1\n", r"class'.*not permitted"),
    ("[input]\nsize = [9, 9]\n" + YOLO + '[settings]\nresize = "fit=9x9"\n', "but original"),
    (DYNAMIC + RAW_SSD, "need levels"),
    ("format = 9\n" + DYNAMIC, "reads formats up to 1.*Update sshbench"),
    (DYNAMIC + 'dtype = "uint8"\nmean = 127\n' + YOLO, "uint8 takes pixels as they are"),
    (DYNAMIC + YOLO + '[settings]\nresize = "large"\n', "invalid input size 'large'"),
]


@pytest.mark.parametrize(("content", "says"), FILES, ids=[row[1] for row in FILES])
def test_a_specification_that_is_wrong(content: str, says: str, tmp_path: Path) -> None:
    path = good(tmp_path / "net.onnx")
    (tmp_path / "spec.toml").write_text(content)
    with pytest.raises(InputError, match=rf"spec\.toml.*{says}"):
        load_detector(f"onnx:{path}", spec=tmp_path / "spec.toml")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no ONNX file"):
        load_detector(f"onnx:{tmp_path}/net.onnx")
    path = good(tmp_path / "net.onnx")
    with pytest.raises(MissingDataError, match="there is no specification"):
        load_detector(f"onnx:{path}", spec=tmp_path / "spec.toml")
    with pytest.raises(UsageError, match="names its file already"):
        load_detector(f"onnx:{path}", weights=path)
    with pytest.raises(UsageError, match="has no setting 'spec_hash'"):
        load_detector(f"onnx:{path}", spec_hash="1")


def test_weights_beside_the_graph_are_read_and_part_of_the_identity(tmp_path: Path) -> None:
    """The form in which PyTorch's exporter writes large models."""
    hashes = set()
    for shift in (0.0, 0.25):
        values = yolov8(64, 64)[0]
        folder = tmp_path / str(shift)
        folder.mkdir()
        values["output0"][0, 0] += shift
        path = save(
            folder / "net.onnx",
            [helper.make_node("Identity", ["weights"], ["output0"])],
            [IMAGE],
            [helper.make_tensor_value_info("output0", TensorProto.FLOAT, values["output0"].shape)],
            initializer=[numpy_helper.from_array(values["output0"], "weights")],
        )
        onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
        detector = OnnxGraph(path, spec=spec())
        found = detect(detector, np.zeros((64, 64, 3), dtype=np.uint8))
        np.testing.assert_allclose(found.boxes[0], FACES[0] + [shift, 0, shift, 0], atol=1e-4)
        hashes.add(detector.weights_sha256)
    assert len(hashes) == 2
