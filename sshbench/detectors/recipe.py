"""Recipes of test-time augmentation: at which scales a detector sees an image, and how its detections are merged."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from sshbench.detectors.contract import Settings
from sshbench.detectors.sizes import Size, parse_image_size
from sshbench.errors import InputError, MissingDataError, UsageError, did_you_mean
from sshbench.models import StrictModel, invalid_field
from sshbench.protocols import content_hash
from sshbench.records import BoolArray, FloatArray

RECIPE, RECIPE_HASH = "tta", "tta_hash"
"""Names of the settings that say which recipe is in effect."""

_SHIPPED = Path(__file__).with_name("recipes")


class Window(StrictModel):
    """Which faces of a pass are kept, by their size in the original image.

    Attributes:
        when: `always`, or only where the pass enlarges (scale over 1) or does not (`reduced`).
        shorter_below: The shorter side must be below so many pixels.
        longer_above: The longer side must be above so many pixels.
    """

    when: Literal["always", "enlarged", "reduced"] = "always"
    shorter_below: float | None = Field(default=None, gt=0)
    longer_above: float | None = Field(default=None, ge=0)

    def fits(self, boxes: FloatArray, scale: float, *, inclusive: bool) -> BoolArray:
        """Return which boxes are kept, bool (n,).

        Args:
            boxes: float64 (n, 4), corners in the original image.
            scale: Of the pass.
            inclusive: Whether a side is `x2 - x1 + 1`.
        """
        sides = boxes[:, 2:] - boxes[:, :2] + inclusive
        kept: BoolArray = sides[:, 0] == sides[:, 0]
        if self.when != "always" and (self.when == "enlarged") != (scale > 1):
            return kept
        if self.shorter_below is not None:
            kept = kept & (sides.min(axis=1) < self.shorter_below)
        if self.longer_above is not None:
            kept = kept & (sides.max(axis=1) > self.longer_above)
        return kept


class PassRule(StrictModel):
    """One scale, or several that depend on the image.

    Attributes:
        scale: New pixels per pixel, at most the largest scale of the image.
        shrink_below: Where the largest scale is below this, `scale` is multiplied by it.
        doubling: Where the largest scale is above `scale`, also twice, four times ... of it below the largest scale,
            and the largest scale.
        flip: `no`, `only` the mirror image, or `both`.
        keep: Which faces are kept.
    """

    scale: float = Field(default=1.0, gt=0, le=64)
    shrink_below: float | None = Field(default=None, gt=0)
    doubling: bool = False
    flip: Literal["no", "only", "both"] = "no"
    keep: tuple[Window, ...] = ()


class Merge(StrictModel):
    """How the detections of all passes become one set.

    Attributes:
        method: `vote`: boxes that overlap the best one are averaged by their scores; `nms`: they are suppressed.
        iou: Least IoU for voting; IoU over which NMS suppresses.
        inclusive: Whether a side is `x2 - x1 + 1`.
        drop_single: Voting: drop boxes that no other pass, or box, confirms.
        top_k: Most detections; None for no limit.
    """

    method: Literal["vote", "nms"]
    iou: float = Field(gt=0, lt=1)
    inclusive: bool = False
    drop_single: bool = False
    top_k: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over one image.

    Attributes:
        scale: New pixels per pixel.
        flip: Whether it is of the mirror image.
        keep: Which faces are kept.
    """

    scale: float
    flip: bool
    keep: tuple[Window, ...] = ()

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the image as the pass sees it."""
        return max(1, round(width * self.scale)), max(1, round(height * self.scale))


class Recipe(StrictModel):
    """A recipe of test-time augmentation.

    Attributes:
        name: Its name.
        title: For readers.
        source: Paper or project that it reproduces.
        fit: `WIDTHxHEIGHT`: images are shrunk to fit into it before everything else, never enlarged, and the detections
            are brought back into the original image; None leaves images as they are.
        largest_pixels: No pass makes an image larger than so many pixels; None for no limit.
        passes: Its passes.
        merge: How their detections are merged; None for a single pass, whose detections are left as they are.
    """

    name: str
    title: str = ""
    source: str = ""
    fit: str | None = Field(default=None, pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")
    largest_pixels: int | None = Field(default=None, ge=1)
    passes: tuple[PassRule, ...] = Field(min_length=1)
    merge: Merge | None = Field(default=None, validate_default=True)

    @field_validator("merge")
    @classmethod
    def _check_merge(cls, merge: Merge | None, read: ValidationInfo) -> Merge | None:
        passes: tuple[PassRule, ...] = read.data.get("passes", ())
        several = len(passes) > 1 or any(rule.doubling or rule.flip == "both" for rule in passes)
        if several and merge is None:
            raise PydanticCustomError("missing", "a recipe of several passes needs it")
        return merge

    @property
    def hash(self) -> str:
        """First 16 hex digits of a hash of everything that changes detections."""
        content = self.model_dump(mode="json", exclude={"name", "title", "source"})
        if self.fit is None:  # recipes from before this key keep their hash
            del content["fit"]
        return content_hash(content)

    @property
    def changes_size(self) -> bool:
        """Whether some pass may have another scale than 1."""
        return self.largest_pixels is not None or any(rule.scale != 1 or rule.doubling for rule in self.passes)

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of an image of this size after it was fitted.

        >>> fit = load_recipe("fit-640x480")
        >>> fit.fitted(1024, 768), fit.fitted(1024, 1369), fit.fitted(500, 30)
        ((640, 480), (359, 480), (500, 30))
        """
        scale = 1.0 if self.fit is None else Size("fit", *parse_image_size(self.fit)).scale(height, width)
        if scale >= 1:
            return width, height
        return max(1, round(width * scale)), max(1, round(height * scale))

    def passes_for(self, height: int, width: int) -> list[Pass]:
        """Return the passes over an image of this size, which is fitted already.

        >>> [(round(one.scale, 3), one.flip) for one in load_recipe("s3fd-wider").passes_for(768, 1024)]
        [(1.0, False), (1.0, True), (0.5, False), (2.0, False), (2.175, False)]
        """
        largest = math.inf if self.largest_pixels is None else math.sqrt(self.largest_pixels / (height * width))
        return [
            Pass(scale, flip, rule.keep)
            for rule in self.passes
            for scale in _scales(rule, largest)
            for flip in {"no": (False,), "only": (True,), "both": (False, True)}[rule.flip]
        ]

    def sizes_for(self, width: int, height: int) -> list[tuple[int, int]]:
        """Return width and height of an image of this size as each pass sees it.

        >>> load_recipe("flip").sizes_for(640, 480)
        [(640, 480), (640, 480)]
        """
        width, height = self.fitted(width, height)
        return [one.size(width, height) for one in self.passes_for(height, width)]


