"""Networks of HR's shape as MatConvNet saves them, written from the paper's tables, and run layer by layer in float64.

Shares no code with sshbench: arrays have MatConvNet's layouts, kernels (rows, columns, inputs, outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import savemat

Array = npt.NDArray[np.float64]
MEAN = np.array([[119.2996], [110.54627], [101.83843]])


class Net:
    """A network that is being written.

    Args:
        seed: Of its random parameters.
    """

    def __init__(self, seed: int = 0) -> None:
        self.layers: list[dict[str, Any]] = []
        self.params: dict[str, npt.NDArray[np.float32]] = {}
        self.clusters = np.zeros((25, 5))
        self._rng = np.random.default_rng(seed)
        self._width = {"data": 3}

    def layer(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str],
        output: str | list[str],
        params: Sequence[str] = (),
        **block: Any,
    ) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.layers.append(
            {
                "type": f"dagnn.{kind}",
                "name": name,
                "inputs": inputs,
                "outputs": outputs,
                "params": params,
                "block": block,
            }
        )
        self._width[outputs[0]] = self._width.get(inputs[0], 0)
        return outputs[0]

    def conv(self, x: str, name: str, width: int, size: int, stride: int = 1, pad: int = 0, bias: bool = False) -> str:
        depth = self._width[x]
        spread = (2 / (depth * size * size)) ** 0.5
        self.params[f"{name}_filter"] = self._numbers(0, spread, (size, size, depth, width))
        if bias:
            self.params[f"{name}_bias"] = self._numbers(0, 0.1, (1, width))
        names = [f"{name}_filter", *([f"{name}_bias"] if bias else [])]
        shape = {"size": [size, size, depth, width], "hasBias": bias, "pad": [pad] * 4, "stride": [stride] * 2}
        self.layer("Conv", name, [x], name, names, opts=np.array(["cuDNN"], dtype=object), **shape)
        self._width[name] = width
        return name

    def norm(self, x: str, name: str) -> str:
        width = self._width[x]
        self.params[f"{name}_mult"] = self._numbers(1, 0.1, (width, 1))
        self.params[f"{name}_bias"] = self._numbers(0, 0.1, (width, 1))
        moments = np.abs(self._numbers(1, 0.2, (width, 2))) + np.float32(0.3)
        moments[:, 0] -= 1
        self.params[f"{name}_moments"] = moments
        names = [f"{name}_{part}" for part in ("mult", "bias", "moments")]
        return self.layer("BatchNorm", name, [x], f"{x}_n", names, numChannels=width, epsilon=1e-5)

    def relu(self, x: str, output: str) -> str:
        return self.layer("ReLU", f"{output}_relu", [x], output, leak=0, useShortCircuit=True)

    def pool(self, x: str, name: str, size: int, pad: Sequence[int]) -> str:
        return self.layer("Pooling", name, [x], name, method="max", poolSize=[size] * 2, stride=[2, 2], pad=pad)

    def block(self, x: str, name: str, width: int, stride: int, first: bool) -> str:
        short = self.norm(self.conv(x, f"res{name}_branch1", 4 * width, 1, stride), f"bn{name}_branch1") if first else x
        y = self.norm(self.conv(x, f"res{name}_branch2a", width, 1, stride), f"bn{name}_branch2a")
        y = self.conv(self.relu(y, f"res{name}_branch2ax"), f"res{name}_branch2b", width, 3, pad=1)
        y = self.relu(self.norm(y, f"bn{name}_branch2b"), f"res{name}_branch2bx")
        y = self.norm(self.conv(y, f"res{name}_branch2c", 4 * width, 1), f"bn{name}_branch2c")
        self.params[f"bn{name}_branch2c_mult"] /= 3
        return self.relu(self.layer("Sum", f"res{name}", [short, y], f"res{name}"), f"res{name}x")

    def predictors(self, fine: str, coarse: str, crop: Sequence[int]) -> None:
        deep = self.conv(coarse, "score_res4", 125, 1, bias=True)
        near = self.conv(fine, "score_res3", 125, 1, bias=True)
        line = np.array([0.25, 0.75, 0.75, 0.25])
        kernel = np.zeros((4, 4, 125, 125), dtype=np.float32)
        kernel[:, :, range(125), range(125)] = np.outer(line, line)[:, :, None]
        self.params["score4f"] = kernel
        sizes = {"size": [4, 4, 125, 125], "upsample": [2, 2], "crop": crop, "hasBias": False}
        self.layer("ConvTranspose", "score4", [deep], "score4", ["score4f"], numGroups=1, **sizes)
        self.layer("Sum", "fusex", [near, "score4"], "score_final")
        children = np.empty(2, dtype=object)
        children[:] = [np.arange(1, 26), np.arange(26, 126)]
        self.layer("Split", "split", ["score_final"], ["score_cls", "score_reg"], childIds=children)
        self.layer("Loss", "loss_cls", ["score_cls", "label_cls"], "loss_cls", loss="logistic")
        self.layer("HuberLoss", "loss_reg", ["score_reg", "label_reg"], "loss_reg")

    def write(self, path: Path) -> Path:
        """Write the file as MatConvNet's saveobj lays it out."""
        layers = [
            {
                **one,
                **{key: _cell(one[key]) for key in ("inputs", "outputs", "params")},
                "block": one["block"] or {"x": 0},
            }
            for one in self.layers
        ]
        params = [
            {"name": name, "value": value, "learningRate": 1.0, "weightDecay": 1.0}
            for name, value in self.params.items()
        ]
        names = [{"name": "data"}, *({"name": name} for one in self.layers for name in one["outputs"])]
        meta = {"normalization": {"averageImage": MEAN, "imageSize": [500, 500]}, "clusters": self.clusters}
        net = {"vars": _structs(names), "params": _structs(params), "layers": _structs(layers), "meta": meta}
        savemat(path, {"net": net}, do_compression=True)
        return path

    def run(self, image: Array) -> Array:
        """Return logits and deltas (h, w, 125) for an image (height, width, 3), as the test code runs the network."""
        kept: dict[str, Array] = {"data": image}
        for one in self.layers:
            if one["name"] == "split":
                return kept["score_final"]
            kept[one["outputs"][0]] = self._layer(one, [kept[name] for name in one["inputs"]])
        raise AssertionError("no split")

    def _layer(self, one: dict[str, Any], inputs: list[Array]) -> Array:
        x, block = inputs[0], one["block"]
        values = [self.params[name].astype(np.float64) for name in one["params"]]
        kind = one["type"].removeprefix("dagnn.")
        if kind == "Conv":
            made = _convolve(x, values[0], block["stride"][0], block["pad"][0])
            return made + values[1] if block["hasBias"] else made
        if kind == "BatchNorm":
            mult, shift = values[0][:, 0], values[1][:, 0]
            return mult * (x - values[2][:, 0]) / values[2][:, 1] + shift
        if kind == "DropOut":
            return x
        if kind == "ReLU":
            return np.maximum(x, 0)
        if kind == "Pooling":
            return _pool(x, block["poolSize"][0], block["pad"])
        if kind == "ConvTranspose":
            rows, columns, width = x.shape
            spread = np.zeros((2 * rows + 2, 2 * columns + 2, width))
            for i, j in np.ndindex(4, 4):
                spread[i : i + 2 * rows : 2, j : j + 2 * columns : 2] += x @ values[0][i, j]
            return spread[1:-2, 1:-2]
        if one["name"] == "fusex":
            return x[: inputs[1].shape[0], : inputs[1].shape[1]] + inputs[1]
        return x + inputs[1]

    def _numbers(self, mean: float, spread: float, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        return self._rng.normal(mean, spread, shape).astype(np.float32)


def resnet(third: Sequence[str], fourth: Sequence[str], width: int = 2, crop: Sequence[int] = (1, 2, 1, 2)) -> Net:
    """Return a narrow HR network with a ResNet trunk."""
    net = Net()
    x = net.relu(net.norm(net.conv("data", "conv1", width, 7, 2, 3), "bn_conv1"), "conv1x")
    x = net.pool(x, "pool1", 3, [0, 1, 0, 1])
    fine = ""
    for stage, blocks in enumerate((["2a", "2b", "2c"], third, fourth)):
        for position, name in enumerate(blocks):
            stride = 2 if stage and position == 0 else 1
            x = net.block(x, name, width * 2**stage, stride, position == 0)
        fine = x if stage == 1 else fine
    net.predictors(fine, x, crop)
    return net


def resnet101() -> Net:
    return resnet(["3a", "3b1", "3b2", "3b3"], ["4a", *(f"4b{i}" for i in range(1, 23))])


def resnet50() -> Net:
    return resnet([f"3{c}" for c in "abcd"], [f"4{c}" for c in "abcdef"], crop=(1, 1, 1, 1))


def vgg(width: int = 4) -> Net:
    """Return a narrow HR network with a VGG trunk, a dropout, and the names that a file might have."""
    net = Net()
    x, fine = "data", ""
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        x = x if stage == 1 else net.pool(x, f"pool{stage - 1}", 2, [0, 0, 0, 0])
        for position in range(1, depth + 1):
            name = f"conv{stage}_{position}"
            x = net.relu(net.conv(x, name, width, 3, pad=1, bias=True), f"{name}x")
        fine = x if stage == 4 else fine
    net.predictors(fine, net.layer("DropOut", "drop5", [x], "drop5x", rate=0.5, frozen=False), (1, 2, 1, 2))
    return net


def _convolve(x: Array, kernel: Array, stride: int, pad: int) -> Array:
    size = kernel.shape[0]
    padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    rows, columns = ((side + 2 * pad - size) // stride + 1 for side in x.shape[:2])
    total = np.zeros((rows, columns, kernel.shape[3]))
    for i, j in np.ndindex(size, size):
        total += (
            padded[i : i + stride * rows : stride, j : j + stride * columns : stride][:rows, :columns] @ kernel[i, j]
        )
    return total


def _pool(x: Array, size: int, pad: Sequence[int]) -> Array:
    top, bottom, left, right = pad
    padded = np.pad(x, ((top, bottom), (left, right), (0, 0)), constant_values=-np.inf)
    rows, columns = ((side - size) // 2 + 1 for side in padded.shape[:2])
    windows = [
        padded[i : i + 2 * rows : 2, j : j + 2 * columns : 2][:rows, :columns] for i, j in np.ndindex(size, size)
    ]
    return np.asarray(np.max(windows, axis=0), dtype=np.float64)


def _cell(texts: Sequence[str]) -> npt.NDArray[Any]:
    cell = np.empty((1, len(texts)), dtype=object)
    cell[0, :] = list(texts)
    return cell


def _structs(rows: Sequence[dict[str, Any]]) -> npt.NDArray[Any]:
    made = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for position, row in enumerate(rows):
        made[0, position] = tuple(row.values())
    return made
