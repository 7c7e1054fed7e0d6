"""Weights in and out: Caffe, PyTorch, trunks, safetensors, ONNX; and what is refused, by layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.ssh.architecture import Architecture, architecture, from_dict
from sshbench.ssh.caffe import read_caffemodel
from sshbench.ssh.importing import fold_rgb, import_caffemodel, import_state_dict, read_name_map
from sshbench.ssh.preprocess import MEAN
from sshbench.ssh.weights import Weights, load_weights, random_weights, save_weights

TINY = architecture("ssh-tiny")


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("caffe_writer.py"))


def same(a: Weights, b: Weights) -> None:
    assert a.architecture == b.architecture
    assert a.parameters.keys() == b.parameters.keys()
    for name, array in a.parameters.items():
        np.testing.assert_array_equal(array, b.parameters[name])


def test_safetensors_and_back(tmp_path: Path) -> None:
    weights = replace(random_weights(TINY), metadata={"origin": "here", "note": "ü"})
    save_weights(tmp_path / "w.safetensors", weights)
    read = load_weights(tmp_path / "w.safetensors")
    same(read, weights)
    assert read.metadata == weights.metadata
    save_weights(tmp_path / "h.safetensors", weights, half=True)
    assert (tmp_path / "h.safetensors").stat().st_size < 0.52 * (tmp_path / "w.safetensors").stat().st_size
    np.testing.assert_allclose(
        load_weights(tmp_path / "h.safetensors").parameters["m1.cls_score.weight"],
        weights.parameters["m1.cls_score.weight"],
        atol=1e-3,
    )


def test_caffemodel(writer: ModuleType, tmp_path: Path) -> None:
    weights = random_weights(TINY, seed=5)
    (tmp_path / "n.caffemodel").write_bytes(writer.caffemodel(weights))
    read = import_caffemodel(tmp_path / "n.caffemodel", TINY)
    same(read, weights)
    assert "n.caffemodel, sha256" in read.metadata["origin"]
    assert not read.trunk_only


def test_caffemodel_of_another_network_is_refused_by_layer(writer: ModuleType, tmp_path: Path) -> None:
    weights = random_weights(TINY)
    path = tmp_path / "n.caffemodel"
    wrong = [np.zeros((64, 128, 5, 5), dtype=np.float32), np.zeros(64, dtype=np.float32)]
    path.write_bytes(writer.caffemodel(weights, {"m2@ssh_3x3": wrong}))
    with pytest.raises(InputError, match=r"m2@ssh_3x3.*shape \(64, 128, 5, 5\), not \(64, 128, 3, 3\)"):
        import_caffemodel(path, TINY)
    with pytest.raises(InputError, match=r"conv1_1.*--architecture"):
        import_caffemodel(path, architecture("ssh-vgg16"))
    path.write_bytes(writer.caffemodel(weights, {"m3@ssh_dimred": []}))
    with pytest.raises(InputError, match="m3@ssh_dimred"):
        import_caffemodel(path, TINY)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x00" * 40, b"\xff" * 40])
def test_what_is_no_caffemodel(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n.caffemodel"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"n\.caffemodel"):
        read_caffemodel(path)
    with pytest.raises(MissingDataError):
        read_caffemodel(tmp_path / "nothing")


@given(st.data())
def test_a_damaged_caffemodel_is_read_or_refused(
    writer: ModuleType, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    small = Architecture("s", ((1,), (1,), (1,), (1,), (1,)), 1, (2, 2, 2))
    content = bytearray(writer.caffemodel(random_weights(small)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "n.caffemodel"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        layers = read_caffemodel(path)
    except InputError:
        return
    assert all(blob.dtype == np.float32 for blobs in layers.values() for blob in blobs)


def test_old_caffe_files_have_layers_of_version_1_and_four_dimensions(writer: ModuleType, tmp_path: Path) -> None:
    field = writer.field
    blob = field(1, 1) + field(2, 1) + field(3, 1) + field(4, 3) + field(5, np.array([1, 2, 3], "<f4").tobytes())
    (tmp_path / "n.caffemodel").write_bytes(field(2, field(4, "conv1_1") + field(6, blob)))
    (array,) = read_caffemodel(tmp_path / "n.caffemodel")["conv1_1"]
    assert array.tolist() == [[[[1, 2, 3]]]]


def state_dict(weights: Weights, rename: Callable[[str], str] = str) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    return {rename(name): torch.from_numpy(array) for name, array in weights.parameters.items()}


def test_state_dict_with_prefix_and_name_map(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = random_weights(TINY)
    torch.save({"state_dict": state_dict(weights, "module.{}".format)}, tmp_path / "a.pth")
    same(import_state_dict(tmp_path / "a.pth", TINY), weights)
    torch.save(state_dict(weights, lambda name: name.replace("m1.conv3x3", "det1.a")), tmp_path / "b.pth")
    with pytest.raises(InputError, match=r"m1\.conv3x3\.weight.*--name-map"):
        import_state_dict(tmp_path / "b.pth", TINY)
    (tmp_path / "map.toml").write_text('"m1.conv3x3" = "det1.a"\n')
    names = read_name_map(tmp_path / "map.toml", TINY.layers())
    same(import_state_dict(tmp_path / "b.pth", TINY, name_map=names), weights)
    (tmp_path / "map.toml").write_text('"m9.conv3x3" = "det1.a"\n')
    with pytest.raises(InputError, match=r"m9\.conv3x3"):
        read_name_map(tmp_path / "map.toml", TINY.layers())


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


def test_nothing_in_a_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1_1.weight": Evil()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="without executing code"):
        import_state_dict(tmp_path / "a.pth", TINY)
    assert not (tmp_path / "executed").exists()
    for content in ([1, 2], {"a": 1}):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(InputError, match="does not contain tensors by name"):
            import_state_dict(tmp_path / "a.pth", TINY)


def test_a_torchvision_trunk_sees_the_same_picture_through_our_input(tmp_path: Path) -> None:
    """conv1_1 on BGR minus the mean equals the original on normalised RGB, but for the outermost pixels."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32)
    bias = rng.normal(0, 0.2, 8).astype(np.float32)
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.float32)  # BGR
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rgb = torch.from_numpy(((image[:, :, ::-1] / 255 - mean) / deviation).transpose(2, 0, 1)[None].astype(np.float32))
    theirs = torch.nn.functional.conv2d(rgb, torch.from_numpy(weight), torch.from_numpy(bias), padding=1).numpy()
    parameters = {"conv1_1.weight": weight, "conv1_1.bias": bias}
    fold_rgb(parameters)
    ours_in = torch.from_numpy((image - np.array(MEAN, dtype=np.float32)).transpose(2, 0, 1)[None].copy())
    ours = torch.nn.functional.conv2d(
        ours_in, torch.from_numpy(parameters["conv1_1.weight"]), torch.from_numpy(parameters["conv1_1.bias"]), padding=1
    ).numpy()
    np.testing.assert_allclose(ours[:, :, 1:-1, 1:-1], theirs[:, :, 1:-1, 1:-1], atol=2e-4)
    assert np.abs(ours - theirs).max() < 0.2


