"""Download files: resumable, checked against size and hash, and under their final name only when complete.

A file grows as `<name>.part` beside its final place; `<name>.part.json` holds the server's mark of its version (ETag or
Last-Modified). A Range request resumes it; If-Range makes the server start again if the file has changed. When all
bytes are there and the checks hold, the file is renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.request import Request

from filelock import FileLock

from sshbench.errors import DownloadError, InputError
from sshbench.models import FileModel

Progress = Callable[[int], None]
"""Called with the number of bytes that arrived; a negative number where a transfer starts again corrects the sum."""

_BLOCK = 1 << 18
_PAUSE = 0.5  # seconds before the first further attempt; it doubles with each one in a row
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that may be gone at the next attempt


@dataclass(frozen=True, slots=True)
class Download:
    """A complete file on this machine.

    Attributes:
        path: The file.
        bytes: Its size.
        sha256: Hash of the file here, as hex digits, whether or not there was a published one to compare with.
        checked_by: Kind of the published hash that it equals; None if none is known.
        fetched: False if the file was here already and no server was asked.
    """

    path: Path
    bytes: int
    sha256: str
    checked_by: Literal["sha256", "md5"] | None
    fetched: bool


def download_file(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    timeout: float = 60.0,
    retries: int = 3,
) -> Path:
    """Download a file as `download` does, and return its path."""
    return download(url, path, sha256=sha256, size=size, progress=progress, timeout=timeout, retries=retries).path


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    timeout: float = 60.0,
    retries: int = 3,
) -> Download:
    """Download a file, or resume an earlier download of it, through the environment's proxies.

    Args:
        url: http or https.
        path: Where to put the file. If it is there already and passes the checks, the server is not asked.
        sha256: Published hash, as hex digits; None if there is none.
        md5: Published hash, as hex digits; checked only if `sha256` is None.
        size: Published size in bytes; None if not known.
        progress: Called with the number of bytes that arrived, including those of an earlier attempt.
        timeout: Seconds without a byte after which a connection is closed.
        retries: Further attempts in succession that may bring nothing new; 0 for a single attempt.

    Raises:
        DownloadError: It did not arrive completely, is not the expected file, or cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"invalid address {url}", remedy="Give one that starts with http:// or https://")
    job = _Job(url, path, sha256, md5, size, progress, timeout)
    try:
        if (there := job.already_there()) is not None:
            return there
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            # While this process waited for the lock, another one may have downloaded the file.
            return job.already_there() or job.fetch(retries)
    except OSError as error:
        remedy = "Check the folder's permissions and free space; the next download resumes"
        raise DownloadError(f"{path} cannot be read or written ({error})", remedy=remedy) from error


