"""HR's network: import from MatConvNet files that the tests write, and the same numbers from every backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.rivals.hr_architectures import architecture
from sshbench.rivals.hr_fold import folded
from sshbench.rivals.hr_graph import BatchNorm
from sshbench.rivals.hr_matconvnet import import_matconvnet
from sshbench.rivals.hr_onnx import INPUT, OUTPUTS, hr_onnx_model
from sshbench.rivals.hr_random import random_hr_weights
from sshbench.rivals.hr_templates import published_templates
from sshbench.rivals.hr_weights import HrWeights, load_hr_weights, save_hr_weights

NAMES = ("resnet101", "resnet50", "vgg")
GRAPHS = {"resnet101": "hr-resnet101", "resnet50": "hr-resnet50", "vgg": "hr-other"}
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("matconvnet.py"))


@pytest.fixture(scope="module")
def nets(writer: ModuleType) -> dict[str, Any]:
    made = {name: getattr(writer, name)() for name in NAMES}
    for net in made.values():
        net.clusters = published_templates()
    return made


@pytest.fixture(scope="module")
def imported(nets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, HrWeights]:
    folder = tmp_path_factory.mktemp("matconvnet")
    return {name: import_matconvnet(net.write(folder / f"{name}.mat")) for name, net in nets.items()}


def picture(height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(height).normal(0, 50, (height, width, 3)).astype(np.float32)


# The import


@pytest.mark.parametrize("name", NAMES)
def test_what_the_file_says_arrives(nets: dict[str, Any], imported: dict[str, HrWeights], name: str) -> None:
    net, hr = nets[name], imported[name]
    assert hr.graph.name == GRAPHS[name]
    np.testing.assert_array_equal(hr.templates, net.clusters)
    assert hr.metadata["templates"] == "as published"
    assert hr.metadata["origin"].startswith(f"MatConvNet {name}.mat, sha256 ")
    np.testing.assert_allclose(hr.mean, (119.2996, 110.54627, 101.83843))
    assert hr.parameters.keys() == net.params.keys()
    for key, value in net.params.items():
        expected = value.transpose(3, 2, 0, 1) if key.endswith("_filter") else value.reshape(-1)
        if key.endswith("moments"):
            expected = value
        if key == "score4f":
            expected = value[:, :, range(125), range(125)].transpose(2, 0, 1)[:, None]
        np.testing.assert_array_equal(hr.parameters[key], expected)


def test_the_receptive_field_of_the_imported_graph(imported: dict[str, HrWeights]) -> None:
    field = imported["resnet101"].graph.receptive_field()
    assert (field.size, field.stride, field.offset) == (859, 8, -1)


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_file_holds_all(imported: dict[str, HrWeights], tmp_path: Path, name: str) -> None:
    hr, path = imported[name], tmp_path / "hr.safetensors"
    save_hr_weights(path, hr)
    content = path.read_bytes()
    back = load_hr_weights(path)
    assert (back.graph, back.mean, back.metadata) == (hr.graph, hr.mean, hr.metadata)
    np.testing.assert_array_equal(back.templates, hr.templates)
    for key, value in hr.parameters.items():
        np.testing.assert_array_equal(back.parameters[key], value)
    save_hr_weights(path, back)
    assert path.read_bytes() == content


def test_the_order_of_layers_and_the_name_of_the_image_do_not_matter(
    writer: ModuleType, imported: dict[str, HrWeights], tmp_path: Path
) -> None:
    net = writer.vgg()
    net.clusters = published_templates()
    net.layers.reverse()
    net.layers[-1]["inputs"] = ["input"]
    hr = import_matconvnet(net.write(tmp_path / "net.mat"))
    assert hr.graph.input == "input"
    image = np.ascontiguousarray(picture(40, 50).transpose(2, 0, 1)[None])
    ours, theirs = (
        onnxruntime.InferenceSession(hr_onnx_model(one), providers=["CPUExecutionProvider"]).run(
            OUTPUTS, {INPUT: image}
        )
        for one in (hr, imported["vgg"])
    )
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_templates_that_differ_are_reported(writer: ModuleType, tmp_path: Path) -> None:
    net = writer.vgg()
    net.clusters = published_templates() + np.array([0, 0, 0.5, 0, 0])
    assert import_matconvnet(net.write(tmp_path / "net.mat")).metadata["templates"] == (
        "differ from the published ones by up to 0.5"
    )


def _mixed(net: Any) -> None:
    net.params["score4f"][1, 2, 3, 4] = 0.1


def _without_bias(net: Any) -> None:
    del net.params["score_res4_bias"]


def _sigmoid(net: Any) -> None:
    net.layers[1]["type"] = "dagnn.Sigmoid"


def _leaky(net: Any) -> None:
    net.layers[1]["block"]["leak"] = 0.1


def _two_inputs(net: Any) -> None:
    net.layers[2]["inputs"] = ["other"]


def _circle(net: Any) -> None:
    net.layers[2]["inputs"] = ["conv1_2x"]


def _narrow(net: Any) -> None:
    net.params["conv1_1_filter"] = net.params["conv1_1_filter"][..., :1]


def _not_finite(net: Any) -> None:
    net.params["conv2_1_bias"][0, 1] = np.nan


def _averaged(net: Any) -> None:
    next(one for one in net.layers if one["name"] == "pool1")["block"]["method"] = "avg"


def _few_templates(net: Any) -> None:
    net.clusters = net.clusters[:24]


def _stride(net: Any) -> None:
    net.layers[0]["block"]["stride"] = [2, 2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_mixed, r"layer 'score4' mixes channels.*score4f"),
        (_without_bias, r"layer 'score_res4' lacks a parameter"),
        (_sigmoid, r"layer 'conv1_1x_relu' is of a type that HR networks do not have.*Sigmoid"),
        (_leaky, r"layer 'conv1_1x_relu' must not leak.*0\.1"),
        (_two_inputs, r"must have the image as its only input.*data, other"),
        (_circle, r"reads what depends on itself.*conv1_2x"),
        (_narrow, r"params\(\d+\)\.value.*must hold \(3, 3, 3, 4\) numbers"),
        (_not_finite, r"params\(\d+\)\.value.*must be finite numbers"),
        (_averaged, r"layer 'pool1' must take maxima.*avg"),
        (_few_templates, r"clusters.*must be 25 rows"),
        (_stride, r"has receptive field \S+ / 16 / \S+"),
    ],
)
def test_networks_that_are_not_hr_are_refused(
    writer: ModuleType, tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    net = writer.vgg()
    net.clusters = published_templates()
    damage(net)
    with pytest.raises(InputError, match=message):
        import_matconvnet(net.write(tmp_path / "net.mat"))


def test_files_that_are_no_networks_are_refused(tmp_path: Path) -> None:
    from scipy.io import savemat

    path = tmp_path / "x.mat"
    with pytest.raises(MissingDataError, match="no weights file"):
        import_matconvnet(path)
    path.write_bytes(b"MATLAB 5.0 MAT-file, but nothing follows")
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        import_matconvnet(path)
    savemat(path, {"boxes": np.zeros(3)})
    with pytest.raises(InputError, match=r"has no variable 'net'.*boxes"):
        import_matconvnet(path)
    savemat(path, {"net": np.zeros(3)})
    with pytest.raises(InputError, match="is not a struct"):
        import_matconvnet(path)
    savemat(path, {"net": {"vars": 1}})
    with pytest.raises(InputError, match=r"net\.params.*is missing"):
        import_matconvnet(path)


def test_weights_files_that_are_damaged_are_refused(imported: dict[str, HrWeights], tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "hr.safetensors"
    with pytest.raises(MissingDataError, match="no weights file"):
        load_hr_weights(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_hr_weights(path)
    save_file({"x": np.zeros(1)}, path, {"format": "sshbench-ssh-1"})
    with pytest.raises(InputError, match="is not a weights file of HR"):
        load_hr_weights(path)
    save_file({"x": np.zeros(1)}, path, {"format": "sshbench-hr-1", "network": "{}"})
    with pytest.raises(InputError, match="does not describe a network"):
        load_hr_weights(path)
    hr = imported["vgg"]
    fewer = {name: value for name, value in hr.parameters.items() if name != "conv1_1_bias"}
    for parameters, message in (
        (fewer, "conv1_1_bias.*is missing"),
        ({**hr.parameters, "conv1_1_bias": np.zeros(3, np.float32)}, r"conv1_1_bias.*has shape \(3,\)"),
        ({**hr.parameters, "conv1_1_bias": np.full(4, np.inf, np.float32)}, "conv1_1_bias.*is not finite"),
        ({**hr.parameters, "other": np.zeros(3, np.float32)}, "other.*does not belong to any layer"),
    ):
        with pytest.raises(InputError, match=message):
            save_hr_weights(path, HrWeights(hr.graph, parameters, hr.mean, hr.templates, {}))


# The numbers


@pytest.mark.parametrize("size", [(64, 96), (77, 131), (33, 250)])
@pytest.mark.parametrize("name", NAMES)
def test_onnx_is_the_authors_network(
    nets: dict[str, Any], imported: dict[str, HrWeights], name: str, size: tuple[int, int]
) -> None:
    image = picture(*size)
    expected = nets[name].run(image.astype(np.float64))
    content = hr_onnx_model(imported[name])
    batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    fixed = onnx.ModelProto.FromString(content)
    for dimension, side in zip(fixed.graph.input[0].type.tensor_type.shape.dim, batch.shape, strict=True):
        dimension.dim_value = side
    net = cv2.dnn.readNetFromONNX(np.frombuffer(fixed.SerializeToString(), dtype=np.uint8))
    net.setInput(batch)
    for arrays in (session.run(OUTPUTS, {INPUT: batch}), net.forward(list(OUTPUTS))):
        assert _difference(expected, arrays) < TOLERANCE


@pytest.mark.parametrize("size", [(64, 96), (77, 131), (33, 250)])
@pytest.mark.parametrize("name", NAMES)
def test_torch_is_the_authors_network(
    nets: dict[str, Any], imported: dict[str, HrWeights], name: str, size: tuple[int, int]
) -> None:
    torch = pytest.importorskip("torch")
    from sshbench.rivals.hr_network import network_of

    image = picture(*size)
    with torch.inference_mode():
        ((logits, deltas),) = network_of(imported[name])(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()))
    assert logits.shape[2:] == imported[name].graph.output_size(*size)
    assert _difference(nets[name].run(image.astype(np.float64)), [logits.numpy(), deltas.numpy()]) < TOLERANCE


def _difference(expected: Any, arrays: Any) -> float:
    found = np.concatenate([array[0] for array in arrays]).transpose(1, 2, 0)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", ["hr-resnet101", "hr-resnet50", "hr-vgg16"])
def test_the_torch_network_has_the_sizes_of_the_graph(name: str) -> None:
    torch = pytest.importorskip("torch")
    from sshbench.rivals.hr_network import HrNetwork

    graph, _ = folded(random_hr_weights(architecture(name, 32)))
    assert not any(isinstance(layer, BatchNorm) for layer in graph.layers)
    with torch.device("meta"), torch.no_grad():
        network = HrNetwork(graph)
        for side in (*range(33, 65), 600):
            ((logits, deltas),) = network(torch.empty(1, 3, side, 633 - side))
            assert logits.shape == (1, 25, *graph.output_size(side, 633 - side))
            assert deltas.shape == (1, 100, *logits.shape[2:])


def test_pools_that_reach_over_the_border_equal_padding() -> None:
    torch = pytest.importorskip("torch")
    from sshbench.rivals.hr_graph import Pool
    from sshbench.rivals.hr_network import _pool

    for kernel, pad in ((3, (0, 1, 0, 1)), (2, (0, 0, 0, 0)), (3, (1, 1, 1, 1)), (2, (0, 1, 0, 1)), (3, (1, 0, 0, 1))):
        layer = Pool(name="p", inputs=("x",), output="y", kernel=(kernel, kernel), stride=(2, 2), pad=pad)
        for height, width in ((33, 34), (6, 9), (40, 41)):
            x = torch.randn(1, 2, height, width)
            padded = torch.nn.functional.pad(x, (pad[2], pad[3], pad[0], pad[1]), value=float("-inf"))
            assert torch.equal(_pool(layer, x), torch.nn.functional.max_pool2d(padded, kernel, 2))


def test_the_input_is_left_as_it_is_and_equal_weights_give_equal_files(imported: dict[str, HrWeights]) -> None:
    torch = pytest.importorskip("torch")
    from sshbench.rivals.hr_network import network_of

    network, x = network_of(imported["resnet50"]), torch.randn(1, 3, 40, 50)
    before = x.clone()
    with torch.inference_mode():
        first, again = network(x)[0][0], network(x)[0][0]
    assert torch.equal(x, before)
    assert torch.equal(first, again)
    assert hr_onnx_model(imported["resnet50"]) == hr_onnx_model(imported["resnet50"])


def test_a_batch_normalisation_without_its_convolution_is_refused(imported: dict[str, HrWeights]) -> None:
    hr = imported["resnet50"]
    first = next(layer for layer in hr.graph.layers if isinstance(layer, BatchNorm))
    swapped = [
        layer.model_copy(update={"inputs": (first.inputs[0],)}) if layer.name == "conv1x_relu" else layer
        for layer in hr.graph.layers
    ]
    graph = hr.graph.model_copy(update={"layers": tuple(swapped)})
    with pytest.raises(UsageError, match="batch normalisation 'bn_conv1' does not follow a convolution of its own"):
        folded(HrWeights(graph, hr.parameters, hr.mean, hr.templates, {}))


def test_random_numbers_stay_of_a_normal_size() -> None:
    hr = random_hr_weights(architecture("hr-resnet101", 16), seed=3)
    session = onnxruntime.InferenceSession(hr_onnx_model(hr), providers=["CPUExecutionProvider"])
    batch = picture(96, 96).transpose(2, 0, 1)[None]
    for array in session.run(OUTPUTS, {INPUT: np.ascontiguousarray(batch)}):
        assert np.isfinite(array).all()
        assert 1e-3 < np.abs(array).mean() < 1e3
    again = random_hr_weights(architecture("hr-resnet101", 16), seed=3)
    assert all((again.parameters[name] == value).all() for name, value in hr.parameters.items())