def load_recipe(name: str | Path) -> Recipe:
    """Return a shipped recipe by name, or that of a TOML file.

    Raises:
        UsageError: No shipped recipe has this name.
        MissingDataError: There is no such file.
        InputError: The file is invalid; the text names the field.

    >>> load_recipe("flip").merge.method
    'vote'
    """
    if Path(name).suffix != ".toml":
        known = recipe_names()
        if name not in known:
            remedy = f"{did_you_mean(str(name), known)}; or name a .toml file"
            raise UsageError(f"unknown recipe of test-time augmentation '{name}'", remedy=remedy)
    path = Path(name) if Path(name).suffix == ".toml" else _SHIPPED / f"{name}.toml"
    remedy = "docs/detectors.md describes the fields"
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise MissingDataError(f"there is no recipe {path}", remedy="Check --tta") from error
    except ValidationError as error:
        raise invalid_field(error, path, remedy) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy=remedy) from error


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes, sorted."""
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def recipe_of(settings: Settings) -> Recipe | None:
    """Return the recipe that settings ask for; None where they ask for none.

    Raises:
        UsageError: The recipe is none of the shipped ones, or another one of that name.
    """
    name = settings.extra.get(RECIPE)
    if name is None:
        return None
    recipe = load_recipe(str(name))
    if recipe.hash != settings.extra.get(RECIPE_HASH):
        raise UsageError(f"recipe '{name}' is another one here", remedy="Use the version of sshbench that made the run")
    return recipe


def _scales(rule: PassRule, largest: float) -> Iterator[float]:
    shrink = largest if rule.shrink_below is not None and largest < rule.shrink_below else 1.0
    yield min(rule.scale * shrink, largest)
    if rule.doubling and rule.scale < largest < math.inf:
        scale = 2 * rule.scale
        while scale < largest:
            yield scale
            scale *= 2
        yield largest
