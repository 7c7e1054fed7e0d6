"""What all formats share: decoding of text, names of images, json and MATLAB files, numbers as text."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sshbench.errors import InputError
from sshbench.files import read_plain_or_gz
from sshbench.formats.matlab import load_mat
from sshbench.images import IMAGE_SUFFIXES

_DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+")

ImageIds = Mapping[int | str, str]
"""Image keys by `image_id`."""


class Images(Protocol):
    """The names of a dataset's images, which is all that a reader needs of it; `Dataset` has them.

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


def read_lines(path: Path) -> list[str]:
    """Read a text file as lines without their ends.

    All text formats are read so, except WIDER FACE's detections, which follow the official tool byte by byte. The
    encoding is UTF-8, with or without a byte order mark, or UTF-16 with one; a byte that is not UTF-8 becomes U+FFFD.
    Lines end with LF, CR LF or CR, and with no other separator of Unicode.

    Args:
        path: The file, plain or .gz.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file cannot be read or unpacked.
    """
    return lines_of(read_plain_or_gz(path, "Get the file again"))


def lines_of(content: bytes) -> list[str]:
    r"""Decode the content of a text file and split it into lines as `read_lines` does.

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


def has_decimal_commas(line: str) -> bool:
    """Return whether a row of numbers has decimal commas: most fields between blanks are digits, a comma and digits.

    >>> has_decimal_commas("172,5 64,25 95,0 110,75 0,98"), has_decimal_commas("172,64,95,110,0.98")
    (True, False)
    """
    fields = line.split()
    return len(fields) > 1 and 2 * sum(bool(_DECIMAL_COMMA.fullmatch(field)) for field in fields) > len(fields)


def count_at(lines: Sequence[str], at: int, path: Path, remedy: str) -> int:
    """Return the count of rows that a line must hold.

    Args:
        lines: The lines of the file.
        at: Position of the line.
        path: The file, for the error.
        remedy: What the error says to do.

    Raises:
        InputError: The line holds no count, or the file ends before it.
    """
    text = lines[at].strip() if at < len(lines) else "end of file"
    count = whole_number(text)
    if count is None:
        raise InputError("expected a count", file=path, line=at + 1, value=text, remedy=remedy)
    return count


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
    """Return an image's name without its suffix.

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


def read_mat_file(path: Path, remedy: str) -> dict[str, Any]:
    """Read the variables of a MATLAB file of version 7 or older (plain or .gz).

    Args:
        path: The file.
        remedy: What to do where it is damaged.

    Returns:
        Values by variable, as `scipy.io.loadmat` gives them.

    Raises:
        MissingDataError: There is no such file.
        InputError: It is damaged, or of another kind.
    """
    content = read_plain_or_gz(path, remedy)
    try:
        return load_mat(content, path)
    except Exception as error:  # scipy raises many kinds on damaged files, some of them bare Exceptions
        raise InputError(f"not a readable .mat file ({error})", file=path, remedy=remedy) from error


def read_json(path: Path) -> object:
    """Parse a json file (plain or .gz).

    Raises:
        MissingDataError: There is no such file.
        InputError: It is not valid json; the text names line and column.
    """
    return parse_json(read_plain_or_gz(path, "Write the file again"), path)


def parse_json(content: bytes | str, path: Path) -> object:
    """Parse the content of a json file.

    Args:
        content: The file's content.
        path: The file, for the error.

    Raises:
        InputError: It is not valid json; the text names line and column.
    """
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        text = f"invalid json ({error.msg}, column {error.colno})"
        raise InputError(text, file=path, line=error.lineno, remedy="Write the file again") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a number of too many digits
        raise InputError(f"cannot be read ({error})", file=path, remedy="Write the file again") from error


def shortest(value: float) -> str:
    """Return a number in the shortest form that reads back as the same bits.

    >>> shortest(3.0), shortest(0.1)
    ('3', '0.1')
    """
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
