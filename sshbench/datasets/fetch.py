"""Fetch a dataset: download its archives, check them, unpack them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sshbench.datasets.download import Progress, download_file
from sshbench.datasets.unpack import unpack
from sshbench.errors import DownloadError, UsageError
from sshbench.resources import sha256_of

_SOURCES = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One archive of a dataset.

    Attributes:
        part: Name by which a user asks for it.
        name: File name.
        what: What it holds.
        urls: Addresses, tried in order.
        bytes: Published size, None where there is none.
        sha256: Published hash, None where there is none.
    """

    part: str
    name: str
    what: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a dataset comes from.

    Attributes:
        page: Its own page.
        terms: Its owners' terms, in one sentence.
        default_parts: What evaluation needs.
        files: All archives.
    """

    page: str
    terms: str
    default_parts: tuple[str, ...]
    files: tuple[SourceFile, ...]

    def chosen(self, parts: Sequence[str] | None) -> list[SourceFile]:
        """The archives of these parts, default: what evaluation needs.

        Raises:
            UsageError: There is no such part.
        """
        known = [file.part for file in self.files]
        for part in parts or ():
            if part not in known:
                raise UsageError(f"there is no part '{part}'", remedy=f"Known: {', '.join(known)}")
        return [file for file in self.files if file.part in (parts or self.default_parts)]


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What became of one archive.

    Attributes:
        part: Its part.
        path: Where the archive lies.
        bytes: Its size.
        sha256: Computed.
        checked: Whether a published hash was there to compare with.
        files: How many files it unpacked to.
    """

    part: str
    path: str
    bytes: int
    sha256: str
    checked: bool
    files: int


def dataset_source(name: str, table: Path = _SOURCES) -> DatasetSource:
    """Where a dataset comes from.

    Raises:
        UsageError: Nothing is known of a dataset of this name.
    """
    sources: dict[str, Any] = tomllib.loads(table.read_text(encoding="utf-8"))
    if name not in sources:
        near = get_close_matches(name, sources, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"'{name}' cannot be fetched", remedy=f"{hint}Known: {', '.join(sorted(sources))}")
    entry = sources[name]
    files = tuple(SourceFile(**{**file, "urls": tuple(file["urls"])}) for file in entry["files"])
    return DatasetSource(entry["page"], entry["terms"], tuple(entry["default_parts"]), files)


def fetch_file(file: SourceFile, folder: Path, *, progress: Progress | None = None) -> FetchedFile:
    """Download one archive into `folder` and unpack it there.

    Raises:
        DownloadError: No address gave the file.
        InputError: The archive is damaged or leads out of the folder.
    """
    archive = folder / file.name
    failures: list[str] = []
    for url in file.urls:
        try:
            download_file(url, archive, sha256=file.sha256, size=file.bytes, progress=progress)
            break
        except DownloadError as error:
            failures.append(error.message)
    else:
        raise DownloadError("; ".join(failures), remedy=f"Put {file.name} into {folder} by hand and call this again")
    unpacked = unpack(archive, folder)
    return FetchedFile(
        part=file.part,
        path=str(archive),
        bytes=archive.stat().st_size,
        sha256=sha256_of(archive),
        checked=file.sha256 is not None,
        files=len(unpacked),
    )
