"""Convolutions and pools of the VGG-16 rivals as data: shapes, output sizes and work, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sshbench.ssh.architecture import architecture


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with bias.

    Attributes:
        name: Its name in the authors' Caffe file.
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the square kernel.
        stride: Step.
        pad: Zeros on every side.
        dilation: Distance of the kernel's cells.
    """

    name: str
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    pad: int = 1
    dilation: int = 1

    def size(self, side: int) -> int:
        """Return the side of its output for an input of this side.

        >>> Conv("fc6", 512, 1024, pad=3).size(20), Conv("fc6", 512, 1024, pad=6, dilation=6).size(20)
        (24, 20)
        """
        return (side + 2 * self.pad - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its parameters by name."""
        weight = (self.outputs, self.inputs, self.kernel, self.kernel)
        return {f"{self.name}.weight": weight, f"{self.name}.bias": (self.outputs,)}

    def operations(self, height: int, width: int) -> float:
        """Return the operations for an output of this size, a multiplication and its addition counted as two."""
        return 2.0 * self.outputs * self.inputs * self.kernel**2 * height * width


@dataclass(frozen=True, slots=True)
class Pool:
    """A 2x2 max pool with stride 2.

    Attributes:
        ceil: Whether an odd side is rounded up, as Caffe does.
    """

    ceil: bool = True

    def size(self, side: int) -> int:
        """Return the side of its output for an input of this side.

        >>> Pool().size(75), Pool(ceil=False).size(75)
        (38, 37)
        """
        return -(-side // 2) if self.ceil else side // 2


@dataclass(frozen=True, slots=True)
class Linear:
    """An inner product with bias.

    Attributes:
        name: Its name in the authors' Caffe file.
        inputs: Numbers per row.
        outputs: Numbers per row of its output.
    """

    name: str
    inputs: int
    outputs: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its parameters by name."""
        return {f"{self.name}.weight": (self.outputs, self.inputs), f"{self.name}.bias": (self.outputs,)}

    def operations(self, rows: int) -> float:
        """Return the operations for so many rows, a multiplication and its addition counted as two."""
        return 2.0 * self.outputs * self.inputs * rows


Step = Conv | Pool


def vgg16(narrow: int = 1, ceil: Iterable[bool] = (True, True, True, True)) -> list[Step]:
    """Return the steps of VGG-16 from conv1_1 to conv5_3; a ReLU follows each convolution.

    Args:
        narrow: All widths are divided by this; 1 for the published network.
        ceil: Whether pool1 to pool4 round up.

    >>> [step.name for step in vgg16() if isinstance(step, Conv)][-1]
    'conv5_3'
    """
    steps: list[Step] = []
    rounding = iter(ceil)
    inputs = 3
    for layer in architecture("ssh-vgg16").trunk_layers():
        if layer.name.endswith("_1") and steps:
            steps.append(Pool(next(rounding)))
        steps.append(Conv(layer.name, inputs, layer.outputs // narrow))
        inputs = layer.outputs // narrow
    return steps


def sizes(steps: Iterable[Step], height: int, width: int) -> Iterator[tuple[Step, int, int]]:
    """Yield each step with the height and width of its output for an input of this size."""
    for step in steps:
        height, width = step.size(height), step.size(width)
        yield step, height, width


def channels(steps: Iterable[Step]) -> Mapping[str, int]:
    """Return the output channels of each convolution by name."""
    return {step.name: step.outputs for step in steps if isinstance(step, Conv)}
