"""A tree of small text files, whether it lies in a folder or in a zip."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from sshbench.errors import InputError, MissingDataError

_STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
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
            raise MissingDataError(f"there is nothing at {path}", remedy="Give a folder or a .zip of detection files")

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
                f"is not a readable zip ({error})", file=self.path, remedy="Give a folder or a zip of detection files"
            ) from error
        self._entries = {info.filename: info for info in infos}
        # One read of the whole archive: thousands of small members are then cut out of memory.
        self._data = self.path.read_bytes()

    def _read_member(self, name: str) -> bytes:
        info = self._entries[name]
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
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(info)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, OSError) as error:
            raise self._broken(info.filename, error) from error

    def _broken(self, name: str, why: object) -> InputError:
        return InputError(
            f"the member cannot be read ({why})", file=f"{self.path}:{name}", remedy="Write the zip again"
        )


def read_plain_or_gz(path: Path, remedy: str) -> bytes:
    """The content of one file, unpacked where its name ends with `.gz`.

    Raises:
        MissingDataError: There is no such file.
        InputError: It cannot be read or unpacked; `remedy` says what to do.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}", remedy="Check the path")
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy=remedy) from error


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
                    else:
                        names.append(f"{prefix}{entry.name}")
        except OSError as error:
            raise InputError(f"cannot be listed ({error})", file=root / prefix, remedy="Check its rights") from error
    return names


def _read_file(path: str) -> bytes:
    # Path objects and buffered readers cost more than the read itself on thousands of small files.
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(handle).st_size
            content = os.read(handle, size + 1)
            while len(content) < size and (more := os.read(handle, size - len(content))):
                content += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=path, remedy="Check its rights") from error
    return content
