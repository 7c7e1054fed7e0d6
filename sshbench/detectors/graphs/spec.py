"""The specification of a graph: what goes into a network and what comes out, as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from sshbench.detectors.contract import Settings
from sshbench.detectors.graphs.centernet import CenterNet
from sshbench.detectors.graphs.decoded import BoxesAndScores
from sshbench.detectors.graphs.levels import Scrfd, YuNet
from sshbench.detectors.graphs.toml_text import toml_text
from sshbench.detectors.graphs.with_priors import RetinaFace, Ssd
from sshbench.detectors.graphs.yolo import YoloV5, YoloV8, YoloX
from sshbench.detectors.sizes import canonical_resize
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import write_atomic
from sshbench.models import FileModel, StrictModel
from sshbench.protocols import content_hash

REMEDY = "docs/own-graphs.md describes the fields"

FAMILIES: tuple[type[Any], ...] = (
    YoloV5,
    YoloV8,
    YoloX,
    Ssd,
    RetinaFace,
    Scrfd,
    YuNet,
    CenterNet,
    BoxesAndScores,
)
"""The families of outputs, in the order in which they are listed."""

AnyFamily = Annotated[
    YoloV5 | YoloV8 | YoloX | Ssd | RetinaFace | Scrfd | YuNet | CenterNet | BoxesAndScores,
    Field(discriminator="family"),
]


def family_names() -> list[str]:
    """Return the names of all families.

    >>> family_names()[:3]
    ['yolov5', 'yolov8', 'yolox']
    """
    return [str(family.model_fields["family"].default) for family in FAMILIES]


def _three(value: object) -> object:
    """Take one number for all three channels."""
    return (value, value, value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Three = Annotated[tuple[float, float, float], BeforeValidator(_three)]
Side = Annotated[int, Field(ge=1, le=16384)]


class InputSpec(StrictModel):
    """What goes into the network: `(pixel - mean) * scale` of an image that was brought to a size."""

    name: str = Field(default="", description="name of the input; empty: the only one")
    size: tuple[Side, Side] | Literal["dynamic"] = Field(
        description='[width, height], or "dynamic": whatever the image has'
    )
    multiple: int = Field(default=32, ge=1, le=1024, description="for a dynamic size: sides are multiples of it")
    fit: Literal["letterbox", "pad", "squash"] = Field(
        default="letterbox", description="letterbox (border all around), pad (right and below) or squash"
    )
    pad_value: Three = Field(default=(0, 0, 0), description="of the border: one number, or one per channel")
    channels: Literal["RGB", "BGR"] = Field(default="RGB", description="order of the channels: RGB or BGR")
    mean: Three = Field(default=(0, 0, 0), description="subtracted from pixels: one number, or one per channel")
    scale: Three = Field(default=(1, 1, 1), description="factor after the mean; 0.00392156862745098 is 1/255")
    layout: Literal["NCHW", "NHWC"] = Field(default="NCHW", description="order of the axes: NCHW or NHWC")
    dtype: Literal["float32", "float16", "uint8"] = Field(default="float32", description="float32, float16 or uint8")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.dtype == "uint8" and (set(self.mean) != {0} or set(self.scale) != {1}):
            raise PydanticCustomError("uint8", "an input of dtype uint8 takes pixels as they are: no mean, no scale")
        if 0 in self.scale:
            raise PydanticCustomError("scale", "a scale of 0 leaves nothing of the image")
        return self

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Width and height; None where the size is dynamic."""
        return None if self.size == "dynamic" else self.size


class DefaultSettings(StrictModel):
    """Settings where the user gives no others; `--set` changes them."""

    resize: str = Field(default="original", description="for a dynamic size: original, 600x1000, fit=640x640 ...")
    score_threshold: float = Field(default=0.02, description="lowest score of a detection")
    nms_iou: float | None = Field(default=None, ge=0, le=1, description="IoU over which NMS suppresses; absent: no NMS")
    top_k: int | None = Field(default=None, ge=1, description="most detections per image; absent: no limit")

    @field_validator("resize")
    @classmethod
    def _check_resize(cls, value: str) -> str:
        try:
            return canonical_resize(value)
        except UsageError as error:
            raise PydanticCustomError("resize", "{text}", {"text": error.message}) from error

    def settings(self) -> Settings:
        """Return them as settings of a detector."""
        return Settings(self.resize, self.score_threshold, self.nms_iou, self.top_k)


class GraphSpec(FileModel):
    """The specification of a graph.

    >>> spec = GraphSpec.model_validate(
    ...     {"input": {"size": [640, 480]}, "output": {"family": "yolov8", "output": "output0"}}
    ... )
    >>> spec.input.fit, spec.output.face_class
    ('letterbox', 0)
    """

    FORMAT: ClassVar[int] = 1

    format: int = Field(default=1, description="format of this file")
    name: str = Field(default="", max_length=100, description="name of the detector; empty: that of the file")
    source: str = Field(default="", description="where the model comes from")
    licence: str = Field(default="", description="licence of the model")
    trained_on: tuple[str, ...] | None = Field(
        default=None, description="benchmarks whose training images were used; absent: not known"
    )
    input: InputSpec
    output: AnyFamily
    settings: DefaultSettings = DefaultSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.input.fixed_size is not None and self.settings.resize != "original":
            raise PydanticCustomError("resize", "an input of fixed size takes no settings.resize but original")
        return self

    @property
    def hash(self) -> str:
        """First 16 hex digits of a hash of all values that change detections; the settings have their own place."""
        return content_hash(self.model_dump(mode="json", include={"input", "output"}, exclude={"input": {"name"}}))

    @classmethod
    def read(cls, path: Path, *, remedy: str = REMEDY) -> Self:
        """Read a TOML file.

        Raises:
            MissingDataError: There is no such file.
            InputError: It is no TOML, of a newer format, or a field is invalid; the text names the field.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise MissingDataError(f"there is no specification {path}", remedy="Check --spec") from error
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"cannot be read ({error})", file=path, remedy=remedy) from error
        return cls.checked(content, path, remedy=remedy)

    def write(self, path: Path) -> Path:
        """Write the TOML file atomically, and return its path."""
        return write_atomic(path, toml_text(self))
