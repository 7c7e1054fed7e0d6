"""The graph of an HR network, as its weights file describes it: sizes, receptive fields, parameters and work.

The layers follow MatConvNet's conventions: sizes round down, paddings and crops name all four sides, coordinates of
receptive fields start at 1.

Source: MatConvNet, matlab/+dagnn (Filter.m, Conv.m, ConvTranspose.m, Pooling.m, Crop.m, getVarReceptiveFields.m).
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from sshbench.models import StrictModel

Pair = tuple[PositiveInt, PositiveInt]
"""Of rows and of columns."""
_Side = Annotated[int, Field(ge=0)]
Sides = tuple[_Side, _Side, _Side, _Side]
"""At the top, bottom, left and right, as MatConvNet orders them."""
Shape = tuple[int, int, int]
"""Channels, height and width of a variable."""


class _Layer(StrictModel):
    """A layer with one output.

    Attributes:
        name: Name of the layer in its file.
        inputs: Variables that it reads.
        output: Variable that it writes.
    """

    name: str
    inputs: tuple[str, ...]
    output: str


class Convolution(_Layer):
    """A convolution; its parameters are `filter` (outputs, inputs, rows, columns) and `bias` (outputs,).

    Attributes:
        filter: Name of the filters.
        bias: Name of the bias; None where there is none.
        channels: Number of inputs and of outputs.
        kernel: Size of the filters.
        stride: Step of the filters.
        pad: Zeros around the input.
        dilate: Distance between the filters' elements.
    """

    kind: Literal["convolution"] = "convolution"
    filter: str
    bias: str | None
    channels: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    pad: Sides = (0, 0, 0, 0)
    dilate: Pair = (1, 1)


class BatchNorm(_Layer):
    """A batch normalisation: `mult` (channels,), `shift` (channels,), `moments` (channels, 2), mean and sigma.

    Sigma is the root of the variance plus epsilon; it is not the variance.
    """

    kind: Literal["batch-norm"] = "batch-norm"
    mult: str
    shift: str
    moments: str
    channels: int


class Relu(_Layer):
    """A rectified linear unit."""

    kind: Literal["relu"] = "relu"


class Pool(_Layer):
    """A maximum over windows; outside of the input is nothing.

    Attributes:
        kernel: Size of the window.
        stride: Step of the window.
        pad: How far windows reach over the input.
    """

    kind: Literal["pool"] = "pool"
    kernel: Pair
    stride: Pair
    pad: Sides = (0, 0, 0, 0)


class Sum(_Layer):
    """The sum of its inputs."""

    kind: Literal["sum"] = "sum"


class Upsample(_Layer):
    """A transposed convolution of each channel alone; `filter` (channels, 1, rows, columns) is no trained parameter.

    Attributes:
        filter: Name of the kernels.
        channels: Number of channels.
        kernel: Size of the kernels.
        up: Factor.
        crop: What is cut off the result.
    """

    kind: Literal["upsample"] = "upsample"
    filter: str
    channels: int
    kernel: Pair
    up: Pair
    crop: Sides


class Crop(_Layer):
    """The first input, cut to the size of the second; what is left over goes at the bottom and right."""

    kind: Literal["crop"] = "crop"


Layer = Annotated[
    Convolution | BatchNorm | Relu | Pool | Sum | Upsample | Crop,
    Field(discriminator="kind"),
]


class ReceptiveField(StrictModel):
    """What of the image a cell of a variable sees, the same for rows and columns.

    Attributes:
        size: Side in pixels.
        stride: Pixels from one cell to the next.
        offset: Centre of the first cell; the image's first pixel is 1.
    """

    size: float
    stride: float
    offset: float

    def then(self, size: float, stride: float, offset: float) -> ReceptiveField:
        """Return the field of a layer with these properties upon a variable with this field.

        >>> ReceptiveField(size=1, stride=1, offset=1).then(size=3, stride=2, offset=1.5).offset
        1.5
        """
        return ReceptiveField(
            size=self.size + self.stride * (size - 1),
            stride=self.stride * stride,
            offset=self.offset + self.stride * (offset - 1),
        )


class Graph(StrictModel):
    """A network.

    Attributes:
        name: Name of the architecture.
        input: Variable of the image, RGB minus the mean.
        output: Variable of class logits, then deltas.
        layers: In an order in which they can run.
    """

    name: str
    input: str = "data"
    output: str
    layers: tuple[Layer, ...]

    @model_validator(mode="after")
    def _connected(self) -> Self:
        """Refuse a layer whose inputs nothing before it writes, or have other channels."""
        channels = {self.input: 3}
        for layer in self.layers:
            if not layer.inputs or any(name not in channels for name in layer.inputs) or layer.output in channels:
                raise ValueError(f"layer '{layer.name}' is not connected: {', '.join(layer.inputs)} -> {layer.output}")
            widths = [channels[name] for name in layer.inputs]
            expected, channels[layer.output] = _widths(layer, widths)
            if widths != expected:
                raise ValueError(f"layer '{layer.name}' has inputs of {widths} channels, where it takes {expected}")
        if self.output not in channels:
            raise ValueError(f"no layer writes the output '{self.output}'")
        return self

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name, the fixed kernels too."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            if isinstance(layer, Convolution):
                shapes[layer.filter] = (layer.channels[1], layer.channels[0], *layer.kernel)
                if layer.bias is not None:
                    shapes[layer.bias] = (layer.channels[1],)
            elif isinstance(layer, BatchNorm):
                shapes |= {layer.mult: (layer.channels,), layer.shift: (layer.channels,)}
                shapes[layer.moments] = (layer.channels, 2)
            elif isinstance(layer, Upsample):
                shapes[layer.filter] = (layer.channels, 1, *layer.kernel)
        return shapes

    def parameters(self) -> int:
        """Count trained numbers: a batch normalisation has two per channel, and the fixed kernels do not count."""
        counts = 0
        for layer in self.layers:
            if isinstance(layer, Convolution):
                counts += prod(layer.channels) * prod(layer.kernel) + (layer.channels[1] if layer.bias else 0)
            elif isinstance(layer, BatchNorm):
                counts += 2 * layer.channels
        return counts

    def shapes(self, height: int, width: int) -> dict[str, Shape]:
        """Return channels, height and width of every variable for an image of this size; a side may be 0 or less."""
        found: dict[str, Shape] = {self.input: (3, height, width)}
        for layer in self.layers:
            found[layer.output] = _shape(layer, [found[name] for name in layer.inputs])
        return found

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output for an image of this size; 0 by 0 where the image is too small."""
        shapes = self.shapes(height, width)
        if min(min(shape) for shape in shapes.values()) < 1:
            return 0, 0
        return shapes[self.output][1:]

    def operations(self, height: int, width: int) -> float:
        """Return the operations of all convolutions for an image, a multiplication and its addition counted as two."""
        shapes = self.shapes(height, width)
        total = 0.0
        for layer in self.layers:
            if isinstance(layer, Convolution):
                total += 2.0 * prod(shapes[layer.output]) * layer.channels[0] * prod(layer.kernel)
            elif isinstance(layer, Upsample):
                total += 2.0 * prod(shapes[layer.inputs[0]]) * prod(layer.kernel)
        return total

    def receptive_field(self) -> ReceptiveField:
        """Return the receptive field of the output, computed layer by layer along the rows."""
        found = {self.input: ReceptiveField(size=1, stride=1, offset=1)}
        for layer in self.layers:
            found[layer.output] = _field(layer, [found[name] for name in layer.inputs])
        return found[self.output]


