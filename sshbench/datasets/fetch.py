"""Fetch a dataset: download its archives, check them, unpack them, and record what was fetched."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from sshbench.datasets.unpack import unpack
from sshbench.download import Download, Progress, download
from sshbench.errors import DownloadError, InputError, SshbenchError, UsageError, did_you_mean
from sshbench.models import FileModel, StrictModel

Bars = Callable[[str, int | None], AbstractContextManager[Progress]]
"""Opens a progress bar, given what is done and its size in bytes (None if not known)."""

RECORD = "sshbench-fetched.json"
"""A file in the dataset's folder: by archive, its address, size and hash, and what the hash was compared with."""

_SOURCES = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One archive of a dataset, as in `sources.toml`.

    Attributes:
        part: Name by which a user asks for it.
        name: File name.
        urls: Addresses, tried in order.
        provides: What it unpacks to.
        needed_for: What needs it.
        bytes: Published size; None if there is none.
        sha256: Published hash; None if there is none.
        md5: Published hash; None if there is none. Checked only if there is no sha256.
        source: Who published size and hash.
        into: Folder to unpack into, below the dataset's.
    """

    part: str
    name: str
    urls: tuple[str, ...]
    provides: str = ""
    needed_for: str = ""
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    source: str = ""
    into: str = "."


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """The sources of a dataset.

    Attributes:
        name: The dataset.
        page: Its own page.
        terms: Its owners' terms, as a text for the user.
        default_parts: Parts that evaluation needs.
        files: All archives.
    """

    name: str
    page: str
    terms: str
    default_parts: tuple[str, ...]
    files: tuple[SourceFile, ...]

    def chosen(self, parts: Sequence[str] | None) -> list[SourceFile]:
        """Return the archives of these parts; without any, those that evaluation needs.

        Raises:
            UsageError: There is no such part.
        """
        known = [file.part for file in self.files]
        for part in parts or ():
            if part not in known:
                raise UsageError(f"{self.name} has no part '{part}'", remedy=did_you_mean(part, known))
        return [file for file in self.files if file.part in (parts or self.default_parts)]


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One fetched archive.

    Attributes:
        part: Its part.
        path: The archive.
        state: Whether it was downloaded now.
        url: Its address; None if it was there already.
        bytes: Its size.
        sha256: Hash of the file here.
        checked_by: Kind of the published hash that it equals; None if none is published.
        unpacked: Number of files that it unpacked to.
    """

    part: str
    path: str
    state: Literal["downloaded", "already there"]
    url: str | None
    bytes: int
    sha256: str
    checked_by: Literal["sha256", "md5"] | None
    unpacked: int

    def __str__(self) -> str:
        checked = (
            f"{self.checked_by} as published"
            if self.checked_by
            else f"no published checksum; recorded sha256 {self.sha256}"
        )
        return f"{Path(self.path).name}: {self.state}, {self.bytes} bytes, {checked}, {self.unpacked} files unpacked"


@dataclass(frozen=True, slots=True)
class FetchReport:
    """The fetched archives of a dataset.

    Attributes:
        dataset: Its name.
        folder: Its folder.
        page: Its own page.
        terms: Its owners' terms.
        files: Its archives, in the order of `sources.toml`.
    """

    dataset: str
    folder: str
    page: str
    terms: str
    files: tuple[FetchedFile, ...]


def dataset_source(name: str, table: Path | None = None) -> DatasetSource:
    """Return the sources of a dataset.

    Args:
        name: As in `sources.toml`.
        table: Another table of sources than the shipped one.

    Raises:
        UsageError: The table has no dataset of this name.
    """
    sources: dict[str, Any] = tomllib.loads((table or _SOURCES).read_text(encoding="utf-8"))
    if name not in sources:
        raise UsageError(f"no dataset '{name}' can be fetched", remedy=did_you_mean(name, sorted(sources)))
    entry = sources[name]
    files = tuple(SourceFile(**{**file, "urls": tuple(file["urls"])}) for file in entry["files"])
    return DatasetSource(name, entry["page"], entry["terms"], tuple(entry["default_parts"]), files)


def fetchable(table: Path | None = None) -> list[str]:
    """Return the names of the datasets that can be fetched."""
    return list(tomllib.loads((table or _SOURCES).read_text(encoding="utf-8")))


