"""What lies between two formats: images with faces or detections, and what is known of the images."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.files import read_plain_or_gz
from sshbench.images import IMAGE_SUFFIXES, read_image
from sshbench.records import DetectionSet, FaceSet, IntArray

Losses = list[str]
ImageIds = Mapping[int | str, str]
"""Image keys by `image_id`."""


class Images(Protocol):
    """What a reader must know of a dataset: the names of its images. `Dataset` has all of it.

    Attributes:
        keys: Image keys that are wanted, in order.
        all_keys: Keys of the whole dataset.
        image_ids: Keys by the ids of a COCO json, where there is one.
    """

    @property
    def keys(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class
    @property
    def all_keys(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def image_ids(self) -> Mapping[int | str, str] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Ground truth or detections of some images.

    Attributes:
        faces: Ground truth, or None.
        detections: Detections, or None.
        names: File names of the images, with suffix where it is known.
        sizes: int64 (images, 2), width and height in pixels, or None.
        image_ids: Ids of a COCO json, or None.
        category_id: Its category of faces.
    """

    names: tuple[str, ...]
    faces: FaceSet | None = None
    detections: DetectionSet | None = None
    sizes: IntArray | None = None
    image_ids: tuple[int | str, ...] | None = None
    category_id: Any = 1

    @property
    def keys(self) -> tuple[str, ...]:
        """Image keys: names without suffix."""
        if self.faces is not None:
            return self.faces.keys
        return () if self.detections is None else self.detections.keys

    @property
    def total(self) -> int:
        """Faces or detections."""
        if self.faces is not None:
            return self.faces.total
        return 0 if self.detections is None else self.detections.total


