"""Read an HR network from a MatConvNet file: the graph from its layers, then parameters, mean and templates.

Source: MatConvNet, matlab/+dagnn/@DagNN/saveobj.m (layout) and the layers' classes; peiyunh/tiny,
cnn_widerface_test_AB.m (what the test code changes in the graph).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sshbench.errors import InputError, MissingDataError
from sshbench.files import sha256_of
from sshbench.records import FloatArray
from sshbench.rivals.hr_architectures import SCORES, TEMPLATES, TEST_CROP, architecture, recognised
from sshbench.rivals.hr_graph import BatchNorm, Convolution, Crop, Graph, Layer, Pool, Relu, Sum, Upsample
from sshbench.rivals.hr_structs import REMEDY, Struct, network_struct
from sshbench.rivals.hr_templates import difference_from_published
from sshbench.rivals.hr_weights import HrWeights
from sshbench.ssh.anchors import Float32Array

Parameters = dict[str, Float32Array]


def import_matconvnet(path: Path) -> HrWeights:
    """Read a network that MatConvNet saved.

    The graph is the one that the test code runs: training crops of the upsampling become those of the test, a crop
    stands before the sum of both predictors, and losses are left out.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not an HR network; the message names the layer, parameter or field.
    """
    if not path.is_file():
        raise MissingDataError(f"no weights file at {path}", remedy="Check the path")
    net = network_struct(path)
    stored = {param.text("name"): param for param in net.structs("params")}
    parameters: Parameters = {}
    layers = [layer for layer in net.structs("layers") if not _kind(layer).endswith("Loss")]
    reader = _Reader(stored, parameters, _input(layers, net))
    for layer in _in_running_order(layers, reader.input):
        reader.read(layer)
    output = reader.output(net)
    graph = _as_tested(Graph(name="hr-other", input=reader.input, output=output, layers=tuple(reader.layers)))
    graph = graph.model_copy(update={"name": recognised(graph)})
    _check_field(graph, path)
    meta = net.struct("meta")
    mean = meta.struct("normalization").numbers("averageImage", 3)
    templates = np.asarray(meta.raw("clusters"), dtype=np.float64)
    if templates.shape != (TEMPLATES, 5) or not np.isfinite(templates).all():
        raise meta.error(f"must be {TEMPLATES} rows of x1, y1, x2, y2, scale", "clusters", templates.shape)
    metadata = {"origin": f"MatConvNet {path.name}, sha256 {sha256_of(path)}", **_compared(templates)}
    return HrWeights(graph, parameters, (mean[0], mean[1], mean[2]), templates, metadata)


class _Reader:
    """Walks the layers of a file, and keeps their parameters.

    Args:
        stored: Parameters of the file by name.
        parameters: Takes those that are used, in PyTorch's layouts.
        image: Variable of the image.
    """

    def __init__(self, stored: dict[str, Struct], parameters: Parameters, image: str) -> None:
        self.layers: list[Layer] = []
        self.input = image
        self._stored, self._parameters = stored, parameters
        self._channels = {image: 3}
        self._same: dict[str, str] = {}  # outputs of layers that do nothing at test time, and what they repeat
        self._split: str | None = None
        self._readers: dict[str, Callable[[Struct, str, tuple[str, ...]], Layer]] = {
            "Conv": self._convolution,
            "BatchNorm": self._batch_norm,
            "ReLU": self._relu,
            "Pooling": self._pool,
            "Sum": lambda struct, name, inputs: Sum(name=name, inputs=inputs, output=_output(struct)),
            "ConvTranspose": self._upsample,
            "Crop": self._crop,
        }

    def read(self, struct: Struct) -> None:
        """Add one layer of the file."""
        kind, name = _kind(struct), struct.text("name")
        inputs = tuple(self._same.get(variable, variable) for variable in struct.texts("inputs"))
        if kind == "DropOut":
            self._same[_output(struct)] = inputs[0]
        elif kind == "Split":
            self._split = self._checked_split(struct, inputs)
        elif kind in self._readers:
            layer = self._readers[kind](struct, name, inputs)
            self.layers.append(layer)
            self._channels.setdefault(layer.output, self._channels[inputs[0]])
        else:
            raise struct.error(f"layer '{name}' is of a type that HR networks do not have", "type", kind)

    def output(self, net: Struct) -> str:
        """Return the variable of logits and deltas: what the split reads, or the only one that no layer reads."""
        used = {variable for layer in self.layers for variable in layer.inputs}
        ends = [layer.output for layer in self.layers if layer.output not in used]
        found = self._split or (ends[0] if len(ends) == 1 else None)
        if found is None or self._channels[found] != SCORES:
            raise net.error(f"has no output of {SCORES} channels, {TEMPLATES} logits and their deltas", "layers", ends)
        return found

    def _array(self, struct: Struct, index: int, shape: tuple[int, ...]) -> tuple[str, Float32Array]:
        names = struct.texts("params")
        if index >= len(names) or names[index] not in self._stored:
            raise struct.error(f"layer '{struct.text('name')}' lacks a parameter", "params", ", ".join(names))
        found = self._stored[names[index]].array("value")
        if found.size != np.prod(shape):
            raise self._stored[names[index]].error(f"must hold {shape} numbers", "value", found.shape)
        return names[index], np.ascontiguousarray(found.reshape(shape, order="F"))

    def _convolution(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> Convolution:
        block = struct.struct("block")
        rows, columns, depth, width = block.whole("size", 4)
        if depth != self._channels[inputs[0]]:
            raise block.error(f"layer '{name}' has {self._channels[inputs[0]]} inputs", "size", depth)
        key, kernels = self._array(struct, 0, (rows, columns, depth, width))
        self._parameters[key] = np.ascontiguousarray(kernels.transpose(3, 2, 0, 1))
        bias = None
        if bool(block.numbers("hasBias", 1)[0]):
            bias, self._parameters[bias] = self._array(struct, 1, (width,))
        self._channels[_output(struct)] = width
        return Convolution(
            name=name,
            inputs=inputs,
            output=_output(struct),
            filter=key,
            bias=bias,
            channels=(depth, width),
            kernel=(rows, columns),
            stride=_pair(block, "stride"),
            pad=_sides(block, "pad"),
            dilate=_pair(block, "dilate") if block.has("dilate") else (1, 1),
        )

    def _batch_norm(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> BatchNorm:
        channels = self._channels[inputs[0]]
        keys = []
        for index, shape in enumerate(((channels,), (channels,), (channels, 2))):
            key, found = self._array(struct, index, shape)
            self._parameters[key] = found
            keys.append(key)
        if (self._parameters[keys[2]][:, 1] <= 0).any():
            raise struct.error(f"layer '{name}' has a sigma that is not positive", "params", keys[2])
        return BatchNorm(
            name=name,
            inputs=inputs,
            output=_output(struct),
            mult=keys[0],
            shift=keys[1],
            moments=keys[2],
            channels=channels,
        )

    def _relu(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> Relu:
        block = struct.struct("block")
        if block.has("leak") and any(block.numbers("leak")):
            raise block.error(f"layer '{name}' must not leak", "leak", block.numbers("leak"))
        return Relu(name=name, inputs=inputs, output=_output(struct))

    def _pool(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> Pool:
        block = struct.struct("block")
        if block.text("method") != "max":
            raise block.error(f"layer '{name}' must take maxima", "method", block.text("method"))
        kernel, stride = _pair(block, "poolSize"), _pair(block, "stride")
        return Pool(
            name=name, inputs=inputs, output=_output(struct), kernel=kernel, stride=stride, pad=_sides(block, "pad")
        )

    def _upsample(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> Upsample:
        block = struct.struct("block")
        rows, columns, width, depth = block.whole("size", 4)
        channels = self._channels[inputs[0]]
        if (width, depth) != (channels, channels) or bool(block.numbers("hasBias", 1)[0]):
            raise block.error(f"layer '{name}' must map {channels} channels to as many, without a bias", "size", width)
        key, kernels = self._array(struct, 0, (rows, columns, width, depth))
        own = kernels[:, :, np.arange(channels), np.arange(channels)].copy()
        if np.count_nonzero(kernels) != np.count_nonzero(own):
            raise struct.error(f"layer '{name}' mixes channels, where each must be upsampled alone", "params", key)
        # MatConvNet's transposed convolution is the adjoint of its convolution, as PyTorch's is: no flip.
        self._parameters[key] = np.ascontiguousarray(own.transpose(2, 0, 1)[:, None])
        return Upsample(
            name=name,
            inputs=inputs,
            output=_output(struct),
            filter=key,
            channels=channels,
            kernel=(rows, columns),
            up=_pair(block, "upsample"),
            crop=_sides(block, "crop"),
        )

    def _crop(self, struct: Struct, name: str, inputs: tuple[str, ...]) -> Crop:
        block = struct.struct("block")
        if any(block.numbers("crop", 2)) or len(inputs) != 2:
            raise block.error(f"layer '{name}' must keep the top left corner", "crop", block.numbers("crop"))
        return Crop(name=name, inputs=inputs, output=_output(struct))

    def _checked_split(self, struct: Struct, inputs: tuple[str, ...]) -> str:
        block = struct.struct("block")
        first = np.asarray(block.raw("childIds"), dtype=object).reshape(-1)[0]
        if np.asarray(first).reshape(-1).tolist() != list(range(1, TEMPLATES + 1)):
            raise block.error(f"must begin with the logits of {TEMPLATES} templates", "childIds")
        return inputs[0]


def _as_tested(graph: Graph) -> Graph:
    """Return the graph as the test code changes it: its crop of the upsampled map, and a crop before the sum."""
    layers: list[Layer] = []
    upsampled: set[str] = set()
    cropped: set[str] = set()
    for layer in graph.layers:
        made: Layer = layer
        if isinstance(layer, Upsample):
            made = layer.model_copy(update={"crop": TEST_CROP})
            upsampled.add(layer.output)
        elif isinstance(layer, Crop):
            cropped.add(layer.output)
        elif isinstance(layer, Sum) and (up := [name for name in layer.inputs if name in upsampled]):
            others = [name for name in layer.inputs if name not in upsampled | cropped]
            layers += [Crop(name=f"crop_{name}", inputs=(name, up[0]), output=f"{name}_cropped") for name in others]
            inputs = tuple(f"{name}_cropped" if name in others else name for name in layer.inputs)
            made = layer.model_copy(update={"inputs": inputs})
        layers.append(made)
    return graph.model_copy(update={"layers": tuple(layers)})


def _check_field(graph: Graph, path: Path) -> None:
    """Compare the receptive field, on which the place of every box depends, with that of the architecture."""
    field = graph.receptive_field()
    expected = field if graph.name == "hr-other" else architecture(graph.name).receptive_field()
    if field != expected or field.stride != 8:
        raise InputError(
            f"has receptive field {field.size:g} / {field.stride:g} / {field.offset:g} (size, stride, offset)",
            file=path,
            remedy=REMEDY,
        )


def _compared(templates: FloatArray) -> dict[str, str]:
    difference = difference_from_published(templates)
    same = difference < 5e-5  # the published list has some of them with four digits
    return {"templates": "as published" if same else f"differ from the published ones by up to {difference:g}"}


def _kind(struct: Struct) -> str:
    return struct.text("type").rpartition(".")[2]


def _input(layers: list[Struct], net: Struct) -> str:
    """Return the only variable that layers read and none writes."""
    written = {name for layer in layers for name in layer.texts("outputs")}
    read = sorted({name for layer in layers for name in layer.texts("inputs")} - written)
    if len(read) != 1:
        raise net.error("must have the image as its only input", "layers", ", ".join(read))
    return read[0]


def _in_running_order(layers: list[Struct], image: str) -> Iterator[Struct]:
    """Yield every layer after those whose outputs it reads; a file has them in the order of their making."""
    known, waiting = {image}, layers
    while waiting:
        ready = [layer for layer in waiting if known.issuperset(layer.texts("inputs"))]
        if not ready:
            raise waiting[0].error("reads what depends on itself", "inputs", ", ".join(waiting[0].texts("inputs")))
        yield from ready
        known.update(name for layer in ready for name in layer.texts("outputs"))
        waiting = [layer for layer in waiting if layer not in ready]


def _output(struct: Struct) -> str:
    return struct.texts("outputs")[0]


def _pair(block: Struct, field: str) -> tuple[int, int]:
    rows, columns = block.whole(field, 2)
    return rows, columns


def _sides(block: Struct, field: str) -> tuple[int, int, int, int]:
    top, bottom, left, right = block.whole(field, 4)
    return top, bottom, left, right