def _widths(layer: Layer, widths: list[int]) -> tuple[list[int], int]:
    """Return the channels that the inputs of a layer must have, and those of its output."""
    if isinstance(layer, Convolution):
        return [layer.channels[0]], layer.channels[1]
    if isinstance(layer, BatchNorm | Upsample):
        return [layer.channels], layer.channels
    if isinstance(layer, Sum):
        return [widths[0]] * max(len(widths), 2), widths[0]
    if isinstance(layer, Crop):
        return [widths[0], widths[-1]], widths[0]
    return [widths[0]], widths[0]


def _shape(layer: Layer, inputs: list[Shape]) -> Shape:
    channels, height, width = inputs[0]
    if isinstance(layer, Crop):
        return channels, *inputs[1][1:]
    if isinstance(layer, Upsample):
        rows, columns = (
            up * (side - 1) + size - before - after
            for side, size, up, (before, after) in _by_axis((height, width), layer.kernel, layer.up, layer.crop)
        )
        return channels, rows, columns
    if isinstance(layer, Convolution | Pool):
        kernel = layer.kernel
        if isinstance(layer, Convolution):
            kernel = (_reach(kernel[0], layer.dilate[0]), _reach(kernel[1], layer.dilate[1]))
            channels = layer.channels[1]
        rows, columns = (
            (side + before + after - size) // step + 1
            for side, size, step, (before, after) in _by_axis((height, width), kernel, layer.stride, layer.pad)
        )
        return channels, rows, columns
    return channels, height, width


def _by_axis(
    sides: tuple[int, int], kernel: Pair, step: Pair, around: Sides
) -> zip[tuple[int, int, int, tuple[int, int]]]:
    return zip(sides, kernel, step, (around[:2], around[2:]), strict=True)


def _reach(kernel: int, dilate: int) -> int:
    return (kernel - 1) * dilate + 1


def _field(layer: Layer, inputs: list[ReceptiveField]) -> ReceptiveField:
    first = inputs[0]
    if isinstance(layer, Sum):
        low = min(field.offset - (field.size - 1) / 2 for field in inputs)
        high = max(field.offset + (field.size - 1) / 2 for field in inputs)
        return ReceptiveField(size=high - low + 1, stride=first.stride, offset=(low + high) / 2)
    if isinstance(layer, Upsample):
        size, up = layer.kernel[0], layer.up[0]
        return first.then((size - 1) / up + 1, 1 / up, 1 + (2 * layer.crop[0] - size + 1) / (2 * up))
    if isinstance(layer, Convolution | Pool):
        size = _reach(layer.kernel[0], layer.dilate[0]) if isinstance(layer, Convolution) else layer.kernel[0]
        return first.then(size, layer.stride[0], 1 + (size - 1) / 2 - layer.pad[0])
    return first
