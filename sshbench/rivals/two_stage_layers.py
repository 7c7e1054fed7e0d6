"""Faster R-CNN with a VGG-16 trunk, and the shape of CMS-RCNN, as data: layers and work.

Sources: Jiang and Learned-Miller, Face Detection with the Faster R-CNN, 2016, and the test.prototxt of its release;
Zhu et al., CMS-RCNN, 2016, from summaries: its authors published neither code nor weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from sshbench.rivals.layers import Conv, Linear, Step, sizes, vgg16

ANCHORS = 9
POOLED = 7
"""Side of the map that RoI pooling makes."""
STRIDE = 16
RPN = ("rpn_conv/3x3", "rpn_cls_score", "rpn_bbox_pred")
PREDICTORS = frozenset(f"{name}.weight" for name in (*RPN[1:], "cls_score", "bbox_pred"))


@dataclass(frozen=True, slots=True)
class FasterRcnn:
    """The network of Faster R-CNN.

    Attributes:
        narrow: All widths but those of the predictors are divided by this; 1 for the published network.
    """

    narrow: int = 1

    @property
    def sources(self) -> tuple[str, ...]:
        """The maps that the network goes on with."""
        return ("conv5_3",)

    def trunk(self) -> list[Step]:
        """Return the steps from conv1_1 to conv5_3."""
        return vgg16(self.narrow)

    def first_stage(self) -> list[Conv]:
        """Return the convolutions after the trunk, all at its stride: the region proposal network."""
        width = 512 // self.narrow
        return [
            Conv(RPN[0], width, width),
            Conv(RPN[1], width, 2 * ANCHORS, 1, pad=0),
            Conv(RPN[2], width, 4 * ANCHORS, 1, pad=0),
        ]

    def branch_convolutions(self) -> list[Conv]:
        """Return the convolutions on pooled maps: none."""
        return []

    def inner_products(self) -> list[Linear]:
        """Return the layers of the head."""
        width = 4096 // self.narrow
        return [
            Linear("fc6", 512 // self.narrow * POOLED**2, width),
            Linear("fc7", width, width),
            *predictors(width),
        ]

    def norms(self) -> Mapping[str, int]:
        """Return the channels of each L2 normalisation by name: none."""
        return {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name.

        >>> sum(prod(shape) for shape in FasterRcnn().shapes().values())
        136689024
        """
        layers = (*self.trunk(), *self.first_stage(), *self.branch_convolutions(), *self.inner_products())
        found = {name: shape for layer in layers if isinstance(layer, Conv | Linear) for name, shape in _shapes(layer)}
        return found | {f"{name}.weight": (width,) for name, width in self.norms().items()}

    def parameters(self) -> int:
        """Return the number of learnt parameters."""
        return sum(prod(shape) for shape in self.shapes().values())

    def maps(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Return height and width of the output of each convolution of the trunk by name.

        >>> FasterRcnn().maps(600, 1000)["conv5_3"]
        (38, 63)
        """
        return {step.name: (h, w) for step, h, w in sizes(self.trunk(), height, width) if isinstance(step, Conv)}

    def first_gflop(self, height: int, width: int) -> float:
        """Return 10^9 operations of trunk and region proposal network for an input of this size."""
        maps = self.maps(height, width)
        work = sum(step.operations(*maps[step.name]) for step in self.trunk() if isinstance(step, Conv))
        return (work + sum(conv.operations(*maps["conv5_3"]) for conv in self.first_stage())) / 1e9

    def head_gflop(self, proposals: int) -> float:
        """Return 10^9 operations of the head for so many proposals.

        >>> round(FasterRcnn().head_gflop(300), 1)
        71.7
        """
        cells = proposals * POOLED**2
        work = sum(conv.operations(cells, 1) for conv in self.branch_convolutions())
        return (work + sum(layer.operations(proposals) for layer in self.inner_products())) / 1e9


@dataclass(frozen=True, slots=True)
class CmsRcnnShape(FasterRcnn):
    """The shape of CMS-RCNN as far as summaries tell it: maps of three stages joined, a face and a body branch.

    The widths of the 1x1 convolutions are those of a public reconstruction of the first stage; that the branches share
    nothing, and where the body box lies, are guesses.
    """

    @property
    def sources(self) -> tuple[str, ...]:
        """The maps that are joined, in their order."""
        return ("conv5_3", "conv3_3", "conv4_3")

    def _joined(self) -> tuple[int, ...]:
        return tuple(width // self.narrow for width in (512, 256, 512))

    def first_stage(self) -> list[Conv]:
        """Return the convolution that joins the maps, and the region proposal network."""
        fuse = Conv("ms_rpn_fuse", sum(self._joined()), 512 // self.narrow, 1, pad=0)
        return [fuse, *FasterRcnn.first_stage(self)]

    def branch_convolutions(self) -> list[Conv]:
        """Return the convolution of each branch on its joined pooled maps."""
        return [Conv(f"{branch}_fuse", sum(self._joined()), 512 // self.narrow, 1, pad=0) for branch in BRANCHES]

    def inner_products(self) -> list[Linear]:
        """Return the layers of both branches, and the predictors on their joined vectors."""
        width, inputs = 4096 // self.narrow, 512 // self.narrow * POOLED**2
        found = []
        for branch in BRANCHES:
            found += [Linear(f"{branch}_fc6", inputs, width), Linear(f"{branch}_fc7", width, width)]
        return [*found, *predictors(len(BRANCHES) * width)]

    def norms(self) -> Mapping[str, int]:
        """Return the channels of each L2 normalisation by name, for the first stage and for each branch."""
        widths = dict(zip(self.sources, self._joined(), strict=True))
        return {f"{part}_{name}_norm": width for part in ("ms_rpn", *BRANCHES) for name, width in widths.items()}


BRANCHES = ("face", "body")
NORM_SCALE = 20.0
"""Start of all learnt scales in the public reconstruction; it does not change the time."""


def predictors(width: int) -> Iterable[Linear]:
    """Return the layers that predict the scores of background and face and the boxes of both."""
    return Linear("cls_score", width, 2), Linear("bbox_pred", width, 8)


def _shapes(layer: Conv | Linear) -> Iterable[tuple[str, tuple[int, ...]]]:
    return layer.shapes.items()
