"""Image sizes in text form, as `--resize`, `--sizes` and `--image-size` take them.

| text | meaning |
|---|---|
| `original` | keep the image's own size |
| `short=480,long=640` | scale the shorter side to 480, or the longer side to 640 if it would exceed 640 |
| `fit=640x480` | scale to the largest size within width 640 and height 480, keeping the aspect ratio |
| `480x640` | for detector input: the same as `short=480,long=640`, the paper's notation |
| `640x480` | for the size of images (`--image-size`): the same as `fit=640x480` |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sshbench.errors import UsageError
from sshbench.ssh.preprocess import pair_scale

_NUMBER = r"([1-9]\d{0,4})"
_FORMS = {
    "plain": re.compile(f"{_NUMBER}x{_NUMBER}"),
    "fit": re.compile(f"fit={_NUMBER}x{_NUMBER}"),
    "short": re.compile(rf"short={_NUMBER},\s*long={_NUMBER}"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """A rule that scales an image and keeps its aspect ratio.

    Attributes:
        rule: `short`: `first` for the shorter side, `second` as the limit of the longer side. `fit`: `first` is the
            width and `second` the height of the box that the image must fit into.
        first: Pixels.
        second: Pixels.

    >>> str(Size("short", 480, 640)), str(Size("fit", 640, 480))
    ('480x640', 'fit=640x480')
    """

    rule: Literal["short", "fit"]
    first: int
    second: int

    def __str__(self) -> str:
        return f"{'' if self.rule == 'short' else 'fit='}{self.first}x{self.second}"

    def scale(self, height: int, width: int) -> float:
        """Return the new pixels per old pixel for an image of this height and width.

        >>> Size("short", 480, 640).scale(400, 300), Size("fit", 640, 480).scale(400, 300)
        (1.6, 1.2)
        """
        if self.rule == "fit":
            return min(self.first / width, self.second / height)
        return pair_scale(height, width, (self.first, self.second))


def parse_resize(text: str) -> Size | None:
    """Parse the input size of a detector; None for `original`.

    Raises:
        UsageError: The text has another form, or its shorter side is larger than its longer side.

    >>> parse_resize("400x800") == parse_resize("short=400,long=800")
    True
    """
    if text == "original":
        return None
    size = _parse(text, plain="short")
    if size is None:
        raise UsageError(
            f"invalid input size '{text}'",
            remedy="Use original, fit=WIDTHxHEIGHT, or the length of the shorter and the longer side: "
            "short=480,long=640 or 480x640",
        )
    if size.rule == "short" and size.first > size.second:
        raise UsageError(
            f"invalid input size '{text}': the shorter side ({size.first}) is larger than the longer ({size.second})",
            remedy=f"Use fit={size.first}x{size.second} for width x height, or short={size.second},long={size.first}",
        )
    return size


def parse_resize_list(text: str) -> tuple[str, ...]:
    """Split a list of detector input sizes, separated by commas, and return each in its canonical form.

    Raises:
        UsageError: One of them is invalid.

    >>> parse_resize_list("400x800,short=480,long=640,fit=640x480,original")
    ('400x800', '480x640', 'fit=640x480', 'original')
    """
    parts = (part.strip() for part in re.split(r",(?!\s*long=)", text))
    return tuple(canonical_resize(part) for part in parts if part)


def canonical_resize(text: str) -> str:
    """Return the one form of a detector input size that is stored with results.

    Raises:
        UsageError: It is invalid.
    """
    return str(parse_resize(text) or "original")


def parse_image_size(text: str) -> tuple[int, int]:
    """Parse the size of an image; return width and height in pixels.

    Raises:
        UsageError: The text has another form.

    >>> parse_image_size("640x480"), parse_image_size("fit=640x480")
    ((640, 480), (640, 480))
    """
    size = _parse(text, plain="fit")
    if size is None or size.rule != "fit":
        raise UsageError(
            f"invalid image size '{text}'",
            remedy="Use WIDTHxHEIGHT, for example 640x480; short=M,long=N is for the input size of a detector only",
        )
    return size.first, size.second


def _parse(text: str, *, plain: Literal["short", "fit"]) -> Size | None:
    """Parse all forms but `original`; `plain` says how two numbers without a name are meant."""
    rules: tuple[Literal["short", "fit"], ...] = ("short", "fit")
    for rule in rules:
        forms = [_FORMS[rule], *([_FORMS["plain"]] if rule == plain else [])]
        match = next((found for form in forms if (found := form.fullmatch(text))), None)
        if match is not None:
            return Size(rule, int(match[1]), int(match[2]))
    return None
