"""The graphs of the published HR networks, for random weights and to recognise an imported file.

Source: peiyunh/tiny, init/cnn_add_loss_fcn8s_resnet101_simple.m (MIT, 2017-05-02): ResNet of Caffe's kind, strides in
the first 1x1 convolution, cut at res5, two predictors. ResNet-50 is by analogy, as a copy of the authors' surgery has
it. Of VGG-16 no source was published: `hr-vgg16` is a **guess** by analogy, conv4_3 and conv5_3 with one predictor
each, and serves for timing alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sshbench.errors import UsageError, did_you_mean
from sshbench.rivals.hr_graph import BatchNorm, Convolution, Crop, Graph, Layer, Pool, Relu, Sum, Upsample

TEMPLATES = 25
SCORES = 5 * TEMPLATES
"""Channels of the output: a class logit and four deltas for each template."""
TEST_CROP = (1, 2, 1, 2)
"""What the test code cuts off the upsampled map, whatever the training did."""


class Builder:
    """A graph that is being written.

    Args:
        thin: Divisor of all widths of the trunk; above 1 for tests.
    """

    def __init__(self, thin: int = 1) -> None:
        self.layers: list[Layer] = []
        self._thin = thin
        self._channels = {"data": 3}

    def convolution(
        self, x: str, name: str, width: int, kernel: int, *, stride: int = 1, pad: int = 0, bias: bool = False
    ) -> str:
        """Add a convolution; return its output."""
        inputs = self._channels[x]
        self.layers.append(
            Convolution(
                name=name,
                inputs=(x,),
                output=name,
                filter=f"{name}_filter",
                bias=f"{name}_bias" if bias else None,
                channels=(inputs, width),
                kernel=(kernel, kernel),
                stride=(stride, stride),
                pad=(pad,) * 4,
            )
        )
        self._channels[name] = width
        return name

    def trunk(self, x: str, name: str, width: int, kernel: int, stride: int = 1, pad: int = 0) -> str:
        """Add a convolution of the trunk with its batch normalisation; return the output."""
        made = self.convolution(x, name, max(width // self._thin, 1), kernel, stride=stride, pad=pad)
        norm = f"bn{name.removeprefix('res')}" if name.startswith("res") else f"bn_{name}"
        self.layers.append(
            BatchNorm(
                name=norm,
                inputs=(made,),
                output=f"{made}_bn",
                mult=f"{norm}_mult",
                shift=f"{norm}_bias",
                moments=f"{norm}_moments",
                channels=self._channels[made],
            )
        )
        self._channels[f"{made}_bn"] = self._channels[made]
        return f"{made}_bn"

    def relu(self, x: str, output: str) -> str:
        """Add a ReLU; return its output."""
        self.layers.append(Relu(name=f"{output}_relu", inputs=(x,), output=output))
        self._channels[output] = self._channels[x]
        return output

    def plain(self, x: str, name: str, width: int) -> str:
        """Add a 3x3 convolution with bias and ReLU; return the output."""
        width = max(width // self._thin, 1)
        return self.relu(self.convolution(x, name, width, 3, pad=1, bias=True), f"{name}x")

    def pool(self, x: str, name: str, kernel: int, after: int) -> str:
        """Add a max pool of stride 2 that reaches over the bottom and right by `after`; return its output."""
        self.layers.append(
            Pool(name=name, inputs=(x,), output=name, kernel=(kernel, kernel), stride=(2, 2), pad=(0, after, 0, after))
        )
        self._channels[name] = self._channels[x]
        return name

    def bottleneck(self, x: str, name: str, width: int, stride: int, *, first: bool) -> str:
        """Add a residual block, three convolutions and for the first of a stage one on the other way."""
        other = self.trunk(x, f"res{name}_branch1", 4 * width, 1, stride) if first else x
        inner = self.relu(self.trunk(x, f"res{name}_branch2a", width, 1, stride), f"res{name}_branch2ax")
        inner = self.relu(self.trunk(inner, f"res{name}_branch2b", width, 3, pad=1), f"res{name}_branch2bx")
        inner = self.trunk(inner, f"res{name}_branch2c", 4 * width, 1)
        self.layers.append(Sum(name=f"res{name}", inputs=(other, inner), output=f"res{name}"))
        self._channels[f"res{name}"] = self._channels[inner]
        return self.relu(f"res{name}", f"res{name}x")

    def scores(self, fine: str, coarse: str, name: str, names: tuple[str, str]) -> Graph:
        """Add both predictors and their sum; return the graph."""
        deep = self.convolution(coarse, f"score_{names[1]}", SCORES, 1, bias=True)
        near = self.convolution(fine, f"score_{names[0]}", SCORES, 1, bias=True)
        self.layers.append(
            Upsample(
                name="score4",
                inputs=(deep,),
                output="score4",
                filter="score4f",
                channels=SCORES,
                kernel=(4, 4),
                up=(2, 2),
                crop=TEST_CROP,
            )
        )
        self.layers.append(Crop(name="cropx", inputs=(near, "score4"), output=f"{near}c"))
        self.layers.append(Sum(name="fusex", inputs=(f"{near}c", "score4"), output="score_final"))
        return Graph(name=name, output="score_final", layers=tuple(self.layers))


def resnet101(thin: int = 1) -> Graph:
    """Return the graph of HR-ResNet101."""
    third = ["3a", *(f"3b{i}" for i in range(1, 4))]
    return _resnet("hr-resnet101", third, ["4a", *(f"4b{i}" for i in range(1, 23))], thin)


def resnet50(thin: int = 1) -> Graph:
    """Return the graph of HR-ResNet50."""
    return _resnet("hr-resnet50", [f"3{c}" for c in "abcd"], [f"4{c}" for c in "abcdef"], thin)


def vgg16(thin: int = 1) -> Graph:
    """Return the guessed graph of HR-VGG16."""
    made = Builder(thin)
    x, fine = "data", ""
    for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        x = x if stage == 1 else made.pool(x, f"pool{stage - 1}", 2, after=0)
        for position in range(1, depth + 1):
            x = made.plain(x, f"conv{stage}_{position}", width)
        fine = x if stage == 4 else fine
    return made.scores(fine, x, "hr-vgg16", ("conv4", "conv5"))


def _resnet(name: str, third: list[str], fourth: list[str], thin: int) -> Graph:
    made = Builder(thin)
    x = made.relu(made.trunk("data", "conv1", 64, 7, 2, 3), "conv1x")
    x = made.pool(x, "pool1", 3, after=1)
    for position, block in enumerate(("2a", "2b", "2c")):
        x = made.bottleneck(x, block, 64, 1, first=position == 0)
    for position, block in enumerate(third):
        x = made.bottleneck(x, block, 128, 2 if position == 0 else 1, first=position == 0)
    fine = x
    for position, block in enumerate(fourth):
        x = made.bottleneck(x, block, 256, 2 if position == 0 else 1, first=position == 0)
    return made.scores(fine, x, name, ("res3", "res4"))


_BUILDERS: dict[str, Callable[[int], Graph]] = {"hr-resnet101": resnet101, "hr-resnet50": resnet50, "hr-vgg16": vgg16}
NAMES = tuple(_BUILDERS)


@cache
def architecture(name: str, thin: int = 1) -> Graph:
    """Return the graph of an architecture.

    Args:
        name: One of `NAMES`.
        thin: Divisor of the trunk's widths; above 1 for tests.

    Raises:
        UsageError: There is no such architecture.

    >>> architecture("hr-resnet101").parameters()
    27727674
    """
    if name not in _BUILDERS:
        raise UsageError(f"there is no architecture '{name}'", remedy=did_you_mean(name, NAMES))
    return _BUILDERS[name](thin)


def recognised(graph: Graph) -> str:
    """Return which architecture a graph is, whatever its widths; `hr-other` for none of them.

    Names and geometry of convolutions and pools decide; names of other layers differ between files.
    """
    skeleton = _skeleton(graph)
    return next((name for name in NAMES if _skeleton(architecture(name)) == skeleton), "hr-other")


def _skeleton(graph: Graph) -> list[str]:
    parts = [
        f"{layer.filter} {layer.kernel} {layer.stride} {layer.pad} {layer.dilate}"
        for layer in graph.layers
        if isinstance(layer, Convolution)
    ]
    pools = [f"{one.kernel} {one.stride} {one.pad}" for one in graph.layers if isinstance(one, Pool)]
    ups = [f"{one.kernel} {one.up} {one.crop}" for one in graph.layers if isinstance(one, Upsample)]
    return [*sorted(parts), *pools, *ups]
