"""Downloads against a local server that behaves well, badly and very badly."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sshbench import download as module
from sshbench.download import Download, download, download_file
from sshbench.errors import DownloadError

CONTENT = bytes(range(256)) * 4000  # 1 024 000 bytes: several blocks
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server does; tests change it between requests."""

    url: str = ""
    content: bytes = CONTENT
    etag: str = '"one"'
    modified: str = ""
    content_type: str = "application/zip"
    honours_range: bool = True
    honours_if_range: bool = True
    shifted_range: int = 0
    sends_length: bool = True
    drop_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    stall: bool = False
    ranges: list[str | None] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


def handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.ranges.append(asked)
            if server.statuses and (status := server.statuses.pop(0)) != 200:
                self.send_error(status)
                return
            mark = self.headers.get("If-Range")
            same = not server.honours_if_range or mark is None or mark in (server.etag, server.modified)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.honours_range and same else 0
            if start and start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
            first = start + server.shifted_range if start else 0
            body = server.content[first:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
            if server.sends_length:
                self.send_header("Content-Length", str(len(body)))
            if server.etag:
                self.send_header("ETag", server.etag)
            if server.modified:
                self.send_header("Last-Modified", server.modified)
            self.send_header("Content-Type", server.content_type)
            self.end_headers()
            if server.stall:
                server.stop.wait(5)
            if server.drop_after:
                body = body[: server.drop_after.pop(0)]
            self.wfile.write(body)

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(state))
    state.url = f"http://127.0.0.1:{http.server_port}/file.zip"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.stop.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "file.zip"


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if not p.name.startswith("."))


def interrupt(server: Server, path: Path, after: int = HALF) -> int:
    """A download that breaks off; the bytes it left."""
    server.drop_after = [after]
    with pytest.raises(DownloadError, match=f"ended after {after} of {len(server.content)} bytes"):
        download_file(server.url, path, retries=0)
    assert names(path) == ["file.zip.part", "file.zip.part.json"]
    server.ranges.clear()
    return path.with_name("file.zip.part").stat().st_size


def test_download(server: Server, path: Path) -> None:
    came: list[int] = []
    done = download(server.url, path, sha256=SHA256.upper(), size=len(CONTENT), progress=came.append)
    assert done == Download(path, len(CONTENT), SHA256, "sha256", fetched=True)
    assert path.read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)
    assert names(path) == ["file.zip"]


def test_what_is_there_and_right_needs_no_server(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    url = "http://127.0.0.1:9/file.zip"
    assert download_file(url, path, sha256=SHA256) == path
    assert download(url, path, md5=hashlib.md5(CONTENT).hexdigest()).checked_by == "md5"
    assert download(url, path) == Download(path, len(CONTENT), SHA256, None, fetched=False)


@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1], b""])
def test_what_is_there_and_wrong_is_fetched_anew(server: Server, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert download(server.url, path, sha256=SHA256, size=len(CONTENT)).fetched
    assert path.read_bytes() == CONTENT


def test_unpublished_hash_is_computed_and_not_called_checked(server: Server, path: Path) -> None:
    done = download(server.url, path)
    assert (done.sha256, done.checked_by) == (SHA256, None)


def test_interrupted_download_asks_for_the_rest_only(server: Server, path: Path) -> None:
    assert interrupt(server, path) == HALF
    came: list[int] = []
    download_file(server.url, path, sha256=SHA256, progress=came.append)
    assert server.ranges == [f"bytes={HALF}-"]
    assert path.read_bytes() == CONTENT
    assert came[0] == HALF
    assert sum(came) == len(CONTENT)


def test_broken_connections_are_taken_up_within_one_call(server: Server, path: Path) -> None:
    server.drop_after = [100_000] * 8  # more than the retries: each one brings something new
    download_file(server.url, path, sha256=SHA256, retries=1)
    assert server.ranges == [None, *(f"bytes={n * 100_000}-" for n in range(1, 9))]
    assert path.read_bytes() == CONTENT


def test_last_modified_serves_where_the_etag_is_weak(server: Server, path: Path) -> None:
    server.etag, server.modified = 'W/"one"', "Mon, 01 Jan 2024 00:00:00 GMT"
    interrupt(server, path)
    assert json.loads(path.with_name("file.zip.part.json").read_text())["version"] == server.modified
    download_file(server.url, path)
    assert server.ranges == [f"bytes={HALF}-"]
    assert path.read_bytes() == CONTENT


def without_mark(server: Server) -> None:
    server.etag = ""


def without_ranges(server: Server) -> None:
    server.honours_range = False


def changed(server: Server) -> None:
    server.content, server.etag = OTHER, '"two"'


def changed_and_careless(server: Server) -> None:
    server.content, server.etag, server.honours_if_range = OTHER, '"two"', False


def shifted(server: Server) -> None:
    server.shifted_range = 7


def shortened(server: Server) -> None:
    server.content, server.honours_if_range = CONTENT[: HALF - 5], False


@pytest.mark.parametrize("change", [without_ranges, changed, changed_and_careless, shifted, shortened])
def test_what_cannot_be_resumed_starts_over(server: Server, path: Path, change: Callable[[Server], None]) -> None:
    interrupt(server, path)
    change(server)
    came: list[int] = []
    done = download(server.url, path, progress=came.append)
    assert path.read_bytes() == server.content
    assert done.sha256 == hashlib.sha256(server.content).hexdigest()
    assert sum(came) == len(server.content)


def test_without_a_mark_of_the_version_only_a_hash_allows_resuming(server: Server, path: Path) -> None:
    without_mark(server)
    interrupt(server, path)
    server.drop_after = [10]
    with pytest.raises(DownloadError):
        download_file(server.url, path, retries=0)
    assert server.ranges == [None]
    download_file(server.url, path, sha256=SHA256)
    assert server.ranges == [None, "bytes=10-"]
    assert path.read_bytes() == CONTENT


def test_wrong_beginning_of_an_earlier_attempt_is_thrown_away(server: Server, path: Path) -> None:
    interrupt(server, path)
    path.with_name("file.zip.part").write_bytes(OTHER[:HALF])
    download_file(server.url, path, sha256=SHA256)
    assert server.ranges == [f"bytes={HALF}-", None]
    assert path.read_bytes() == CONTENT


def test_another_address_goes_on_only_with_a_hash(server: Server, path: Path) -> None:
    interrupt(server, path)
    download_file(server.url + "?mirror", path, sha256=SHA256)
    assert server.ranges == [f"bytes={HALF}-"]
    path.unlink()
    interrupt(server, path)
    download_file(server.url + "?mirror", path)
    assert server.ranges == [None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("size", "requests"), [(len(CONTENT), 0), (None, 1)])
def test_killed_before_the_rename(server: Server, path: Path, size: int | None, requests: int) -> None:
    interrupt(server, path)
    path.with_name("file.zip.part").write_bytes(CONTENT)
    came: list[int] = []
    download_file(server.url, path, sha256=SHA256, size=size, progress=came.append)
    assert len(server.ranges) == requests
    assert path.read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_wrong_hash_keeps_nothing(server: Server, path: Path, kind: str) -> None:
    found = hashlib.new(kind, CONTENT).hexdigest()
    wrong = "0" * len(found)
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)} .*{found}, expected 0000.*put the file at"):
        download(server.url, path, sha256=wrong if kind == "sha256" else None, md5=wrong if kind == "md5" else None)
    assert names(path) == []


