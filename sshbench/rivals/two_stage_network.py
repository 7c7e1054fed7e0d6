"""The networks of Faster R-CNN and of CMS-RCNN's shape in PyTorch, in parts that are run and timed one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its usual name

from sshbench.rivals.networks import Normalised, add_layers, filled, run_trunk, without_storage
from sshbench.rivals.roi_pooling import pooled
from sshbench.rivals.two_stage_layers import BRANCHES, NORM_SCALE, RPN, STRIDE, CmsRcnnShape, FasterRcnn
from sshbench.ssh.anchors import Float32Array

Maps = Mapping[str, Tensor]
"""Feature maps (1, channels, h, w) by the layer that makes them."""


class FasterRcnnNetwork(nn.Module):
    """VGG-16, a region proposal network, RoI pooling and a head.

    Args:
        shape: Its layers.
    """

    def __init__(self, shape: FasterRcnn) -> None:
        super().__init__()
        self.steps, self.sources = shape.trunk(), shape.sources
        layers = (*self.steps, *shape.first_stage(), *shape.branch_convolutions(), *shape.inner_products())
        add_layers(self, layers)
        for name, width in shape.norms().items():
            self.add_module(name, Normalised(width, NORM_SCALE))

    def trunk(self, x: Tensor) -> Maps:
        """Return the maps that the other parts start from, for an input (1, 3, height, width), BGR minus the mean."""
        return run_trunk(self, self.steps, x, self.sources)

    def fused(self, maps: Maps) -> Tensor:
        """Return the map that proposals are predicted from."""
        return maps["conv5_3"]

    def rpn(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (1, 18, h, w) and deltas (1, 36, h, w)."""
        convolution, scores, deltas = (getattr(self, name) for name in RPN)
        x = F.relu(convolution(features))
        return scores(x), deltas(x)

    def pool(self, maps: Maps, rois: Float32Array, size: tuple[int, int]) -> list[Tensor]:
        """Return the pooled maps (k, channels, 7, 7) of regions, one tensor per source."""
        return [pooled(maps["conv5_3"], rois, STRIDE)]

    def head(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return class scores (k, 2), background and face, and deltas (k, 8), of both."""
        return self._predict(self._fully(parts[0], "fc6", "fc7"))

    def _fully(self, x: Tensor, *names: str) -> Tensor:
        x = x.flatten(1)  # by channel, row and column, as Caffe's weights have it
        for name in names:
            x = F.relu(getattr(self, name)(x))
        return x

    def _predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = self.get_submodule("cls_score"), self.get_submodule("bbox_pred")
        return scores(x), deltas(x)


class CmsRcnnNetwork(FasterRcnnNetwork):
    """CMS-RCNN's shape: three stages joined before the proposals, and again in a branch for face and for body."""

    def fused(self, maps: Maps) -> Tensor:
        """Pool the earlier maps to conv5_3's size, normalise each, join them, and apply the 1x1 convolution."""
        brought = {
            "conv5_3": maps["conv5_3"],
            "conv3_3": F.max_pool2d(maps["conv3_3"], 4, 4, ceil_mode=True),
            "conv4_3": F.max_pool2d(maps["conv4_3"], 2, 2, ceil_mode=True),
        }
        assert len({tuple(found.shape[2:]) for found in brought.values()}) == 1, "all pools round up"
        return self._joined("ms_rpn", [brought[name] for name in self.sources])

    def _joined(self, part: str, maps: Sequence[Tensor]) -> Tensor:
        normed = [getattr(self, f"{part}_{name}_norm")(x) for name, x in zip(self.sources, maps, strict=True)]
        joined: Tensor = getattr(self, f"{part}_fuse")(torch.cat(normed, dim=1))
        return joined

    def pool(self, maps: Maps, rois: Float32Array, size: tuple[int, int]) -> list[Tensor]:
        """Return the pooled maps of the face's regions, then of the body's, each by source."""
        strides = {"conv3_3": 4, "conv4_3": 8, "conv5_3": 16}
        return [
            pooled(maps[name], regions, strides[name])
            for regions in (rois, body_boxes(rois, size))
            for name in self.sources
        ]

    def head(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Run both branches, join their vectors, and predict."""
        count = len(self.sources)
        vectors = []
        for number, branch in enumerate(BRANCHES):
            joined = self._joined(branch, parts[number * count : (number + 1) * count])
            vectors.append(self._fully(joined, f"{branch}_fc6", f"{branch}_fc7"))
        return self._predict(torch.cat(vectors, dim=1))


def body_boxes(faces: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Return the body box of each face box, clipped: thrice as wide, four times as high, from the top of the face down.

    This rule is a guess: the paper's is fixed too, but is not known here.

    Args:
        faces: float32 (k, 4), corners.
        size: Height and width of the network's input.

    >>> body_boxes(np.array([[100, 50, 120, 80]], dtype=np.float32), (600, 800)).tolist()
    [[80.0, 50.0, 140.0, 170.0]]
    """
    x1, y1, x2, y2 = faces.T
    width, height = x2 - x1, y2 - y1
    made = np.column_stack((x1 - width, y1, x2 + width, y1 + 4 * height))
    limits = np.array([size[1] - 1, size[0] - 1] * 2, dtype=np.float32)
    clipped: Float32Array = np.clip(made, 0, limits).astype(np.float32)
    return clipped


def network_of(shape: FasterRcnn, parameters: Iterable[tuple[str, Float32Array]]) -> FasterRcnnNetwork:
    """Return the network with these parameters, in evaluation mode, float32 on the CPU."""
    with without_storage():
        network = CmsRcnnNetwork(shape) if isinstance(shape, CmsRcnnShape) else FasterRcnnNetwork(shape)
    filled(network, parameters)
    return network
