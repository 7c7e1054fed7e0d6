"""Files on disk: shipped data, cache folders, hashes, atomic writes, and trees of small text files.

In a checkout `protocols/`, `results/published/` and `tests/golden/` lie outside the package, in a wheel inside it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import lzma
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sshbench.errors import InputError, MissingDataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PACKAGE = Path(__file__).resolve().parent
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)  # of Windows
_BINARY = getattr(os, "O_BINARY", 0)  # without it, Windows turns CR LF into LF and ends a file at Ctrl-Z
_REPLACE_PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0)  # seconds


def protocols_dir() -> Path:
    """Return the folder of the shipped protocol files (`*.toml`)."""
    return _shipped("protocols", _PACKAGE.parent / "protocols")


def published_dir() -> Path:
    """Return the folder of the shipped tables of published results (`*.csv`)."""
    return _shipped("published", _PACKAGE.parent / "results" / "published")


def golden_dir() -> Path:
    """Return the folder of the small golden sets: inputs and the official tools' outputs."""
    return _shipped("golden", _PACKAGE.parent / "tests" / "golden")


def sample_dir() -> Path:
    """Return the root of the bundled sample dataset, in the WIDER layout."""
    return _PACKAGE / "datasets" / "sample_data"


def cache_dir(part: str) -> Path:
    """Return the folder for one kind of files that can be made again, and create it if needed.

    Args:
        part: Name of the folder, for example `ground_truth` or `weights`. It lies below `SSHBENCH_CACHE` if that is
            set, else below the platform's cache folder.

    Raises:
        UsageError: It cannot be created.
    """
    base = os.environ.get("SSHBENCH_CACHE")
    if base:
        folder = Path(base).expanduser() / part
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("sshbench", appauthor=False) / part
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"the cache folder {folder} cannot be created ({error.strerror})"
        raise UsageError(text, remedy="Name a folder that can be written with SSHBENCH_CACHE") from error
    return folder


def printable(name: str) -> str:
    r"""Return a file's name with a question mark for what is no text in the file system's encoding.

    >>> printable("a\udcff.zip")
    'a?.zip'
    """
    return name.encode(errors="replace").decode()


def safe_name(name: str) -> str:
    """Return a name as part of a file name: up to 100 letters, digits, blanks and `._=+()-`, nothing that leads out.

    Windows cuts dots and blanks off the end, and opens a device for some names; neither is returned on any system.

    >>> safe_name("../../etc/x"), safe_name("haar (2)"), safe_name("aux.onnx"), safe_name("v1. ")
    ('-..-etc-x', 'haar (2)', '-aux.onnx', 'v1')
    """
    safe = re.sub(r"[^\w .=+()-]", "-", name).lstrip(".")[:100].rstrip(". ") or "unnamed"
    return f"-{safe}" if _DEVICE.fullmatch(safe.partition(".")[0].rstrip()) else safe


def sha256_of(path: Path) -> str:
    """Compute the sha256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped(name: str, in_checkout: Path) -> Path:
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else in_checkout


_temporary_names = (f".sshbench-{os.getpid()}-{number}.tmp" for number in itertools.count())


@contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` when the block ends; readers see the old file or the whole new one.

    Args:
        path: The file; missing parent folders are created.
        sync: Whether to wait until the content is on the disk, which costs milliseconds per file.

    Raises:
        OSError: The file cannot be written. After this error, or one in the block, the old file is unchanged and no
            temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(next(_temporary_names))
    try:
        with temporary.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _replace(temporary: Path, path: Path) -> None:
    """Rename a file over another one; on Windows, wait a moment for those that still have the old one open.

    Raises:
        OSError: It cannot be renamed.
    """
    for pause in _REPLACE_PAUSES if os.name == "nt" else ():
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    temporary.replace(path)


def write_atomic(path: Path, content: str | bytes) -> Path:
    """Write a whole file as `atomic_file` does, text as UTF-8, and return its path.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]], *, compressed: bool = False) -> Path:
    """Write arrays as an npz without pickles, atomically, and return its path."""
    return write_atomic(path, npz_bytes(arrays, compressed=compressed))


def npz_bytes(arrays: Mapping[str, npt.NDArray[np.generic]], *, compressed: bool = False) -> bytes:
    """Return the bytes of an npz that holds these arrays."""
    import numpy as np  # here, because commands that only list things do not need it

    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, allow_pickle=False, **arrays)
    return content.getvalue()


_STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (zlib.error, lzma.LZMAError, EOFError, MemoryError, OSError)
MAX_MEMBER_BYTES = 1 << 28
"""Largest text file of an image in a zip, unpacked."""
MAX_UNPACKED_BYTES = 1 << 32
"""Largest .gz file, unpacked."""
_LOCAL_HEADER = 30  # bytes of a zip's local file header before the name (APPNOTE.TXT 4.3.7)


class FileTree:
    """The files below a folder or inside a zip, by relative name with `/`.

    Args:
        path: A folder, or a `.zip` file.

    Attributes:
        names: Relative names of all regular files, in no particular order.

    Raises:
        MissingDataError: There is nothing at `path`.
        InputError: `path` is a file but not a readable zip.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._data = b""
        if path.is_dir():
            self.names: Sequence[str] = _folder_names(path)
        elif path.is_file():
            self._open_zip()
            self.names = list(self._entries)
        else:
            raise MissingDataError(f"{path} does not exist", remedy="Give a folder or a .zip of detection files")

    def display(self, name: str) -> str:
        """Return the name by which a user finds the file."""
        return name

    def read_all(self, names: Sequence[str]) -> Callable[[int], bytes]:
        """Return a function that reads the i-th of `names`."""
        if self._entries:
            return lambda i: self._read_member(names[i])
        base = str(self.path)
        return lambda i: _read_file(f"{base}/{names[i]}")

    def _open_zip(self) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive:
                # A damaged zip may hold a nameless member, on which zipfile's own is_dir() fails.
                infos = [info for info in archive.infolist() if info.filename and not info.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"not a readable zip ({error})", file=self.path, remedy="Give a folder or a zip of detection files"
            ) from error
        self._entries = {info.filename: info for info in infos}
        if len(self._entries) < len(infos):
            names = [info.filename for info in infos]
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise InputError("a member is there twice", file=self.path, value=twice, remedy="Write the zip again")
        # One read of the whole archive: thousands of small members are then cut out of memory.
        self._data = self.path.read_bytes()

    def _read_member(self, name: str) -> bytes:
        info = self._entries[name]
        if info.file_size > MAX_MEMBER_BYTES:
            raise self._broken(name, f"{info.file_size:,} bytes, more than {MAX_MEMBER_BYTES:,}")
        if info.compress_type not in _STORED_OR_DEFLATED or info.flag_bits & 0x1:
            return self._read_member_slowly(info)
        at = info.header_offset
        head = self._data[at : at + _LOCAL_HEADER]
        start = at + _LOCAL_HEADER + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        raw = self._data[start : start + info.compress_size]
        try:
            # The size bound keeps a forged member from unpacking to more than the directory says.
            content = zlib.decompressobj(-15).decompress(raw, info.file_size + 1) if info.compress_type else raw
        except zlib.error as error:
            raise self._broken(name, error) from error
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise self._broken(name, "checksum does not fit")
        return content

    def _read_member_slowly(self, info: zipfile.ZipInfo) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as member:
                return member.read(MAX_MEMBER_BYTES)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, *_DAMAGE) as error:
            raise self._broken(info.filename, error) from error

    def _broken(self, name: str, why: object) -> InputError:
        return InputError(
            f"the member cannot be read ({why})", file=f"{self.path}:{name}", remedy="Write the zip again"
        )


def read_plain_or_gz(path: Path, remedy: str) -> bytes:
    """Return the content of a file, unpacked if its name ends with `.gz`.

    Args:
        path: The file.
        remedy: What the error says to do where it cannot be read or unpacked.

    Raises:
        MissingDataError: There is no such file.
        InputError: It cannot be read or unpacked.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}", remedy="Check the path")
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            content = file.read(MAX_UNPACKED_BYTES + 1)
    except _DAMAGE as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy=remedy) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise InputError(f"more than {MAX_UNPACKED_BYTES:,} bytes when unpacked", file=path, remedy=remedy)
    return content


def _folder_names(root: Path) -> list[str]:
    names: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(root / prefix) as entries:
                for entry in entries:
                    if entry.is_dir():
                        pending.append(f"{prefix}{entry.name}/")
                    elif entry.is_file():  # a pipe would block the reader
                        names.append(f"{prefix}{entry.name}")
        except OSError as error:
            raise InputError(
                f"cannot be listed ({error})", file=root / prefix, remedy="Check its permissions"
            ) from error
    return names


def _read_file(path: str) -> bytes:
    # Path objects and buffered readers cost more than the read itself on thousands of small files.
    try:
        handle = os.open(path, os.O_RDONLY | _BINARY)
        try:
            size = os.fstat(handle).st_size
            content = os.read(handle, size + 1)
            while len(content) < size and (more := os.read(handle, size - len(content))):
                content += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Check its permissions") from error
    return content
