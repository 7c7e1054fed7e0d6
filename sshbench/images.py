"""Images on disk and in memory: finding, reading and checking them, file name suffixes."""

from __future__ import annotations

import glob
import hashlib
import io
import itertools
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.native_errors import captured_lines

Image = npt.NDArray[np.uint8]
"""An image as OpenCV gives it: uint8, shape (height, width, 3), channels in B, G, R order."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""File name suffixes of images, in lower case."""

MAX_IMAGE_BYTES = 2**30
"""Largest image file that is read."""

CORRUPT = "-corrupt"
"""Last mark of the content of an image that a decoder found to be damaged."""

UPRIGHT, AS_STORED = "-upright", "-stored"
"""Marks of the content of an image with an EXIF orientation: it was applied; the annotated size forbids it."""

Size = tuple[int, int]
"""Width and height of an image in pixels."""

_END_WITHIN = 1 << 16  # telephones write data behind the end
_ORIENTATION, _EXIF_WITHIN = 0x0112, 1 << 16  # EXIF's tag, and the bytes of a JPEG file that have its data
_SIDEWAYS = 5  # EXIF orientations from here on exchange width and height


def check_image(image: npt.NDArray[np.generic]) -> Image:
    """Return an image as uint8 (height, width, 3) BGR, contiguous.

    Args:
        image: uint8 (height, width), (height, width, 1), (height, width, 3) or (height, width, 4). Grey becomes three
            equal channels; a fourth channel (alpha) is dropped.

    Raises:
        UsageError: The array is empty, not uint8, or has a number of channels other than 1, 3 or 4.

    >>> check_image(np.zeros((2, 5), dtype=np.uint8)).shape
    (2, 5, 3)
    """
    remedy = "Pass uint8 of shape (height, width, 3), channels in B, G, R order, as cv2.imread returns it"
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise UsageError(f"invalid image: expected an array of uint8, got {kind}", remedy=remedy)
    pixels: Image = image.astype(np.uint8, copy=False)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise UsageError(f"invalid image: an array of shape {image.shape}", remedy=remedy)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def image_content(path: Path) -> str:
    """Return what identifies the content of an image file: its size in bytes, a hash, and marks.

    The mark `-o6` says that the EXIF orientation is 6, for example, and `-cut` that the file is truncated.

    Raises:
        InputError: The file cannot be read, or is not a regular file of at most 1 GiB.
    """
    return _content_of(_read_bytes(path))


def _content_of(content: bytes) -> str:
    turned = orientation_of(content)
    mark = (f"-o{turned}" if turned != 1 else "") + ("-cut" if is_cut(content) else "")
    return f"{len(content)}-{hashlib.blake2b(content, digest_size=8).hexdigest()}{mark}"


def is_cut(content: bytes) -> bool:
    """Return whether a JPEG file lacks its end; OpenCV fills the rest of such an image with grey."""
    return content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" not in content[-_END_WITHIN:]


