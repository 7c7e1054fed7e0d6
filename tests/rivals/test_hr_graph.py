"""HR's graphs: parameters, work, sizes and receptive fields against the published numbers and formulas."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from sshbench.errors import UsageError
from sshbench.rivals.hr_architectures import NAMES, architecture, recognised
from sshbench.rivals.hr_graph import Convolution, Graph, Pool, Relu

SIZES = ((400, 800), (640, 640), (600, 1000), (800, 1200), (1200, 1600))
# Adding up the layers' tables by hand gives these; GFLOP at SIZES.
COUNTED = {
    "hr-resnet101": (27_727_674, (88.2, 112.8, 167.9, 264.5, 528.9)),
    "hr-resnet50": (8_735_546, (40.8, 52.2, 77.2, 122.4, 244.8)),
    "hr-vgg16": (14_842_938, (196.5, 251.6, 367.8, 589.6, 1179.3)),
}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_work(name: str) -> None:
    graph = architecture(name)
    parameters, gflop = COUNTED[name]
    assert graph.parameters() == parameters
    for size, expected in zip(SIZES, gflop, strict=True):
        # The last digit of the table is at most 0.13 % of its smallest number.
        assert graph.operations(*size) / 1e9 == pytest.approx(expected, rel=1e-3, abs=0.051)


def by_formula(side: int) -> tuple[int, int, int, int, int]:
    h1 = math.ceil(side / 2)
    h2 = h1 // 2
    h3 = math.ceil(h2 / 2)
    h4 = math.ceil(h3 / 2)
    return h1, h2, h3, h4, 2 * h4 - 1


@pytest.mark.parametrize("name", ["hr-resnet101", "hr-resnet50"])
def test_sizes_of_every_height(name: str) -> None:
    graph = architecture(name)
    last = {"hr-resnet101": ("res3b3x", "res4b22x"), "hr-resnet50": ("res3dx", "res4fx")}[name]
    for side in range(33, 601):
        shapes = graph.shapes(side, 633 - side)
        for axis, expected in ((1, by_formula(side)), (2, by_formula(633 - side))):
            found = [shapes[at][axis] for at in ("conv1x", "pool1", *last, "score_final")]
            assert found == list(expected), side
            assert expected[4] == expected[2] - (expected[2] + 1) % 2, "at most one row is lost"
    assert graph.output_size(500, 500) == (63, 63)


@pytest.mark.parametrize("name", NAMES)
def test_images_that_are_too_small(name: str) -> None:
    graph = architecture(name)
    assert graph.output_size(1, 500) == (0, 0)
    assert min(graph.output_size(16, 16)) >= 1


def test_receptive_fields() -> None:
    field = architecture("hr-resnet101").receptive_field()
    assert (field.size, field.stride, field.offset) == (859, 8, -1)
    assert architecture("hr-resnet50").receptive_field().offset == -1
    guessed = architecture("hr-vgg16").receptive_field()
    assert (guessed.stride, guessed.offset) == (8, 4.5)


def test_the_receptive_field_over_res3_lies_four_pixels_further() -> None:
    graph = architecture("hr-resnet101")
    layers = list(graph.layers)
    end = next(i for i, layer in enumerate(layers) if layer.output == "res3b3x")
    field = Graph(name="fine", output="res3b3x", layers=tuple(layers[: end + 1])).receptive_field()
    assert (field.size, field.stride, field.offset) == (99, 8, 3)


def test_architectures_are_recognised_whatever_their_widths() -> None:
    for name in NAMES:
        assert recognised(architecture(name, 16)) == name
    graph = architecture("hr-resnet50", 16)
    shorter = [layer for layer in graph.layers if not layer.output.startswith("res4f_")]
    changed = [
        layer.model_copy(update={"stride": (1, 1)}) if layer.name == "conv1" else layer for layer in graph.layers
    ]
    assert len(shorter) < len(graph.layers)
    assert recognised(graph.model_copy(update={"layers": tuple(changed)})) == "hr-other"
    with pytest.raises(UsageError, match=r"no architecture 'hr-resnet152'"):
        architecture("hr-resnet152")


def test_graphs_that_are_not_connected_are_refused() -> None:
    conv = Convolution(
        name="c", inputs=("data",), output="x", filter="c_filter", bias=None, channels=(3, 4), kernel=(3, 3)
    )
    relu = Relu(name="r", inputs=("x",), output="y")
    Graph(name="fine", output="y", layers=(conv, relu))
    with pytest.raises(ValidationError, match="layer 'r' is not connected"):
        Graph(name="order", output="y", layers=(relu, conv))
    with pytest.raises(ValidationError, match=r"layer 'c' has inputs of \[3\] channels, where it takes \[5\]"):
        Graph(name="width", output="x", layers=(conv.model_copy(update={"channels": (5, 4)}),))
    with pytest.raises(ValidationError, match="no layer writes the output 'z'"):
        Graph(name="end", output="z", layers=(conv,))
    with pytest.raises(ValidationError, match="greater than 0"):
        Pool(name="p", inputs=("x",), output="y", kernel=(2, 2), stride=(0, 2))