class PartRecord(FileModel):
    """The file `<name>.part.json`: what the bytes in `<name>.part` are of.

    Attributes:
        url: Address they came from.
        version: The server's mark of the file's version, ETag or Last-Modified; empty if it gave none.
    """

    url: str
    version: str = ""


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith(("http://", "https://")):
            raise urllib.error.URLError(f"it leads to {newurl}, which is neither http nor https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_HttpOnly)


class _Job:
    """The download of one file."""

    def __init__(
        self,
        url: str,
        path: Path,
        sha256: str | None,
        md5: str | None,
        size: int | None,
        progress: Progress | None,
        timeout: float,
    ) -> None:
        self.url, self.path, self.size, self.progress, self.timeout = url, path, size, progress, timeout
        self.kind: Literal["sha256", "md5"] | None = "sha256" if sha256 else "md5" if md5 else None
        self.expected = (sha256 or md5 or "").lower()
        self.part = path.with_name(f"{path.name}.part")
        self.memo = path.with_name(f"{path.name}.part.json")
        self.by_hand = f"put the file at {path} by hand"
        self.resumed = False
        self.counted = 0
        self._start()

    def _start(self, prefix: Path | None = None) -> None:
        """Set size and hashes to those of the bytes that are here."""
        self.hashes = {kind: hashlib.new(kind, usedforsecurity=kind != "md5") for kind in {"sha256", self.kind} if kind}
        self.got = 0
        if prefix is not None:
            with prefix.open("rb") as file:
                while block := file.read(_BLOCK):
                    self._take(block)

    def _take(self, block: bytes) -> None:
        for one in self.hashes.values():
            one.update(block)
        self.got += len(block)

    def _report(self) -> None:
        if self.progress is not None and self.got != self.counted:
            self.progress(self.got - self.counted)
        self.counted = self.got

    def _holds(self) -> bool:
        return self.kind is None or self.hashes[self.kind].hexdigest() == self.expected

    def _result(self, *, fetched: bool) -> Download:
        return Download(self.path, self.got, self.hashes["sha256"].hexdigest(), self.kind, fetched)

    def already_there(self) -> Download | None:
        """Return the file that is here; None if there is none, or another one."""
        if not self.path.is_file() or self.size not in (None, self.path.stat().st_size):
            return None
        self._start(self.path)
        return self._result(fetched=False) if self._holds() else None

    def fetch(self, retries: int) -> Download:
        """Download the file, check it and put it in its place."""
        self._bring(retries)
        if self.resumed and not self._holds():
            # The bytes of an earlier attempt may have been the beginning of another file.
            self._discard()
            self._bring(retries)
        if not self._holds():
            found = self.hashes[self.kind or "sha256"].hexdigest()
            self._discard()
            raise DownloadError(
                f"{self.url} gave a file with {self.kind} {found}, expected {self.expected}",
                remedy="The server's file has changed, or a proxy changed it; it was not kept. Try another network, "
                f"or {self.by_hand}",
            )
        self.part.replace(self.path)
        self.memo.unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        return self._result(fetched=True)

    def _bring(self, retries: int) -> None:
        """Attempt until all bytes are here; only attempts that bring nothing new count as failures."""
        best, failures = 0, 0
        while True:
            try:
                return self._attempt()
            except urllib.error.HTTPError as error:
                error.close()
                reason, final = f"answered {error.code} {error.reason}", error.code not in _PASSING
            except (urllib.error.URLError, http.client.HTTPException) as error:
                reason, final = f"could not be fetched ({getattr(error, 'reason', None) or error})", False
            best, failures = (self.got, 0) if self.got > best else (best, failures + 1)
            if final or failures > retries or not retries:
                remedy = f"Try again later (the download resumes), or {self.by_hand}"
                raise DownloadError(f"{self.url} {reason}", remedy=remedy)
            time.sleep(min(_PAUSE * 2**failures, 10.0))

    def _attempt(self) -> None:
        self._start()
        for file in (self.part, self.memo):
            if file.is_symlink():
                text = f"{file} is a link, and a download through it would change another file"
                raise DownloadError(text, remedy="Remove the link")
        there, version = self._to_resume()
        if there and there == self.size:
            self._start(self.part)
            return self._report()
        request = urllib.request.Request(self.url, headers={"User-Agent": "sshbench", "Accept-Encoding": "identity"})
        if there:
            request.add_header("Range", f"bytes={there}-")
            if version:
                request.add_header("If-Range", version)
        try:
            with _network():
                response: http.client.HTTPResponse = _OPENER.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            # 416: no bytes follow those that are here. The file is complete if the server states this length.
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not there:
                raise
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{there}" and self.size is None:
                self._start(self.part)
                return self._report()
            self._discard()
            raise http.client.HTTPException("the server's file is shorter than what is here") from error
        with response:
            total = self._look_at(response, there, version)
            if response.status == http.HTTPStatus.PARTIAL_CONTENT:
                self.resumed = True
                self._start(self.part)
            else:
                # The old bytes are removed before the new mark is written, so that a crash cannot join two versions.
                self._discard()
            PartRecord(url=self.url, version=_version(response)).write(self.memo)
            self._store(response, total)
        if total is not None and self.got < total:
            raise http.client.HTTPException(f"the connection ended after {self.got} of {total} bytes")
        return None

    def _to_resume(self) -> tuple[int, str]:
        """Return how many bytes an earlier attempt left, and the server's mark of their version, if known."""
        there = self.part.stat().st_size if self.part.is_file() else 0
        try:
            memo = PartRecord.read(self.memo, remedy="")
            version = memo.version if memo.url == self.url else ""
        except InputError:
            version = ""
        # Without a mark the bytes may be of another version; only a hash of the whole file can tell afterwards.
        usable = (version or self.kind) and (self.size is None or there <= self.size)
        return (there, version) if usable else (0, "")

    def _look_at(self, response: http.client.HTTPResponse, there: int, version: str) -> int | None:
        """Refuse an answer that cannot be the file, before anything here changes; return the size of the file."""
        if response.headers.get_content_type() == "text/html" and self.path.suffix not in (".html", ".htm"):
            remedy = f"Open the address in a browser, and {self.by_hand}"
            raise DownloadError(f"{self.url} gave a web page instead of the file", remedy=remedy)
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            content = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
            now = _version(response)
            ends = content is not None and there <= int(content[2]) == int(content[3]) - 1
            if content is None or not ends or int(content[1]) != there or (version and now and now != version):
                self._discard()
                raise http.client.HTTPException("the server sent another part than requested")
            total: int | None = int(content[3])
        else:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
        if self.size is not None and total is not None and total != self.size:
            remedy = (
                f"The server's file has changed, or another page was sent instead. Try again later, or {self.by_hand}"
            )
            raise DownloadError(f"{self.url} is {total} bytes long, expected {self.size}", remedy=remedy)
        return total if total is not None else self.size

    def _store(self, response: http.client.HTTPResponse, total: int | None) -> None:
        self._report()
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - self.got > free:
            remedy = "Free some space, or give another folder"
            raise DownloadError(f"{total - self.got} bytes are to come but {free} are free", remedy=remedy)
        with self.part.open("ab") as file:
            while self.size is None or self.got <= self.size:
                with _network():
                    block = response.read1(_BLOCK)
                if not block:
                    break
                file.write(block)
                self._take(block)
                self._report()
            file.flush()
            os.fsync(file.fileno())
        if self.size is not None and self.got > self.size:
            self._discard()
            raise DownloadError(
                f"{self.url} gave more than the expected {self.size} bytes",
                remedy=f"Get it elsewhere and {self.by_hand}",
            )

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.memo.unlink(missing_ok=True)
        self.resumed = False
        self._start()


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Turn all errors of the network into one kind, which differs from errors of files."""
    try:
        yield
    except urllib.error.URLError:
        raise
    except (OSError, ValueError) as error:
        raise urllib.error.URLError(str(error)) from error


def _version(response: http.client.HTTPResponse) -> str:
    """Return the server's mark of a file's version; no weak ETag, which If-Range forbids (RFC 9110, 13.1.5)."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
