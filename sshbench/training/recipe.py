"""Training recipes: TOML files whose fields are all checked.

Fields marked "Extension" are not part of the paper's recipe; their defaults turn them off.

Source of the other numbers: Najibi et al., SSH, ICCV 2017, section 4.1; SSH release, SSH/configs and
models/solver_ssh.prototxt.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError, model_validator

from sshbench.errors import InputError, MissingDataError, did_you_mean
from sshbench.models import StrictModel, invalid_field
from sshbench.protocols import content_hash
from sshbench.training.targets import MatchRules

_SHIPPED = Path(__file__).with_name("recipes")


class Data(StrictModel):
    """Location of images and boxes inside the folder that `--data` names.

    Attributes:
        dataset: Dataset whose folder layout is used: `wider`, `fddb`, `pascal`, `afw` or `coco`.
        split: Split of WIDER FACE's layout; other datasets ignore it.
        annotation: Candidate annotation files; the first that exists is read. Default: the dataset's own.
        images: Candidate image folders; the first that exists is used. Default: the dataset's own.
        validation: Candidate annotation files for the AP during training; empty for no validation.
        contains: Benchmarks whose images are in the training set; it marks results as in domain or cross-data.
            Default: the dataset itself, or none where `annotation` names other files.
    """

    dataset: str = "wider"
    split: Literal["train", "val"] = "train"
    annotation: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    contains: tuple[str, ...] | None = None


class Input(StrictModel):
    """Network input: image sizes, crops and augmentation.

    Attributes:
        resize: Size of whole images, `MxN`: shorter side M pixels unless the longer one would exceed N.
        flips: Use every image mirrored as well.
        min_face: Minimum face side in pixels; smaller faces are not learned (release: 1). The old name
            `least_face` is accepted.
        crop: Extension: side of square crops in pixels, a multiple of 64; 0 for whole images.
        face_sizes: Extension: range of pixels into which one face of each crop is scaled.
        scales: Extension: smallest and largest scale of a crop.
        mosaic: Extension: share of crops that are built from four quarters with faces of half the size.
        double_every: Extension: every n-th step uses crops of twice the side and a quarter of the batch, for large
            faces; 0 for never.
        colour: Extension: strength of the jitter of brightness, contrast, saturation and hue, 0 to 1.
        grey: Extension: share of crops that are turned grey.
        blur: Extension: share of crops that are blurred.
    """

    resize: str = Field(default="1200x1600", pattern=r"^[1-9]\d*x[1-9]\d*$")
    flips: bool = True
    # The hash of a recipe, which checkpoints and weights record, still uses the old name.
    min_face: float = Field(
        default=1.0, validation_alias=AliasChoices("min_face", "least_face"), serialization_alias="least_face"
    )
    crop: int = Field(default=0, ge=0, le=8192, multiple_of=64)
    face_sizes: tuple[float, float] = (12.0, 400.0)
    scales: tuple[float, float] = (0.25, 4.0)
    mosaic: float = Field(default=0.0, ge=0, le=1)
    double_every: int = Field(default=0, ge=0)
    colour: float = Field(default=0.0, ge=0, le=1)
    grey: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _rising(self) -> Input:
        for name in ("face_sizes", "scales"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be two rising numbers above 0, not {low:g}, {high:g}")
        return self

    def size_pair(self) -> tuple[int, int]:
        """Return M and N of `resize`, in pixels."""
        short, _, long = self.resize.partition("x")
        return int(short), int(long)


class Match(StrictModel):
    """Assignment of anchors to faces and sampling; `targets.MatchRules` describes the fields."""

    positive_iou: float = Field(default=0.5, gt=0, le=1)
    negative_iou: float = Field(default=0.3, gt=0, le=1)
    ignored_part: float = Field(default=0.5, ge=0, le=1)
    sampled: int = Field(default=256, ge=1)
    positives: int = Field(default=64, ge=1)
    border: int | None = Field(default=None, ge=0)
    box_weight: float = Field(default=1.0, gt=0)

    def rules(self) -> MatchRules:
        """Return the same numbers as `MatchRules`."""
        return MatchRules(**self.model_dump())


class Optimiser(StrictModel):
    """SGD and its learning rate schedule.

    Attributes:
        iterations: Number of optimiser steps.
        batch: Images per process and pass (release: 1 on each of four GPUs).
        iter_size: Passes per step; their gradients are averaged.
        lr: Learning rate; biases use twice the value.
        momentum: Momentum of SGD.
        weight_decay: Weight decay; it does not apply to biases of the layers that SSH adds, nor to batch normalisation.
        steps: Iterations at which the learning rate is multiplied by 0.1.
        schedule: `steps`; or, as an extension, `cosine`.
        warmup: Extension: iterations in which the learning rate grows from a tenth to its full value.
        gradient_clip: Extension: maximum norm of the gradient; 0 for no limit.
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


class Recipe(StrictModel):
    """Complete description of a training.

    Attributes:
        name: Name of the recipe.
        architecture: Name in `ssh/architectures.toml`.
        data: Images and boxes.
        input: Network input.
        match: Assignment of anchors and sampling.
        optimiser: Optimiser and schedule.
        seed: Seed of all random numbers.
        precision: `fp32`, or `bf16` for mixed precision.
        batch_norm: Extension: use batch normalisation during training; it is folded into the convolutions afterwards.
        ema: Extension: decay of a moving average of the weights, which becomes the result; 0 for none.
        checkpoint_every: Iterations between checkpoints.
        validate_every: Iterations between validations; 0 to validate at the end only.
        validate_resize: Input size of the validation images: `original` or `MxN`.
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
    def _check_combinations(self) -> Recipe:
        if self.optimiser.batch > 1 and not self.input.crop:
            raise ValueError("optimiser.batch above 1 needs input.crop, because whole images differ in size")
        if self.input.double_every and self.optimiser.batch % 4:
            raise ValueError("input.double_every needs an optimiser.batch that is a multiple of 4")
        return self

    @property
    def hash(self) -> str:
        """Return a hash of all fields that the weights depend on."""
        left_out = {"name", "checkpoint_every", "validate_every", "validate_resize"}
        content = self.model_dump(mode="json", by_alias=True, exclude=left_out)
        for name in ("validation", "contains"):
            del content["data"][name]
        return content_hash(content)


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name: Path of a TOML file, or name of a shipped recipe: `ssh-vgg16` or `ssh-tiny`.

    Raises:
        MissingDataError: There is no such file or recipe.
        InputError: The file is not valid TOML, or a field is unknown or out of range.

    >>> load_recipe("ssh-vgg16").optimiser.iterations
    21000
    """
    path = Path(name)
    if not path.is_file():
        path = _shipped(str(name))
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        if isinstance(error, ValidationError):
            raise invalid_field(error, path, "Compare it with a shipped recipe") from error
        raise InputError(
            f"not a readable TOML file ({error})", file=path, remedy="Compare it with a shipped recipe"
        ) from error


def _shipped(name: str) -> Path:
    path = _SHIPPED / f"{name.removesuffix('.toml')}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in _SHIPPED.glob("*.toml"))
        raise MissingDataError(f"recipe '{name}' not found", remedy=did_you_mean(name, known, listed="Shipped recipes"))
    return path
