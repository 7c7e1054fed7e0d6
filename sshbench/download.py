"""Downloads that can be trusted: resumed, checked, and never half there under their name.

A file grows as `<name>.part` beside its place, with `<name>.part.json` that remembers the server's mark of its version
(ETag or Last-Modified). A Range request goes on with it; If-Range makes the server start anew where the file has
changed. When all has come and the checks hold, the file is renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from sshbench.errors import DownloadError

Progress = Callable[[int], None]
"""Called with the bytes that arrived; with less than 0 where a transfer starts over, so that the sum stays right."""

_BLOCK = 1 << 18
_PAUSE = 0.5  # seconds before the first further attempt; it doubles with each one in a row
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that another attempt may mend


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is here.

    Attributes:
        path: Where.
        bytes: Its size.
        sha256: Hex, computed from what is here, whether or not there was a published one to compare with.
        checked_by: The published hash that it was found equal to; None where none is known.
        fetched: False where it was here already and no server was asked.
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
    """`download`, for those who need the path only."""
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
    """Download a file, or go on with an earlier download of it, through the environment's proxies.

    Args:
        url: http or https.
        path: Where it is to lie. A file that is here and passes the checks is taken without asking the server.
        sha256: Hex; None where none is published.
        md5: Hex; looked at only where `sha256` is None.
        size: Bytes; None where not known.
        progress: Called with the bytes that arrived, those of an earlier attempt included.
        timeout: Seconds without a byte after which a connection is given up.
        retries: Further attempts in a row that may bring nothing new; 0 for one attempt.

    Raises:
        DownloadError: It did not arrive whole, is not the file it should be, or cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} is no http address", remedy="Give one that starts with http:// or https://")
    job = _Job(url, path, sha256, md5, size, progress, timeout)
    try:
        if (there := job.already_there()) is not None:
            return there
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            # While this process waited for the lock, another one may have brought the file.
            return job.already_there() or job.fetch(retries)
    except OSError as error:
        remedy = "Look at the folder's permissions and free space; a download goes on where it stopped"
        raise DownloadError(f"{path} cannot be read or written ({error})", remedy=remedy) from error


class _Job:
    """One file on its way."""

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
        """Set the hashes to those of the bytes that are here."""
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
        """The file that is here, None where there is none or another one."""
        if not self.path.is_file() or self.size not in (None, self.path.stat().st_size):
            return None
        self._start(self.path)
        return self._result(fetched=False) if self._holds() else None

    def fetch(self, retries: int) -> Download:
        """Bring the file, check it and put it in its place."""
        self._bring(retries)
        if self.resumed and not self._holds():
            # What lay here from an earlier attempt may have been the beginning of another file.
            self._discard()
            self._bring(retries)
        if not self._holds():
            found = self.hashes[self.kind or "sha256"].hexdigest()
            self._discard()
            raise DownloadError(
                f"{self.url} gave a file with {self.kind} {found}, expected {self.expected}",
                remedy="The file there has changed, or something on the way changed it; it was not kept. Try another "
                f"network, or {self.by_hand}",
            )
        self.part.replace(self.path)
        self.memo.unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        return self._result(fetched=True)

    def _bring(self, retries: int) -> None:
        """Attempt until all bytes are here; attempts that bring something new cost nothing."""
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
                remedy = f"Try again later (it goes on where it stopped), or {self.by_hand}"
                raise DownloadError(f"{self.url} {reason}", remedy=remedy)
            time.sleep(min(_PAUSE * 2**failures, 10.0))

    def _attempt(self) -> None:
        self._start()
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
                response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            # 416: nothing comes after what is here; it is whole if the file there is of this length and may be.
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not there:
                raise
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{there}" and self.size is None:
                self._start(self.part)
                return self._report()
            self._discard()
            raise http.client.HTTPException("the file there is shorter than what is here") from error
        with response:
            total = self._look_at(response, there, version)
            if response.status == http.HTTPStatus.PARTIAL_CONTENT:
                self.resumed = True
                self._start(self.part)
            else:
                # The old bytes go before the new mark is written: killed in between, nothing can be spliced.
                self._discard()
            memo = {"url": self.url, "version": _version(response)}
            self.memo.write_text(json.dumps(memo), encoding="utf-8")
            self._store(response, total)
        if total is not None and self.got < total:
            raise http.client.HTTPException(f"the connection ended after {self.got} of {total} bytes")
        return None

    def _to_resume(self) -> tuple[int, str]:
        """How many bytes an earlier attempt left, and the server's mark of their version, where it is known."""
        there = self.part.stat().st_size if self.part.is_file() else 0
        try:
            memo = json.loads(self.memo.read_text(encoding="utf-8"))
            version = str(memo["version"]) if memo["url"] == self.url else ""
        except (OSError, ValueError, LookupError, TypeError):
            version = ""
        # Without a mark the beginning may be of another version; only a hash over the whole can tell afterwards.
        usable = (version or self.kind) and (self.size is None or there <= self.size)
        return (there, version) if usable else (0, "")

    def _look_at(self, response: http.client.HTTPResponse, there: int, version: str) -> int | None:
        """Refuse an answer that cannot be the file, before anything here is touched; return its whole size."""
        if response.headers.get_content_type() == "text/html" and self.path.suffix not in (".html", ".htm"):
            remedy = f"Open the address in a browser, and {self.by_hand}"
            raise DownloadError(f"{self.url} gave a web page instead of the file", remedy=remedy)
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            content = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
            now = _version(response)
            if content is None or int(content[1]) != there or (version and now and now != version):
                self._discard()
                raise http.client.HTTPException("the server sent another part than the one asked for")
            total: int | None = int(content[3])
        else:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
        if self.size is not None and total is not None and total != self.size:
            remedy = f"The file there has changed, or another page was sent instead. Try again later, or {self.by_hand}"
            raise DownloadError(f"{self.url} is {total} bytes long, expected {self.size}", remedy=remedy)
        return total if total is not None else self.size

    def _store(self, response: http.client.HTTPResponse, total: int | None) -> None:
        self._report()
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - self.got > free:
            remedy = "Make room, or name another folder"
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
    """Make what goes wrong on the network one kind of error, apart from what goes wrong with files."""
    try:
        yield
    except urllib.error.URLError:
        raise
    except (OSError, ValueError) as error:
        raise urllib.error.URLError(str(error)) from error


def _version(response: http.client.HTTPResponse) -> str:
    """The server's mark of a file's version; a weak ETag may stand for other bytes, If-Range forbids it."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; there the rename is as durable as it gets.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
