"""Downloads that can be trusted: resumed, checked, and never half there under their name.

A file grows as `<name>.part` beside its place. What is there is resumed by a Range request that the server may only
honour for the same version of the file (If-Range); when all has come and the checks hold, it is renamed.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from sshbench.errors import DownloadError
from sshbench.resources import sha256_of

Progress = Callable[[int], None]
_BLOCK = 1 << 20
_AGENT = "sshbench (https://pypi.org/project/sshbench)"


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
    """Download a file, or go on with an earlier download of it.

    Args:
        url: http or https.
        path: Where it is to lie; a file that is there with the right hash is taken as it is.
        sha256: Hex; None where none is published, and then only the size is checked.
        size: Bytes; None where not known.
        progress: Called with the bytes that arrived, resumed ones included.
        timeout: Seconds without a byte before an attempt is given up.
        retries: Further attempts after a broken connection; each goes on where the last one stopped.

    Returns:
        `path`.

    Raises:
        DownloadError: It did not arrive whole, or is not the file it should be.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} is no http address")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file() and _is_right(path, sha256, size):
            return path
        part = path.with_name(path.name + ".part")
        for attempt in range(retries + 1):
            try:
                _fetch(url, part, size, progress, timeout, count_resumed=attempt == 0)
                break
            except urllib.error.HTTPError as error:
                error.close()
                if error.code < 500 or attempt == retries:
                    raise DownloadError(f"{url} answered {error.code} {error.reason}", remedy=_by_hand(path)) from error
            except (OSError, http.client.HTTPException) as error:
                if attempt == retries:
                    reason = getattr(error, "reason", None) or error
                    raise DownloadError(f"{url} could not be fetched ({reason})", remedy=_by_hand(path)) from error
            time.sleep(min(0.2 * 2**attempt, 5.0))
        _check(part, url, sha256, size)
        part.replace(path)
        _memo(part).unlink(missing_ok=True)
        return path


def _fetch(
    url: str, part: Path, size: int | None, progress: Progress | None, timeout: float, *, count_resumed: bool
) -> None:
    there = part.stat().st_size if part.is_file() else 0
    memo = _read_memo(part)
    # Without a mark of the version, the rest could be of another file than the beginning.
    if there and (memo.get("url") != url or not memo.get("version")):
        there = 0
    if size is not None and there >= size:
        there = 0 if there > size else there
        if there:
            return
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})
    if there:
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", memo["version"])
    with urllib.request.urlopen(request, timeout=timeout) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {there}-"):
            part.unlink()
            raise http.client.HTTPException("the server sent another part than the one asked for")
        version = response.headers.get("ETag", "") or response.headers.get("Last-Modified", "")
        # A weak ETag may stand for different bytes; If-Range forbids it.
        _memo(part).write_text(json.dumps({"url": url, "version": "" if version.startswith("W/") else version}))
        expected = response.headers.get("Content-Length")
        if progress is not None and resumed and count_resumed:
            progress(there)
        came = 0
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                came += len(block)
                if progress is not None:
                    progress(len(block))
            file.flush()
            os.fsync(file.fileno())
        if expected is not None and came < int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - came)


def _check(part: Path, url: str, sha256: str | None, size: int | None) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        _discard(part)
        raise DownloadError(f"{url} gave {found} bytes, expected {size}", remedy="Try again, or get the file by hand")
    if sha256 is not None and (actual := sha256_of(part)) != sha256:
        _discard(part)
        raise DownloadError(
            f"{url} gave a file with sha256 {actual}, expected {sha256}",
            remedy="The file has changed there, or something on the way changed it: do not use it",
        )


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _memo(part).unlink(missing_ok=True)


def _is_right(path: Path, sha256: str | None, size: int | None) -> bool:
    if size is not None and path.stat().st_size != size:
        return False
    return sha256 is None or sha256_of(path) == sha256


def _memo(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_memo(part: Path) -> dict[str, str]:
    try:
        memo = json.loads(_memo(part).read_text())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in memo.items()} if isinstance(memo, dict) else {}


def _by_hand(path: Path) -> str:
    return f"Try again (it goes on where it stopped), or put the file at {path} by hand"
