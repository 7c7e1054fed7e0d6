"""Unpack archives without leaving the folder: every name is checked before the first byte is written."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sshbench.errors import InputError

_MAX_BYTES = 20 << 30
_REMEDY = "Do not use it; get it again from the dataset's page"


def unpack(
    archive: Path, folder: Path, *, max_bytes: int = _MAX_BYTES, progress: Callable[[int], None] | None = None
) -> list[Path]:
    """Unpack a zip or a tar into a folder; files that are there with the right size are kept.

    Args:
        archive: The file; its content, not its name, says what it is.
        folder: Everything stays below it.
        max_bytes: Most bytes it may unpack to.
        progress: Called with the bytes of each file.

    Returns:
        The files, in the archive's order.

    Raises:
        InputError: It is no archive, is damaged, is too large, or holds a name or a link that leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                return _unpack_zip(file, archive, folder, max_bytes, progress)
        with tarfile.open(archive) as file:
            return _unpack_tar(file, archive, folder, max_bytes, progress)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"cannot be unpacked ({error})", file=archive, remedy=_REMEDY) from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be unpacked ({error})", file=archive, remedy=_REMEDY) from error


def _unpack_zip(
    file: zipfile.ZipFile, archive: Path, folder: Path, limit: int, progress: Callable[[int], None] | None
) -> list[Path]:
    members = [info for info in file.infolist() if not info.is_dir()]
    for info in members:
        # The upper half of external_attr holds the Unix mode; 0o120000 is a symbolic link.
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise _refuse(archive, info.filename, "is a link")
    targets = [_target(folder, info.orig_filename, archive) for info in members]
    _check_total(archive, sum(info.file_size for info in members), limit)
    for info, target in zip(members, targets, strict=True):
        if not (target.is_file() and target.stat().st_size == info.file_size):
            with file.open(info) as source:
                _write(source, target, info.file_size, archive)
        if progress is not None:
            progress(info.file_size)
    return targets


def _unpack_tar(
    file: tarfile.TarFile, archive: Path, folder: Path, limit: int, progress: Callable[[int], None] | None
) -> list[Path]:
    members = [member for member in file.getmembers() if not member.isdir()]
    for member in members:
        if not member.isfile():
            raise _refuse(archive, member.name, "is a link or a device")
    targets = [_target(folder, member.name, archive) for member in members]
    _check_total(archive, sum(member.size for member in members), limit)
    for member, target in zip(members, targets, strict=True):
        source = file.extractfile(member)
        if source is not None and not (target.is_file() and target.stat().st_size == member.size):
            _write(source, target, member.size, archive)
        if progress is not None:
            progress(member.size)
    return targets


def _target(folder: Path, name: str, archive: Path) -> Path:
    parts = name.split("/")
    bad = not name or "\\" in name or "\0" in name or name.startswith("/") or ".." in parts
    if bad or re.match(r"[A-Za-z]:", name) or not any(part not in ("", ".") for part in parts):
        raise _refuse(archive, name, "leads out of the folder")
    target = folder.joinpath(*(part for part in parts if part not in ("", ".")))
    # A link that is already in the folder could still lead out of it.
    if not target.resolve().is_relative_to(folder.resolve()):
        raise _refuse(archive, name, "leads out of the folder")
    return target


def _write(source: IO[bytes], target: Path, size: int, archive: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    with temporary.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if temporary.stat().st_size != size:
        temporary.unlink()
        raise InputError("a member is shorter than the archive says", file=archive, value=target.name, remedy=_REMEDY)
    temporary.replace(target)


def _check_total(archive: Path, total: int, limit: int) -> None:
    if total > limit:
        raise InputError(f"would unpack to {total} bytes, more than {limit}", file=archive, remedy=_REMEDY)


def _refuse(archive: Path, name: str, why: str) -> InputError:
    return InputError(f"a member {why}", file=archive, value=name, remedy=_REMEDY)
