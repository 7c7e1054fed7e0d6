"""Small records: findings, images on disk, regions of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sshbench.errors import MissingDataError
from sshbench.images import Image, Size, read_image

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The pixels of an ellipse: a part of the image and which of its pixels belong.

    Attributes:
        left: First column.
        top: First row.
        mask: uint8 (height, width), 1 where the pixel belongs; (0, 0) where the ellipse lies outside the image.
    """

    left: int
    top: int
    mask: Mask

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Region(left={self.left}, top={self.top}, width={width}, height={height}, area={self.area})"

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact that a reader or a check reports to the user.

    Attributes:
        code: Stable short name, for example `missing-file`; machines look at this.
        message: One sentence for people, with the remedy where there is one.
        files: The files it was seen in; all of them, however many.

    >>> print(Finding("missing-file", "3 images have no file", ("a.txt", "b.txt", "c.txt")))
    3 images have no file [a.txt, b.txt, c.txt]
    """

    code: str
    message: str
    files: tuple[str, ...] = ()

    def __repr__(self) -> str:
        files = f", {len(self.files)} files" if self.files else ""
        return f"Finding({self.code!r}, {self.message[:300]!r}{files})"

    def __str__(self) -> str:
        if not self.files:
            return self.message
        shown = ", ".join(self.files[:3])
        more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
        return f"{self.message} [{shown}{more}]"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Key, path and size of one image.

    Attributes:
        key: Identity within the dataset, for WIDER `<event>/<name without suffix>`.
        path: The image file, or None where only the annotations are at hand.
        width: Pixels, as the annotation says; None where it does not.
        height: Pixels, as the annotation says; None where it does not.
        upright: Whether an EXIF orientation is applied where the annotated size does not tell.

    >>> import sshbench
    >>> image = sshbench.load_dataset("sample")["0--Portrait/0_Portrait_sample_0_1"]
    >>> image.path.name, image.read().dtype
    ('0_Portrait_sample_0_1.jpg', dtype('uint8'))
    """

    key: str
    path: Path | None = None
    width: int | None = None
    height: int | None = None
    upright: bool = False

    @property
    def annotated(self) -> Size | None:
        """Width and height that the annotation gives."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    def read(self) -> Image:
        """Read the pixels: uint8 (height, width, 3), channels in B, G, R order.

        An EXIF orientation is applied where the annotated width and height are those of the turned image, and not
        applied where they are those of the stored one. Where they do not tell, `upright` decides.

        Raises:
            MissingDataError: There is no image file, only the annotation.
            InputError: The file cannot be read, or OpenCV cannot decode it.
        """
        if self.path is None:
            raise MissingDataError(f"image '{self.key}' has no file", remedy="Load the dataset with its images")
        return read_image(self.path, upright=self.upright, annotated=self.annotated)