def test_trunks_are_told_from_whole_networks(writer: ModuleType, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    vgg = architecture("ssh-vgg16")
    positions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    rng = np.random.default_rng(0)
    content = {}
    for layer, position in zip(vgg.trunk_layers(), positions, strict=True):
        content[f"features.{position}.weight"] = torch.from_numpy(
            rng.normal(size=layer.weight_shape).astype(np.float32)
        )
        content[f"features.{position}.bias"] = torch.zeros(layer.outputs)
    content["classifier.0.weight"] = torch.zeros(3, 3)
    torch.save(content, tmp_path / "vgg16.pth")
    trunk = import_state_dict(tmp_path / "vgg16.pth", vgg)
    assert trunk.trunk_only
    np.testing.assert_array_equal(trunk.parameters["conv5_3.weight"], content["features.28.weight"].numpy())
    assert not np.array_equal(trunk.parameters["conv1_1.weight"], content["features.0.weight"].numpy())  # folded
    plain = import_state_dict(tmp_path / "vgg16.pth", vgg, convention="caffe-bgr")
    np.testing.assert_array_equal(plain.parameters["conv1_1.weight"], content["features.0.weight"].numpy())
    with pytest.raises(UsageError, match="does not fit the trunk"):
        import_state_dict(tmp_path / "vgg16.pth", TINY)
    save_weights(tmp_path / "t.safetensors", trunk)
    assert load_weights(tmp_path / "t.safetensors").trunk_only


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for content in (b"", b"x" * 100):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a safetensors file"):
            load_weights(path)
    save_file({"a": np.zeros(3, dtype=np.float32)}, str(path))
    with pytest.raises(InputError, match="not a weights file of SSH"):
        load_weights(path)
    with pytest.raises(MissingDataError):
        load_weights(tmp_path / "nothing.safetensors")
    weights = random_weights(TINY)
    broken = {**weights.parameters, "m1.cls_score.bias": np.full(4, np.nan, dtype=np.float32)}
    with pytest.raises(InputError, match=r"m1\.cls_score\.bias.*not finite"):
        save_weights(path, replace(weights, parameters=broken))
    with pytest.raises(InputError, match=r"extra.*does not belong to any layer"):
        save_weights(path, replace(weights, parameters={**weights.parameters, "extra": np.zeros(1, dtype=np.float32)}))


@pytest.mark.parametrize(
    "change",
    [
        {"trunk": [[16]] * 4},
        {"trunk": [[16], [], [1], [1], [1]]},
        {"modules": [64, 64]},
        {"modules": [63, 64, 64]},
        {"lateral": 0},
    ],
)
def test_architectures_that_are_none(change: dict[str, Any]) -> None:
    good = {"name": "x", "trunk": [[4], [4], [4], [4], [4]], "lateral": 4, "modules": [4, 4, 4]}
    assert from_dict(good).name == "x"
    with pytest.raises(UsageError):
        from_dict({**good, **change})


def test_commands(sshbench: Any, writer: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "n.caffemodel").write_bytes(writer.caffemodel(random_weights(TINY)))
    out = tmp_path / "w.safetensors"
    code, text, err = sshbench(
        "weights", "import", tmp_path / "n.caffemodel", "-o", out, "--architecture", "ssh-tiny", "--json"
    )
    assert code == 0, err
    assert json.loads(text)["parameters"] == TINY.parameters()
    assert "ssh-tiny" in sshbench("weights", "info", out)[1]
    code, text, err = sshbench("weights", "export", out, "-o", tmp_path / "n.onnx", "--json")
    assert code == 0, err
    assert json.loads(text)["largest_relative_difference"] < 1e-4
    assert (tmp_path / "n.onnx").stat().st_size > 4 * TINY.parameters()
    code, _, err = sshbench("weights", "import", tmp_path / "n.caffemodel", "-o", out)
    assert (code, "conv1_1" in err) == (2, True)