@dataclass(frozen=True, slots=True)
class Known:
    """What the user says of the images beside the file to convert.

    Attributes:
        truth: Ground truth of the same images, already read.
        images: Folder of the images.
        sizes: By key, width and height.
    """

    truth: Content | None = None
    images: Path | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...] | None:
        """Keys of the images, where ground truth names them."""
        return None if self.truth is None else self.truth.keys

    def complete(self, content: Content) -> Content:
        """Add names, sizes and ids that the content itself does not have."""
        if self.truth is not None:
            content = _from_truth(content, self.truth)
        if content.sizes is None:
            content = replace(content, sizes=self._sizes(content))
        return content

    def _sizes(self, content: Content) -> IntArray | None:
        if self.sizes and all(key in self.sizes for key in content.keys):
            return np.array([self.sizes[key] for key in content.keys], dtype=np.int64).reshape(-1, 2)
        if self.images is None:
            return None
        sizes = [read_image(find_image(self.images, name)).shape[1::-1] for name in content.names]
        return np.array(sizes, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is read and written. Writers return what the format could not hold.

    Attributes:
        title: For people.
        read_truth: From a path and what is known.
        read_detections: From a path and what is known.
        write_truth: To a path.
        write_detections: To a path.
    """

    title: str
    read_truth: Callable[[Path, Known], Content]
    read_detections: Callable[[Path, Known], Content]
    write_truth: Callable[[Content, Path], Losses]
    write_detections: Callable[[Content, Path], Losses]


def find_image(folder: Path, name: str) -> Path:
    """The image of a name with or without suffix.

    Raises:
        MissingDataError: It is not there.
    """
    key = strip_suffix(name)
    candidates = [name, *(f"{key}{suffix}" for suffix in IMAGE_SUFFIXES)]
    found = next((folder / candidate for candidate in candidates if (folder / candidate).is_file()), None)
    if found is None:
        raise MissingDataError(f"no image {name} in {folder}", remedy="Name the folder of the images by --images")
    return found


def read_lines(path: Path) -> list[str]:
    r"""Read the lines of a text file, without their ends: how every text format but WIDER FACE's detections is read.

    The file may be plain or .gz; UTF-8, with or without a byte order mark, or UTF-16 with one; its lines may end with
    LF, CR LF or CR. Other line separators of Unicode end no line. A byte that is not UTF-8 becomes U+FFFD.

    Args:
        path: The file.

    Returns:
        The lines; an end of line at the end of the file starts no further one.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file cannot be read or unpacked.
    """
    return lines_of(read_plain_or_gz(path, "Get the file again"))


def lines_of(content: bytes) -> list[str]:
    r"""Decode the content of a text file, and cut it into lines as `read_lines` does.

    >>> lines_of(b"\xef\xbb\xbfa 1\r\nb 2\r\n"), lines_of("a 1\n\nb 2".encode("utf-16"))
    (['a 1', 'b 2'], ['a 1', '', 'b 2'])
    """
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def whole_number(text: str) -> int | None:
    """Return the value of up to nine digits; None for any other text.

    >>> whole_number("42"), whole_number("-1"), whole_number("1.0")
    (42, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def read_size_list(path: Path) -> dict[str, tuple[int, int]]:
    """Read a list of image sizes, one line `name width height` per image.

    Args:
        path: The file. Names may hold spaces, and may have the image's suffix.

    Returns:
        Width and height in pixels, by image key.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid, or an image has two sizes; the text names the line.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        fields = line.strip().rsplit(maxsplit=2)
        width, height = (whole_number(text) for text in fields[1:]) if len(fields) == 3 else (None, None)
        if not width or not height:
            remedy = "Write 'name width height', in pixels"
            raise InputError("invalid size", file=path, line=number, value=line, remedy=remedy)
        key, size = strip_suffix(fields[0]), (width, height)
        if sizes.setdefault(key, size) != size:
            raise InputError(
                f"a second size of {key}, which differs",
                file=path,
                line=number,
                value=line,
                remedy="Keep the right one",
            )
    return sizes


def strip_suffix(name: str) -> str:
    """An image's name without its suffix.

    >>> strip_suffix("a/b.c.JPG"), strip_suffix("img_591")
    ('a/b.c', 'img_591')
    """
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in IMAGE_SUFFIXES if lower.endswith(suffix)), name)


def is_image_name(name: str) -> bool:
    """Return whether a name ends with an image's suffix, in upper or lower case."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def with_suffix(name: str) -> str:
    """Return a name with its suffix; `.jpg` where it has none."""
    return name if is_image_name(name) else f"{name}.jpg"


def key_of(name: str, known: Container[str]) -> str:
    """Return the image key that a file's name for an image stands for.

    A key of the dataset is taken as it is, because keys may hold suffixes. Otherwise the image's suffix is left out,
    and where that gives no key of the dataset, whatever suffix there is.

    >>> key_of("a.v2.png", {"a.v2"}), key_of("a.v2", {"a.v2", "a"}), key_of("b.gif", {"b"}), key_of("c", {"b"})
    ('a.v2', 'a.v2', 'b', 'c')
    """
    stripped = strip_suffix(name)
    return next((key for key in (name, stripped, name.rpartition(".")[0]) if key in known), stripped)


def needed_sizes(content: Content, what: str) -> IntArray:
    """Sizes of all images.

    Raises:
        UsageError: They are not known.
    """
    if content.sizes is None:
        raise UsageError(
            f"{what} needs the sizes of the images",
            remedy="Give --images DIR, or --sizes FILE with 'name width height'",
        )
    return content.sizes


def attribute_losses(content: Content, kept: Sequence[str] = ()) -> Losses:
    """What is said of attributes that a format does not hold."""
    faces = content.faces
    lost = [name for name, values in (faces.attributes if faces else {}).items() if name not in kept and values.any()]
    return [f"attributes {', '.join(lost)} were lost"] if lost else []


def ellipse_losses(content: Content) -> Losses:
    """What is said of ellipses that became boxes."""
    has = (content.faces or content.detections or FaceSet((), np.zeros(1, np.int64), np.empty((0, 4)), {})).ellipses
    return [f"{len(has)} ellipses became their bounding boxes"] if has is not None and len(has) else []


def size_losses(content: Content) -> Losses:
    """What is said of image sizes that the source holds and the target does not."""
    return ["the images' sizes were lost"] if content.faces is not None and content.faces.sizes is not None else []


def _from_truth(content: Content, truth: Content) -> Content:
    where = {key: i for i, key in enumerate(truth.keys)}
    missing = [key for key in content.keys if key not in where]
    if missing:
        raise UsageError(
            f"{len(missing)} images are not in the ground truth, for example '{missing[0]}'",
            remedy="Name the ground truth of the same images by --truth",
        )
    rows = [where[key] for key in content.keys]
    sizes = content.sizes if truth.sizes is None else truth.sizes[rows]
    ids = content.image_ids if truth.image_ids is None else tuple(truth.image_ids[i] for i in rows)
    names = tuple(truth.names[i] for i in rows)
    return replace(content, names=names, sizes=sizes, image_ids=ids, category_id=truth.category_id)


def read_json(path: Path) -> Any:
    """Parse a json file (plain or .gz).

    Raises:
        MissingDataError: There is no such file.
        InputError: It is no json; the text names line and column.
    """
    content = read_plain_or_gz(path, "Write the file again")
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        text = f"is no json ({error.msg}, column {error.colno})"
        raise InputError(text, file=path, line=error.lineno, remedy="Write the file again") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Write the file again") from error


def shortest(value: float) -> str:
    """Return a number in the shortest form that reads back as the same bits.

    >>> shortest(3.0), shortest(0.1)
    ('3', '0.1')
    """
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
