"""What a training is made by: one TOML file, every number of it checked."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sshbench.errors import InputError, MissingDataError
from sshbench.protocols import content_hash
from sshbench.ssh.targets import MatchRules

_SHIPPED = Path(__file__).with_name("recipes")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Strict):
    """Where images and boxes are, below the folder that `--data` names.

    Attributes:
        dataset: Whose layout it has: `wider`, `fddb`, `pascal`, `afw` or `coco`.
        split: For WIDER FACE's layout.
        annotation: Annotation file, tried in order; default: the dataset's own.
        images: Folders of the images, tried in order; default: the dataset's own.
        validation: Annotation files for the AP during training; empty for none.
        contains: Benchmarks whose images are in it, for the mark on results; default: the dataset itself, unless
            `annotation` names other files.
    """

    dataset: str = "wider"
    split: Literal["train", "val"] = "train"
    annotation: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    contains: tuple[str, ...] | None = None


class Input(_Strict):
    """What the network is given.

    Attributes:
        resize: `MxN`, the release's pair for whole images.
        flips: Every image also mirrored.
        least_face: Pixels; smaller boxes are skipped (the release: 1).
        crop: Ours: side in pixels of square crops; 0 for whole images.
        face_sizes: Ours: with crops, the range that a face of the image is scaled into.
        scales: Ours: with crops, the least and the largest scale.
        mosaic: Ours: part of the crops that are put together of four, each a quarter with faces of half the size.
        double_every: Ours: every so many steps, crops of twice the side and a quarter of the batch, for large faces; 0
            for never.
        colour: Ours: strength of the jitter of brightness, contrast, saturation and hue; 0 for none.
        grey: Ours: part of the crops that are turned grey.
        blur: Ours: part of the crops that are blurred.
    """

    resize: str = Field(default="1200x1600", pattern=r"^[1-9]\d*x[1-9]\d*$")
    flips: bool = True
    least_face: float = 1.0
    crop: int = Field(default=0, ge=0, multiple_of=64)
    face_sizes: tuple[float, float] = (12.0, 400.0)
    scales: tuple[float, float] = (0.25, 4.0)
    mosaic: float = Field(default=0.0, ge=0, le=1)
    double_every: int = Field(default=0, ge=0)
    colour: float = Field(default=0.0, ge=0, le=1)
    grey: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=1)


class Match(_Strict):
    """Assignment and sampling: see `targets.MatchRules`."""

    positive_iou: float = Field(default=0.5, gt=0, le=1)
    negative_iou: float = Field(default=0.3, gt=0, le=1)
    ignored_part: float = Field(default=0.5, ge=0, le=1)
    sampled: int = Field(default=256, ge=1)
    positives: int = Field(default=64, ge=1)
    border: int | None = Field(default=None, ge=0)
    box_weight: float = Field(default=1.0, gt=0)

    def rules(self) -> MatchRules:
        """For the targets."""
        return MatchRules(**self.model_dump())


class Optimiser(_Strict):
    """SGD and its schedule.

    Attributes:
        iterations: Steps of the optimiser.
        batch: Images a process and pass; the release: 1 on each of four GPUs.
        iter_size: Passes whose gradients are averaged for a step.
        lr: Learning rate; biases get twice as much.
        momentum: Of SGD.
        weight_decay: On all but the new layers' biases (and batch normalisation).
        steps: Iterations at which the rate is multiplied by 0.1.
        schedule: Ours: `cosine` instead of steps.
        warmup: Ours: iterations with a rate that grows from a tenth.
        gradient_clip: Ours: largest norm of the gradient; 0 for none.
    """

    iterations: int = Field(ge=1)
    batch: int = Field(default=1, ge=1)
    iter_size: int = Field(default=1, ge=1)
    lr: float = Field(default=0.004, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0005, ge=0)
    steps: tuple[int, ...] = ()
    schedule: Literal["steps", "cosine"] = "steps"
    warmup: int = Field(default=0, ge=0)
    gradient_clip: float = Field(default=0.0, ge=0)


class TrainConfig(_Strict):
    """A training.

    Attributes:
        name: Of the recipe.
        architecture: Of `architectures.toml`.
        data: Images and boxes.
        input: What the network is given.
        match: Assignment and sampling.
        optimiser: Steps.
        seed: Of everything that is drawn.
        precision: `fp32`, or `bf16` for mixed precision.
        batch_norm: Ours: batch normalisation while training, folded into the convolutions afterwards.
        ema: Ours: decay of a moving average of the weights, which is what is kept; 0 for none.
        checkpoint_every: Iterations.
        validate_every: Iterations; 0 for the end only.
        validate_resize: Size at which the validation images are taken.
    """

    name: str
    architecture: str
    data: Data = Data()
    input: Input = Input()
    match: Match = Match()
    optimiser: Optimiser
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    batch_norm: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    checkpoint_every: int = Field(default=500, ge=1)
    validate_every: int = Field(default=0, ge=0)
    validate_resize: str = "original"

    @model_validator(mode="after")
    def _goes_together(self) -> TrainConfig:
        if self.optimiser.batch > 1 and not self.input.crop:
            raise ValueError("optimiser.batch over 1 needs input.crop: whole images differ in size")
        if self.input.double_every and self.optimiser.batch % 4:
            raise ValueError("input.double_every needs an optimiser.batch that four divides")
        return self

    @property
    def hash(self) -> str:
        """Of all that the weights depend on."""
        left_out = {"name", "checkpoint_every", "validate_every", "validate_resize"}
        content = self.model_dump(mode="json", exclude=left_out)
        for name in ("validation", "contains"):
            del content["data"][name]
        return content_hash(content)


def load_config(name: str) -> TrainConfig:
    """Read a recipe: the path of a TOML file, or the name of a shipped one.

    Raises:
        MissingDataError: There is none.
        InputError: It is no TOML, or a field is unknown or out of range; the text names it.
    """
    path = Path(name)
    if not path.is_file():
        shipped = _SHIPPED / f"{name.removesuffix('.toml')}.toml"
        if not shipped.is_file():
            known = sorted(file.stem for file in _SHIPPED.glob("*.toml"))
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            raise MissingDataError(f"there is no recipe '{name}'", remedy=f"{hint}Shipped: {', '.join(known)}")
        path = shipped
    try:
        return TrainConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"is no TOML file ({error})", file=path, remedy="Compare with a shipped recipe") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or None
        raise InputError(
            first["msg"], file=path, field=where, value=first.get("input"), remedy="Compare with a shipped recipe"
        ) from error
