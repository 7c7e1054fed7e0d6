"""Architecture of SSH as data: widths from `architectures.toml`, and the shape and the released name of every layer.

Source: SSH release, models/test_ssh.prototxt (layer names and shapes).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sshbench.errors import UsageError, did_you_mean

_TABLE = Path(__file__).with_name("architectures.toml")
MODULES = ("m1", "m2", "m3")
STRIDES = (8, 16, 32)
SCALES = ((1, 2), (4, 8), (16, 32))
"""Scales of each module's two anchors, in units of the base box of 16 pixels."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with parameters.

    Attributes:
        name: Name in sshbench's files; a valid part of a PyTorch name.
        caffe: Name in the release.
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the square kernel.
    """

    name: str
    caffe: str
    inputs: int
    outputs: int
    kernel: int

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Return the shape of its weights: (outputs, inputs, kernel, kernel)."""
        return self.outputs, self.inputs, self.kernel, self.kernel


@dataclass(frozen=True, slots=True)
class Architecture:
    """Widths of an SSH network; `architectures.toml` explains them."""

    name: str
    trunk: tuple[tuple[int, ...], ...]
    lateral: int
    modules: tuple[int, int, int]
    frozen: int = 0
    stem: int = 1

    def trunk_layers(self) -> Iterator[Layer]:
        """Return the layers conv1_1 to conv5_x."""
        inputs = 3
        for stage, widths in enumerate(self.trunk, start=1):
            for position, width in enumerate(widths, start=1):
                name = f"conv{stage}_{position}"
                yield Layer(name, name, inputs, width, 3)
                inputs = width

    def layers(self) -> Iterator[Layer]:
        """Return every layer with parameters, in the order of the network."""
        yield from self.trunk_layers()
        fourth, fifth = self.trunk[3][-1], self.trunk[4][-1]
        yield Layer("conv4_128", "conv4_128", fourth, self.lateral, 1)
        yield Layer("conv5_128", "conv5_128", fifth, self.lateral, 1)
        yield Layer("conv4_fuse_final", "conv4_fuse_final", self.lateral, self.lateral, 3)
        for module, width, inputs in zip(MODULES, self.modules, (self.lateral, fifth, fifth), strict=True):
            half = width // 2
            for part, layer_inputs, outputs, kernel in (
                ("3x3", inputs, width, 3),
                ("dimred", inputs, half, 3),
                ("5x5", half, half, 3),
                ("7x7-1", half, half, 3),
                ("7x7", half, half, 3),
                ("cls_score", 2 * width, 4, 1),
                ("bbox_pred", 2 * width, 8, 1),
            ):
                name = f"{module}.{part.replace('-', '_')}" if part[0].isalpha() else f"{module}.conv{part}"
                yield Layer(name.replace("-", "_"), f"{module}@ssh_{part}", layer_inputs, outputs, kernel)

    def parameters(self) -> int:
        """Return the number of learned parameters."""
        return sum(layer.outputs * (layer.inputs * layer.kernel**2 + 1) for layer in self.layers())

    def as_json(self) -> str:
        """Return its JSON form, for the metadata of a weights file."""
        return json.dumps(asdict(self), sort_keys=True)


def architecture(name: str) -> Architecture:
    """Return an architecture by name.

    Raises:
        UsageError: The name is unknown.

    >>> architecture("ssh-vgg16").parameters()
    19766372
    """
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    if name not in table:
        raise UsageError(f"unknown architecture '{name}'", remedy=did_you_mean(name, table))
    return from_dict({"name": name, **table[name]})


def architecture_names() -> list[str]:
    """Return the names of all architectures."""
    return list(tomllib.loads(_TABLE.read_text(encoding="utf-8")))


def from_dict(content: dict[str, Any]) -> Architecture:
    """Return an architecture from its JSON or TOML form.

    Raises:
        UsageError: A field is missing, unknown or invalid.
    """
    try:
        made = Architecture(
            name=str(content["name"]),
            trunk=tuple(tuple(_width(w) for w in stage) for stage in content["trunk"]),
            lateral=_width(content["lateral"]),
            modules=tuple(_width(w) for w in content["modules"]),  # type: ignore[arg-type]
            frozen=int(content.get("frozen", 0)),
            stem=int(content.get("stem", 1)),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"is not a valid architecture of SSH ({error!r})", remedy=f"Compare with {_TABLE.name}"
        ) from error
    shapely = (
        len(made.trunk) == 5 and all(made.trunk) and len(made.modules) == 3 and not any(w % 2 for w in made.modules)
    )
    if not shapely or made.stem not in (1, 2) or not 0 <= made.frozen <= 5:
        raise UsageError(
            f"'{made.name}' is not a valid architecture of SSH",
            remedy="It has five stages of at least one convolution, three modules of even width, and a stem of 1 or 2",
        )
    return made


def _width(value: Any) -> int:
    if type(value) is not int or not 0 < value <= 4096:
        raise ValueError(f"{value!r} is no width")
    return value
