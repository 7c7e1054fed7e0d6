"""Unpack archives without leaving the folder: every member is checked before the first byte is written."""

from __future__ import annotations

import contextlib
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from sshbench.errors import InputError, MissingDataError, SshbenchError
from sshbench.files import atomic_file

_MAX_BYTES = 20 << 30  # several times the largest archive of `sources.toml`
_BLOCK = 1 << 20
_REMEDY = "Do not use it; download it again from the dataset's page"
# What the two readers raise on damaged, encrypted or unknown content; OSError is a bad gzip header or a bad seek.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class _Member:
    """One file of an archive: its name there, its size in bytes, its CRC-32 if stored, and its content."""

    name: str
    size: int
    crc: int | None
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path, folder: Path, *, max_bytes: int = _MAX_BYTES, progress: Callable[[int], None] | None = None
) -> list[Path]:
    """Unpack a zip, a tar or a compressed tar into a folder.

    A file that is there with the right size and content is kept, so calling again finishes an interrupted call. Files
    appear under their names only when they are complete.

    Args:
        archive: The file; its content, not its name, tells its kind.
        folder: Where to unpack; created if needed. No file is written outside of it.
        max_bytes: Maximum size of all files together.
        progress: Called with the size in bytes of each file that is in its place.

    Returns:
        The files, in the archive's order.

    Raises:
        MissingDataError: There is no such archive.
        InputError: It is not an archive, is damaged, is too large, or holds a name or a link that could lead out of
            the folder. Nothing has been written then, unless the damage is inside a member.
        SshbenchError: A file cannot be written.
    """
    if not archive.is_file():
        raise MissingDataError(f"there is no archive {archive}", remedy="Download it, or put it there by hand")
    with _damage(archive), contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            members = _zip_members(stack.enter_context(zipfile.ZipFile(archive)), archive)
        else:
            members = _tar_members(stack.enter_context(_open_tar(archive)), archive, max_bytes)
        if not members:
            raise InputError("holds no file", file=archive, remedy=_REMEDY)
        total = sum(member.size for member in members)
        if total > max_bytes:
            raise _too_large(archive, total, max_bytes)
        targets = _targets([member.name for member in members], folder, archive)
        for member, target in zip(members, targets, strict=True):
            _place(member, target, archive)
            if progress is not None:
                progress(member.size)
        return targets


def _zip_members(file: zipfile.ZipFile, archive: Path) -> list[_Member]:
    members = []
    for info in file.infolist():
        # `filename` ends at a NUL; what was written is `orig_filename`.
        _check_name(info.orig_filename, archive)
        # The upper half of external_attr holds the Unix mode, 0 where the archive was made elsewhere.
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refuse(archive, info.filename, "is a link or a device")
        if info.flag_bits & 1:
            raise _refuse(archive, info.filename, "is encrypted")
        if info.filename and not info.is_dir():  # is_dir() fails on a damaged zip's nameless member
            members.append(_Member(info.orig_filename, info.file_size, info.CRC, partial(file.open, info)))
    return members


def _open_tar(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive)
    except tarfile.ReadError as error:  # its text lists every format on a line of its own
        raise InputError("neither a zip nor a tar, or damaged", file=archive, remedy=_REMEDY) from error


def _tar_members(file: tarfile.TarFile, archive: Path, max_bytes: int) -> list[_Member]:
    members = []
    total = 0
    # One by one: listing a compressed tar decompresses it, and that has to stop at the limit.
    for info in file:
        _check_name(info.name, archive)
        if not (info.isreg() or info.isdir()) or info.issparse():
            raise _refuse(archive, info.name, "is a link or a device")
        total += info.size
        if total > max_bytes:
            raise _too_large(archive, total, max_bytes)
        if info.isreg():
            members.append(_Member(info.name, info.size, None, partial(file.extractfile, info)))
    return members


def _check_name(name: str, archive: Path) -> None:
    parts = name.split("/")
    # A backslash or a drive letter has a meaning on Windows only, but no dataset needs one.
    drive = any(re.match(r"[A-Za-z]:", part) for part in parts)
    if not name or name.startswith("/") or ".." in parts or drive or "\\" in name or "\0" in name:
        raise _refuse(archive, name, "could lead out of the folder")


def _targets(names: list[str], folder: Path, archive: Path) -> list[Path]:
    root = folder.resolve()
    targets: dict[Path, str] = {}
    for name in names:
        target = folder.joinpath(*(part for part in name.split("/") if part not in ("", ".")))
        if target == folder or target in targets:
            raise _refuse(archive, name, "has no path of its own")
        targets[target] = name
    for parent in {parent for target in targets for parent in target.parents if parent.is_relative_to(folder)}:
        if parent in targets:
            raise _refuse(archive, targets[parent], "is a file and a folder at once")
        # A link that is in the folder already could lead out of it, whatever the names say.
        if not parent.resolve().is_relative_to(root):
            raise InputError(
                "a link that leads out of the folder",
                file=parent,
                remedy=f"Give the folder that it leads to, or unpack {archive} by hand",
            )
    return list(targets)


def _place(member: _Member, target: Path, archive: Path) -> None:
    if _is_there(member, target):
        return
    size = 0
    # Not waiting for the disk is safe: the next call finds a file that a crash damaged by its checksum.
    with _disk(target), atomic_file(target, sync=False) as out:
        for block in _undamaged_blocks(member, archive):
            size += len(block)
            out.write(block)
        if size != member.size:
            raise _refuse(archive, member.name, f"has {size} of {member.size} bytes")


def _is_there(member: _Member, target: Path) -> bool:
    """Return whether the file is in its place with the right content, not only the right size."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != member.size:
        return False
    expected = member.crc
    if expected is None:  # a tar stores no checksum of the content
        expected = 0
        for block in _blocks(member):
            expected = zlib.crc32(block, expected)
    found = 0
    with target.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found == expected


def _blocks(member: _Member) -> Iterator[bytes]:
    source = member.open()
    if source is not None:
        with source:
            while block := source.read(_BLOCK):
                yield block


def _undamaged_blocks(member: _Member, archive: Path) -> Iterator[bytes]:
    """Yield the blocks of a member; raise damage as `InputError`, so that it is not taken for an error of the disk."""
    with _damage(archive):
        yield from _blocks(member)


@contextlib.contextmanager
def _damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"cannot be unpacked ({error})", file=archive, remedy=_REMEDY) from error


@contextlib.contextmanager
def _disk(target: Path) -> Iterator[None]:
    """Raise errors of our own files as such, not as damage of the archive."""
    try:
        yield
    except OSError as error:
        remedy = "Check the folder's permissions and free space, and try again: what is unpacked is kept"
        raise SshbenchError(f"{target} cannot be written ({error})", remedy=remedy) from error


def _refuse(archive: Path, name: str, why: str) -> InputError:
    return InputError(f"a member {why}", file=archive, value=name, remedy=_REMEDY)


def _too_large(archive: Path, total: int, limit: int) -> InputError:
    return InputError(f"unpacks to {total} bytes or more, the limit is {limit}", file=archive, remedy=_REMEDY)
