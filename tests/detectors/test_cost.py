"""Parameters and operations of networks, counted from their graphs by three libraries and by hand."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import sshbench
from sshbench.detectors.cost import HasCost, NetworkCost, mean_cost, onnx_cost, opencv_cost
from sshbench.records import Image

RNG = np.random.default_rng(1)


def tensor(name: str, *shape: int) -> Any:
    return numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


def model(*, head: bool = True, size: tuple[Any, Any] = ("h", "w")) -> Any:
    """A convolution, a depthwise one with stride 2, a transposed one, and, with a head, a product of matrices."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["a"], ["a2"]),
        helper.make_node("Conv", ["a2", "w2"], ["b"], group=8, pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3]),
        helper.make_node("ConvTranspose", ["b", "w3"], ["c"], strides=[2, 2], kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "w4", "b4"], ["y"], transB=1),
    ]
    weights = [tensor("w1", 8, 3, 3, 3), tensor("b1", 8), tensor("w2", 8, 1, 3, 3), tensor("w3", 8, 4, 2, 2)]
    weights += [tensor("w4", 10, 4), tensor("b4", 10)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *size])]
    outputs = [helper.make_tensor_value_info(*(("y", 1, [1, 10]) if head else ("c", 1, [1, 4, *size])))]
    graph = helper.make_graph(nodes if head else nodes[:4], "g", inputs, outputs, weights if head else weights[:4])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


BY_HAND = 2 * (
    8 * 3 * 9 * 32 * 48  # every output of the first convolution sums over 3 x 9 products
    + 8 * 9 * 16 * 24  # depthwise: over 9
    + 8 * 4 * 4 * 16 * 24  # transposed: every input goes to 4 channels at 4 places
    + 10 * 4
)
PARAMETERS = 8 * 3 * 9 + 8 + 8 * 9 + 8 * 4 * 4 + 10 * 4 + 10


def counted(network: Any, *shape: int) -> NetworkCost:
    cost = onnx_cost(network, shape)
    assert cost is not None
    return cost


def test_an_onnx_network_by_hand() -> None:
    cost = counted(model(), 1, 3, 32, 48)
    assert cost.parameters == PARAMETERS
    assert cost.gflop == pytest.approx(BY_HAND / 1e9, rel=1e-12)


def test_opencv_s_reading_of_the_same_network() -> None:
    network = model(head=False, size=(32, 48))
    content = np.frombuffer(network.SerializeToString(), dtype=np.uint8)
    cost = opencv_cost(cv2.dnn.readNetFromONNX(content), (1, 3, 32, 48))
    assert cost.gflop == pytest.approx((BY_HAND - 2 * 40) / 1e9, rel=1e-12)
    assert cost.gflop == pytest.approx(counted(network, 1, 3, 32, 48).gflop, rel=1e-12)


def test_the_model_is_left_as_it_was() -> None:
    network = model()
    before = network.SerializeToString(deterministic=True)
    onnx_cost(network, (1, 3, 64, 64))
    assert network.SerializeToString(deterministic=True) == before


def test_torch_counts_the_same() -> None:
    torch = pytest.importorskip("torch")
    from sshbench.detectors.faceboxes_network import FaceBoxesNetwork, torch_cost

    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 8, 3, 2, 1, groups=8))
    cost = torch_cost(layers, np.zeros((1, 3, 32, 48), dtype=np.float32))
    assert cost.gflop == pytest.approx(2 * (8 * 3 * 9 * 32 * 48 + 8 * 9 * 16 * 24) / 1e9, rel=1e-12)
    whole = torch_cost(FaceBoxesNetwork().eval(), np.zeros((1, 3, 256, 256), dtype=np.float32))
    assert whole.parameters > 1e6


def test_ssh_by_its_architecture_and_by_its_exported_graph() -> None:
    from sshbench.detectors.weights import find_weights
    from sshbench.ssh.onnx_graph import onnx_model
    from sshbench.ssh.weights import load_weights

    image = sshbench.load_dataset("sample")[0].read()
    detector: Any = sshbench.load_detector("ssh-tiny")
    prepared = detector.preprocess(image)
    by_architecture = detector.cost(prepared)
    graph = onnx_model(load_weights(find_weights("ssh-tiny.safetensors")))
    by_graph = counted(onnx.load_from_string(graph), *prepared.data[0][0].shape)
    assert by_architecture.gflop == pytest.approx(by_graph.gflop, rel=0.01)
    assert by_architecture.parameters == pytest.approx(by_graph.parameters, rel=0.01)
    assert by_architecture.weights_bytes > 1e6


def test_every_pass_of_a_recipe_counts() -> None:
    image: Image = np.zeros((240, 320, 3), dtype=np.uint8)
    plain: Any = sshbench.load_detector("ssh-tiny", resize="original")
    flipped: Any = sshbench.load_detector("ssh-tiny", resize="original", tta="flip")
    one, two = plain.cost(plain.preprocess(image)), flipped.cost(flipped.preprocess(image))
    assert two.gflop == pytest.approx(2 * one.gflop)
    assert two.parameters == one.parameters
    haar: Any = sshbench.load_detector("haar", tta="flip")
    assert haar.cost(haar.preprocess(image)) is None
    assert not isinstance(sshbench.load_detector("haar"), HasCost)


def test_the_mean_of_several_images() -> None:
    assert mean_cost([]) is None
    costs = [NetworkCost(parameters=7, gflop=work, weights_bytes=9) for work in (1.0, 2.0, 6.0)]
    assert mean_cost(costs) == NetworkCost(parameters=7, gflop=3.0, weights_bytes=9)


def test_a_timing_states_the_cost() -> None:
    record = sshbench.time_detector("ssh-tiny", sizes="90x120", count=2, min_time=0, min_count=2)
    cost = record.sizes[0].cost
    assert cost is not None
    assert cost.parameters == 601_300
    assert 0 < cost.gflop < 1
    assert sshbench.time_detector("haar", sizes="90x120", count=1, min_time=0, min_count=2).sizes[0].cost is None