def fetch_dataset(
    name: str,
    folder: Path,
    *,
    parts: Sequence[str] | None = None,
    progress: Bars | None = None,
    on_file: Callable[[FetchedFile], None] | None = None,
    table: Path | None = None,
) -> FetchReport:
    """Download a dataset's archives into a folder and unpack them there; intact files that are there are kept.

    Args:
        name: As in `sources.toml`.
        folder: The dataset's folder; created if needed.
        parts: Parts to fetch; None for those that evaluation needs.
        progress: Opens the progress bars.
        on_file: Called with each archive when it is unpacked.
        table: Another table of sources than the shipped one.

    Raises:
        UsageError: There is no such dataset or part.
        DownloadError: No address gave the file.
        InputError: An archive is damaged or would unpack to a place outside the folder.
    """
    source = dataset_source(name, table)
    done = []
    for file in source.chosen(parts):
        done.append(fetch_file(file, folder, progress=progress))
        _record(folder, file, done[-1])
        if on_file is not None:
            on_file(done[-1])
    return FetchReport(name, str(folder), source.page, source.terms, tuple(done))


def fetch_file(file: SourceFile, folder: Path, *, progress: Bars | None = None) -> FetchedFile:
    """Download one archive into a folder and unpack it there, from the first address that gives the right file.

    Raises:
        DownloadError: No address gave the file.
        InputError: The archive is damaged or would unpack to a place outside the folder.
    """
    bars = progress or _no_bar
    archive = folder / file.name
    failures = []
    for url in file.urls:
        try:
            with bars(file.name, file.bytes) as bar:
                got = download(url, archive, sha256=file.sha256, md5=file.md5, size=file.bytes, progress=bar)
            with bars(f"unpacking {file.name}", None) as bar:
                unpacked = unpack(archive, folder / file.into, progress=bar)
        except DownloadError as error:
            failures.append(error.message)
            continue
        except InputError as error:
            # Without a published hash the file may be an error page; renamed, it does not stop the next call.
            if got.checked_by is not None or error.file != str(archive):
                raise
            bad = archive.replace(archive.with_name(f"{archive.name}.bad"))
            failures.append(f"{error.message} (kept as {bad.name})")
            continue
        return _fetched(file, got, url, len(unpacked))
    raise DownloadError("; ".join(failures), remedy=f"Try again later, or put {file.name} into {folder} by hand")


def _fetched(file: SourceFile, got: Download, url: str, unpacked: int) -> FetchedFile:
    return FetchedFile(
        part=file.part,
        path=str(got.path),
        state="downloaded" if got.fetched else "already there",
        url=url if got.fetched else None,
        bytes=got.bytes,
        sha256=got.sha256,
        checked_by=got.checked_by,
        unpacked=unpacked,
    )


class FetchedEntry(StrictModel):
    """One archive in the record of a folder.

    Attributes:
        url: Its address; None where it is unknown.
        bytes: Its size.
        sha256: Hash of the file here.
        checked_by: Kind of the published hash that it equals; None if none is published.
        published_by: Who published that hash.
    """

    url: str | None
    bytes: int
    sha256: str
    checked_by: Literal["sha256", "md5"] | None
    published_by: str


class FetchRecord(FileModel):
    """The record of the archives that a folder was filled from, by file name. In format 1 the entries were the file."""

    FORMAT: ClassVar[int] = 2

    format: int = 2
    files: dict[str, FetchedEntry] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_format_1(cls, content: object) -> object:
        if isinstance(content, dict) and not {"format", "files"} & content.keys():
            return {"files": content}
        return content


def _record(folder: Path, file: SourceFile, done: FetchedFile) -> None:
    path = folder / RECORD
    try:
        record = FetchRecord.read(path, remedy="Delete the file")
    except InputError:  # missing or damaged: it only says where archives came from
        record = FetchRecord()
    before = record.files.get(file.name)
    known = before is not None and done.url is None and before.sha256 == done.sha256
    entry = FetchedEntry(
        url=before.url if known and before is not None else done.url,
        bytes=done.bytes,
        sha256=done.sha256,
        checked_by=done.checked_by,
        published_by=file.source if done.checked_by else "",
    )
    if entry == before:
        return
    try:
        FetchRecord(files={**record.files, file.name: entry}).write(path)
    except OSError as error:
        raise SshbenchError(f"{path} cannot be written ({error})", remedy="Check the folder's permissions") from error


def _no_bar(_what: str, _total: int | None) -> AbstractContextManager[Progress]:
    return nullcontext(lambda _: None)
