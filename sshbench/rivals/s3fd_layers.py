"""S3FD with a VGG-16 trunk as data: both published variants, their layers, output sizes and work.

Source: Zhang et al., S3FD: Single Shot Scale-invariant Face Detector, ICCV 2017; the deploy.prototxt of its release;
S3FD.pytorch for the dilated variant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from sshbench.rivals.layers import Conv, Pool, Step, channels, sizes, vgg16


@dataclass(frozen=True, slots=True)
class Source:
    """A feature map that boxes are predicted from.

    Attributes:
        layer: The convolution whose output it is.
        stride: Pixels of the input per cell.
        side: Side of the square box of each cell in pixels.
        scale: Published start of the learnt scale of its L2 normalisation; 0 where it has none.
        background: Background scores per cell; the largest counts.
    """

    layer: str
    stride: int
    side: int
    scale: float = 0.0
    background: int = 1

    @property
    def head(self) -> str:
        """Start of the names of its predictors."""
        return f"{self.layer}_norm" if self.scale else self.layer


SOURCES = (
    Source("conv3_3", 4, 16, 10.0, background=3),
    Source("conv4_3", 8, 32, 8.0),
    Source("conv5_3", 16, 64, 5.0),
    Source("fc7", 32, 128),
    Source("conv6_2", 64, 256),
    Source("conv7_2", 128, 512),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """Which of the published networks it is.

    Attributes:
        fc6_pad: Zeros around fc6: 3 in the released model (its map grows by 4), 1 in the corrected definition.
        dilated: The PyTorch retraining: fc6 is dilated by 6 with pad 6, and pools other than pool3 round down.
        narrow: All widths but those of the predictors are divided by this; 1 for the published network.
    """

    fc6_pad: int = 3
    dilated: bool = False
    narrow: int = 1

    @property
    def name(self) -> str:
        """Name for readers."""
        return "fc6 dilated by 6" if self.dilated else f"fc6 pad {self.fc6_pad}"

    def trunk(self) -> list[Step]:
        """Return the steps from conv1_1 to conv7_2; a ReLU follows each convolution."""
        ceil = (False, False, True, False, False) if self.dilated else (True,) * 5
        steps = vgg16(self.narrow, ceil[:4])
        fc6 = {"pad": 6, "dilation": 6} if self.dilated else {"pad": self.fc6_pad}
        half, full, quarter, small = (width // self.narrow for width in (512, 1024, 256, 128))
        return [
            *steps,
            Pool(ceil[4]),
            Conv("fc6", half, full, **fc6),
            Conv("fc7", full, full, 1, pad=0),
            Conv("conv6_1", full, quarter, 1, pad=0),
            Conv("conv6_2", quarter, half, stride=2),
            Conv("conv7_1", half, small, 1, pad=0),
            Conv("conv7_2", small, quarter, stride=2),
        ]

    def predictors(self) -> Iterator[tuple[Source, Conv, Conv]]:
        """Yield each source with the convolutions of its scores and of its box deltas."""
        width = channels(self.trunk())
        for source in SOURCES:
            inputs = width[source.layer]
            scores = Conv(f"{source.head}_mbox_conf", inputs, source.background + 1)
            yield source, scores, Conv(f"{source.head}_mbox_loc", inputs, 4)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name, in the order of the network.

        >>> sum(prod(shape) for shape in Variant().shapes().values())
        22459110
        """
        found: dict[str, tuple[int, ...]] = {}
        for step in self.trunk():
            if isinstance(step, Conv):
                found |= step.shapes
        for source, scores, deltas in self.predictors():
            if source.scale:
                found[f"{source.head}.weight"] = (scores.inputs,)
            found |= {**scores.shapes, **deltas.shapes}
        return found

    def parameters(self) -> int:
        """Return the number of learnt parameters."""
        return sum(prod(shape) for shape in self.shapes().values())

    def maps(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Return height and width of the output of each convolution of the trunk by name.

        >>> [Variant().maps(640, 640)[source.layer][0] for source in SOURCES]
        [160, 80, 40, 24, 12, 6]
        """
        return {step.name: (h, w) for step, h, w in sizes(self.trunk(), height, width) if isinstance(step, Conv)}

    def gflop(self, height: int, width: int) -> float:
        """Return 10^9 operations of all convolutions for an input of this size."""
        maps = self.maps(height, width)
        work = sum(step.operations(*maps[step.name]) for step in self.trunk() if isinstance(step, Conv))
        for source, *pair in self.predictors():
            work += sum(conv.operations(*maps[source.layer]) for conv in pair)
        return work / 1e9