@pytest.mark.parametrize("length", [0, HALF, len(CONTENT) + 1])
@pytest.mark.parametrize("sends_length", [True, False])
def test_wrong_size(server: Server, path: Path, length: int, sends_length: bool) -> None:
    server.content, server.sends_length = (CONTENT + b"x")[:length], sends_length
    with pytest.raises(DownloadError, match=r"expected|ended after"):
        download_file(server.url, path, size=len(CONTENT), retries=1)
    assert not path.exists()


def test_wrong_size_leaves_the_earlier_attempt_alone(server: Server, path: Path) -> None:
    interrupt(server, path)
    server.content, server.etag = b"too short", '"two"'
    with pytest.raises(DownloadError, match=f"is 9 bytes long, expected {len(CONTENT)}"):
        download_file(server.url, path, size=len(CONTENT))
    assert path.with_name("file.zip.part").stat().st_size == HALF


def test_web_page_is_not_the_file(server: Server, path: Path) -> None:
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match=r"web page.*in a browser, and put the file at"):
        download_file(server.url, path)
    assert names(path) == []


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 3), (503, 3), (429, 3)])
def test_http_errors(server: Server, path: Path, status: int, requests: int) -> None:
    server.statuses = [status] * 5
    with pytest.raises(DownloadError, match=rf"{re.escape(server.url)} answered {status} .*by hand"):
        download_file(server.url, path, retries=2)
    assert len(server.ranges) == requests


def test_passing_errors_pass(server: Server, path: Path) -> None:
    server.statuses = [503, 500]
    assert download_file(server.url, path, sha256=SHA256).read_bytes() == CONTENT


def test_refused_connection(server: Server, path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.zip"
        with pytest.raises(DownloadError, match=rf"{url} could not be fetched \(.*refused.*put the file at"):
            download_file(url, path, retries=1)


def test_stalled_server(server: Server, path: Path) -> None:
    server.stall = True
    with pytest.raises(DownloadError, match="timed out"):
        download_file(server.url, path, timeout=0.2, retries=0)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/file.zip", "file.zip", "http://:x/", "http://a..b/"]
)
def test_unusable_addresses(server: Server, path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match=re.escape(url)):
        download_file(url, path, retries=0)


def test_unwritable_place(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(DownloadError, match=r"cannot be .*written.*permissions"):
        download_file(server.url, tmp_path / "data" / "file.zip")


def test_no_room(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DownloadError, match="1024000 bytes are to come but 10 are free"):
        download_file(server.url, path)


def test_two_at_once_fetch_once(server: Server, path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: download(server.url, path, sha256=SHA256), range(4)))
    assert server.ranges == [None]
    assert sorted(d.fetched for d in done) == [False, False, False, True]
    assert path.read_bytes() == CONTENT
