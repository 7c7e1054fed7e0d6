"""The kinds of suspicious annotations: how grave each is, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshbench.formats.places import Place

Severity = Literal["error", "warning"]
"""An error makes a figure wrong, or an image or face useless; a warning is for a person to look at."""


@dataclass(frozen=True, slots=True)
class LabelKind:
    """A kind of suspicious annotation.

    Attributes:
        severity: That of a face that counts; one that no subset counts is only a warning.
        what: What is wrong, in words.
        remedy: What to do.
    """

    severity: Severity
    what: str
    remedy: str


KINDS = {
    "invalid-row": LabelKind("error", "invalid row or field", "Fix it; nothing can be evaluated before"),
    "unreadable-image": LabelKind("error", "the image cannot be read", "Replace the file with an intact copy"),
    "size-mismatch": LabelKind(
        "error", "the image has another size than the annotation says", "Annotate this file, or get the right one"
    ),
    "no-size": LabelKind("error", "width or height is 0 or negative", "Fix or remove the box"),
    "relative-box": LabelKind(
        "error", "numbers between 0 and 1 where pixels are expected", "Multiply by the width and height of the image"
    ),
    "outside": LabelKind("error", "the box lies outside of the image", "Fix or remove the box"),
    "beyond-edge": LabelKind("warning", "the box reaches beyond the edge of the image", "Cut it at the edge"),
    "huge-box": LabelKind("warning", "the box is as large as the image", "Check that it is a face"),
    "duplicate-box": LabelKind("warning", "nearly the same box as another face of the image", "Remove one of them"),
    "duplicate-image": LabelKind("warning", "the same file content as another image", "Remove one of them"),
    "damaged-image": LabelKind("warning", "the image is truncated or corrupt", "Replace it with an intact copy"),
    "orientation": LabelKind(
        "warning",
        "the image has an EXIF orientation, and no annotated size tells whether the boxes are of the upright image",
        'Store the image upright, or write [layout] orientation = "upright" in a protocol',
    ),
    "missing-image": LabelKind("warning", "labels without an image", "Get the image, or remove its labels"),
    "no-images": LabelKind(
        "warning", "no image was found: files were not read, and sizes not compared", "Name --images DIR"
    ),
    "unlabelled-image": LabelKind("warning", "an image without labels", "Label it, or keep it as one without faces"),
}
"""By code, in the order in which they are listed."""


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """One suspicious annotation, or image.

    Attributes:
        severity: `error` or `warning`.
        code: Name of its kind, one of `KINDS`.
        message: What is wrong, in words.
        file: The annotation file, or the image.
        line: Line of the file, where it has lines.
        field: Name of the entry, where it has not.
        image: Key of the image; empty where there is none.
        value: The numbers in question.
        remedy: What to do.
    """

    severity: Severity
    code: str
    message: str
    file: str
    line: int | None = None
    field: str | None = None
    image: str = ""
    value: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, code: str, place: Place, *, image: str = "", value: str = "", harmless: bool = False) -> LabelIssue:
        """Return an issue of a kind.

        Args:
            code: Name of the kind.
            place: Where it is written.
            image: Key of the image.
            value: The numbers in question.
            harmless: Whether the face counts in no subset, so that it is only a warning.
        """
        kind = KINDS[code]
        severity: Severity = "warning" if harmless else kind.severity
        return cls(severity, code, kind.what, str(place.file), place.line, place.field, image, value, kind.remedy)

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        field = "" if self.field is None else f", {self.field}"
        return f"{self.file}{line}{field}: {self.message}" + (f": {self.value}" if self.value else "")
