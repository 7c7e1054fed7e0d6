"""What lies between two formats: images with faces or detections, what is known of the images, and what gets lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from sshbench.errors import MissingDataError, UsageError
from sshbench.formats.base import strip_suffix
from sshbench.images import IMAGE_SUFFIXES, read_image
from sshbench.records import DetectionSet, FaceSet, IntArray

Losses = list[str]
"""What a format could not hold, one sentence each."""

_Rows = TypeVar("_Rows", bound=FaceSet | DetectionSet)
_Rows_co = TypeVar("_Rows_co", bound=FaceSet | DetectionSet, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Content(Generic[_Rows_co]):
    """Ground truth or detections, and what a file says of their images.

    Attributes:
        names: File names of the images, with suffix where it is known.
        rows: The faces, or the detections.
        sizes: int64 (images, 2), width and height in pixels, or None.
        image_ids: Ids of a COCO json, or None.
        category_id: Its category of faces.
        notes: What was left out on reading, one sentence each.
    """

    names: tuple[str, ...]
    rows: _Rows_co
    sizes: IntArray | None = None
    image_ids: tuple[int | str, ...] | None = None
    category_id: Any = 1
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Image keys: names without suffix."""
        return self.rows.keys


Truth = Content[FaceSet]
Found = Content[DetectionSet]


@dataclass(frozen=True, slots=True)
class Known:
    """What the user says of the images beside the file to convert.

    Attributes:
        truth: Ground truth of the same images, already read.
        images: Folder of the images.
        sizes: Width and height in pixels, by image key.
    """

    truth: Truth | None = None
    images: Path | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...] | None:
        """Keys of the images, where ground truth names them."""
        return None if self.truth is None else self.truth.keys

    def found(self, detections: DetectionSet) -> Found:
        """Return detections as content, of all images of the ground truth where there is some.

        Raises:
            UsageError: An image is not in the ground truth.
            MissingDataError: An image is not in the folder of images.
            InputError: An image cannot be read.
        """
        aligned = detections if self.keys is None else detections.aligned(self.keys)
        return self.complete(Content(aligned.keys, aligned))

    def complete(self, content: Content[_Rows]) -> Content[_Rows]:
        """Return the content with the names, sizes and ids that it does not have itself.

        Raises:
            UsageError: An image is not in the ground truth.
            MissingDataError: An image is not in the folder of images.
            InputError: An image cannot be read.
        """
        if self.truth is not None:
            content = _from_truth(content, self.truth)
        if content.sizes is None:
            content = replace(content, sizes=self._sizes(content))
        return content

    def _sizes(self, content: Content[FaceSet | DetectionSet]) -> IntArray | None:
        if self.sizes and all(key in self.sizes for key in content.keys):
            return np.array([self.sizes[key] for key in content.keys], dtype=np.int64).reshape(-1, 2)
        if self.images is None:
            return None
        sizes = [read_image(find_image(self.images, name)).shape[1::-1] for name in content.names]
        return np.array(sizes, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is called, recognised, read and written.

    Attributes:
        names: Names by which a user asks for it, the main one first.
        title: Its name in a sentence.
        truth_files: Patterns (as of `fnmatch`, in lower case, without .gz) of the names of ground truth files; "*/" is
            a folder. Of several formats, the one with the longest pattern that fits is meant.
        read_truth: Reads ground truth.
        read_detections: Reads detections.
        write_truth: Writes ground truth, and returns what the format could not hold.
        write_detections: Writes detections, and returns what the format could not hold.
    """

    names: tuple[str, ...]
    title: str
    truth_files: tuple[str, ...]
    read_truth: Callable[[Path, Known], Truth]
    read_detections: Callable[[Path, Known], Found]
    write_truth: Callable[[Truth, Path], Losses]
    write_detections: Callable[[Found, Path], Losses]


def find_image(folder: Path, name: str) -> Path:
    """Return the path of an image whose name may lack its suffix.

    Raises:
        MissingDataError: It is not there.
    """
    key = strip_suffix(name)
    candidates = [name, *(f"{key}{suffix}" for suffix in IMAGE_SUFFIXES)]
    found = next((folder / candidate for candidate in candidates if (folder / candidate).is_file()), None)
    if found is None:
        raise MissingDataError(f"no image {name} in {folder}", remedy="Give the folder of the images with --images")
    return found


def needed_sizes(content: Content[FaceSet | DetectionSet], what: str) -> IntArray:
    """Return the sizes of all images: int64 (images, 2).

    Raises:
        UsageError: They are not known.
    """
    if content.sizes is None:
        raise UsageError(
            f"{what} needs the sizes of the images",
            remedy="Give --images DIR, or --sizes FILE with 'name width height'",
        )
    return content.sizes


def attribute_losses(content: Truth, kept: Sequence[str] = ()) -> Losses:
    """Report attributes that the format does not hold; one that is 0 everywhere is not reported."""
    lost = [name for name, values in content.rows.attributes.items() if name not in kept and values.any()]
    return [f"attributes {', '.join(lost)} were lost"] if lost else []


def ellipse_losses(content: Content[FaceSet | DetectionSet]) -> Losses:
    """Report ellipses that became boxes."""
    ellipses = content.rows.ellipses
    return [f"{len(ellipses)} ellipses became their bounding boxes"] if ellipses is not None and len(ellipses) else []


def ignored_losses(content: Truth) -> Losses:
    """Report ignored faces that the format cannot mark."""
    ignore = content.rows.ignore
    ignored = int(ignore["all"].sum()) if "all" in ignore else 0
    return [f"{ignored} ignored faces became ordinary ones"] if ignored else []


def size_losses(content: Truth) -> Losses:
    """Report image sizes that the source holds and the target does not."""
    return ["the images' sizes were lost"] if content.rows.sizes is not None else []


def empty_image_losses(content: Content[FaceSet | DetectionSet]) -> Losses:
    """Report images without rows, where the format names only images that have some."""
    empty = int(np.count_nonzero(np.diff(content.rows.offsets) == 0))
    what = "faces" if isinstance(content.rows, FaceSet) else "detections"
    return [f"{empty} images without {what} were left out"] if empty else []


def _from_truth(content: Content[_Rows], truth: Truth) -> Content[_Rows]:
    where = {key: i for i, key in enumerate(truth.keys)}
    missing = [key for key in content.keys if key not in where]
    if missing:
        raise UsageError(
            f"{len(missing)} images are not in the ground truth, for example '{missing[0]}'",
            remedy="Give the ground truth of the same images with --truth",
        )
    rows = [where[key] for key in content.keys]
    sizes = content.sizes if truth.sizes is None else truth.sizes[rows]
    ids = content.image_ids if truth.image_ids is None else tuple(truth.image_ids[i] for i in rows)
    names = tuple(truth.names[i] for i in rows)
    return replace(content, names=names, sizes=sizes, image_ids=ids, category_id=truth.category_id)