def orientation_of(content: bytes) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1, which is upright, where it says none."""
    # JPEG has it near the start, PNG in a chunk of its own, WebP at the end.
    if b"Exif" not in content[:_EXIF_WITHIN] and b"eXIf" not in content and b"EXIF" not in content:
        return 1
    header = _header(io.BytesIO(content))
    return 1 if header is None else header[1]


def _header(file: Path | io.BytesIO) -> tuple[Size, int] | None:
    import warnings

    from PIL import Image as PilImage

    try:
        with warnings.catch_warnings(), PilImage.open(file) as opened:
            warnings.simplefilter("ignore")
            size = opened.width, opened.height
            try:
                orientation = opened.getexif().get(_ORIENTATION, 1)
            except Exception:  # noqa: BLE001  # damaged EXIF data of any kind say nothing
                orientation = 1
    except Exception:  # noqa: BLE001  # damaged in whatever way: the reader will say so
        return None
    return size, orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def size_of(path: Path | None) -> Size | None:
    """Return the width and height that the header of an image file states, as stored; None where none can be read."""
    header = None if path is None else _header(path)
    return None if header is None else header[0]


def upright_size_of(path: Path) -> Size | None:
    """Return width and height after the EXIF orientation is applied; None where no header can be read."""
    header = _header(path)
    if header is None:
        return None
    size, orientation = header
    return size[::-1] if orientation >= _SIDEWAYS else size


def turn_mark(orientation: int, stored: Size, annotated: Size | None, *, upright: bool) -> str:
    """Return what becomes of an image with an EXIF orientation: the mark UPRIGHT, AS_STORED, or none.

    The annotated size decides where it is that of one way of reading and not of the other. Where there is none, where
    it is neither, or where both ways have the same size, `upright` does.

    Args:
        orientation: 1 to 8.
        stored: Size of the pixels as they are stored.
        annotated: Size that the annotation gives.
        upright: Whether the orientation is applied where the size does not tell.

    Returns:
        UPRIGHT where it is applied. Where it is not: AS_STORED if the size says so, else empty.

    >>> turn_mark(6, (40, 20), (20, 40), upright=False), turn_mark(6, (40, 20), (40, 20), upright=True)
    ('-upright', '-stored')
    >>> turn_mark(3, (40, 20), (40, 20), upright=True), turn_mark(6, (40, 20), None, upright=False)
    ('-upright', '')
    """
    if orientation == 1:
        return ""
    turned = stored[::-1] if orientation >= _SIDEWAYS else stored
    if turned != stored and annotated in (stored, turned):
        return UPRIGHT if annotated == turned else AS_STORED
    return UPRIGHT if upright else ""


def _upright(image: Image, orientation: int) -> Image:
    """Return an image as its EXIF orientation wants it shown."""
    if orientation >= _SIDEWAYS:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def read_image(path: Path, *, upright: bool = False, annotated: Size | None = None) -> Image:
    """Read an image file as uint8 (height, width, 3) BGR.

    Args:
        path: The file.
        upright: Apply the EXIF orientation. By default it is **not** applied, because the benchmarks give their boxes
            in pixels as they are stored.
        annotated: Width and height that the annotation gives; where they tell, they decide, not `upright`.

    Raises:
        InputError: The file cannot be read, or OpenCV cannot decode it.
    """
    content = _read_bytes(path)
    return _turned(_decoded(content, path), content, annotated, upright=upright)[0]


def _turned(image: Image, content: bytes, annotated: Size | None, *, upright: bool) -> tuple[Image, str]:
    orientation = orientation_of(content)
    mark = turn_mark(orientation, (image.shape[1], image.shape[0]), annotated, upright=upright)
    return _upright(image, orientation) if mark == UPRIGHT else image, mark


def read_identified(path: Path, *, upright: bool = False, annotated: Size | None = None) -> tuple[Image, str]:
    """Read an image file as `read_image` does, and return with it what `image_content` returns.

    After it follow the mark of `turn_mark`, and CORRUPT where the decoder of JPEG files complains of their data.
    """
    content = _read_bytes(path)
    with captured_lines("Corrupt JPEG data") as complaints:
        image, mark = _turned(_decoded(content, path), content, annotated, upright=upright)
    return image, _content_of(content) + mark + (CORRUPT if complaints else "")


def file_part(content: str) -> str:
    """Return what `read_identified` says without the marks of reading: what `image_content` returns.

    >>> file_part("100-ab-o6-upright-corrupt"), file_part("100-ab-cut")
    ('100-ab-o6', '100-ab-cut')
    """
    return content.removesuffix(CORRUPT).removesuffix(UPRIGHT).removesuffix(AS_STORED)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file", file=path, remedy="Name an image file")
        if status.st_size > MAX_IMAGE_BYTES:
            raise InputError(f"larger than 1 GiB ({status.st_size:,} bytes)", file=path, remedy="Name an image file")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read ({reason})", file=path, remedy="Check the path") from error


def _decoded(content: bytes, path: Path) -> Image:
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    remedy = "Replace the file with an intact copy"
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags) if content else None
    except (cv2.error, MemoryError) as error:
        raise InputError(
            f"cannot be decoded ({getattr(error, 'msg', 'not enough memory')})", file=path, remedy=remedy
        ) from error
    if image is None:
        raise InputError("not an image that OpenCV can decode", file=path, remedy=remedy)
    return np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image and the name its results get."""

    path: Path
    name: str


def find_images(arguments: Sequence[str]) -> list[FoundImage]:
    """Return the images that files, folders (with all below them) and patterns name, each once, in order.

    Results of a file get its name, those of a folder its path below the folder, with a number where two are equal.

    Raises:
        MissingDataError: An argument names nothing.
    """
    paths: dict[Path, str] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
            for file in below:
                paths.setdefault(file, file.relative_to(path).as_posix())
        elif path.is_file():
            paths.setdefault(path, path.name)
        else:
            matches = sorted(Path(match) for match in glob.glob(argument, recursive=True))  # noqa: PTH207  # absolute too
            for match in matches:
                paths.setdefault(match, match.name)
            if not matches:
                raise MissingDataError(f"there is no image, folder or match for '{argument}'", remedy="Check the path")
    if not paths:
        raise MissingDataError("no image was found", remedy=f"Looked for {', '.join(IMAGE_SUFFIXES)}")
    stems = {path: name.rpartition(".")[0] or name for path, name in paths.items()}
    reserved, taken = set(stems.values()), set[str]()
    found = []
    for path, stem in stems.items():
        # A number must not make the name that another image has by itself.
        others = taken | reserved
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        name = stem if stem not in taken else next(name for name in numbered if name not in others)
        taken.add(name)
        found.append(FoundImage(path, name))
    return found
