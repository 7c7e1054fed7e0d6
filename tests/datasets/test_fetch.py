"""Fetching a dataset: the table of sources, the order of addresses, the report, the command and its progress bar."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sshbench import download
from sshbench.datasets import fetch
from sshbench.datasets.fetch import RECORD, dataset_source, fetch_dataset
from sshbench.errors import DownloadError, InputError, UsageError
from sshbench.progress import progress_bar


def zipped(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, text in files.items():
            file.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


SPLIT = zipped({"wider_face_split/readme.txt": "split"})
TOOLS = zipped({"eval_tools/ground_truth/a.mat": "a", "eval_tools/ground_truth/b.mat": "b"})
EVIL = zipped({"../evil": "x"})


class Site:
    """A server of fixed files, and a table of sources that points to it."""

    def __init__(self, table: Path) -> None:
        self.table = table
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""
        self.text = (
            'toy.page = "http://page.example/"\ntoy.terms = "For research."\ntoy.default_parts = ["split", "tools"]\n'
        )

    def add(self, part: str, urls: list[str], **values: object) -> None:
        """One archive of the table; an address without a host is on this server."""
        values = {
            "part": part,
            "name": f"{part}.zip",
            "urls": [u if "://" in u else self.url + u for u in urls],
            **values,
        }
        self.text += "[[toy.files]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        self.table.write_text(self.text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    site = Site(tmp_path / "sources.toml")
    monkeypatch.setattr(fetch, "_SOURCES", site.table)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            site.asked.append(self.path)
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def toy(site: Site) -> Site:
    """Two archives: one with a published hash and a dead first address, one with none."""
    site.files = {"/split.zip": SPLIT, "/tools.zip": TOOLS}
    sha256 = hashlib.sha256(SPLIT).hexdigest()
    site.add("split", ["/gone.zip", "/split.zip"], bytes=len(SPLIT), sha256=sha256, source="its authors")
    site.add("tools", ["/tools.zip"], into="tools")
    site.add("test", ["/test.zip"])
    return site


def test_fetch(toy: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    bars: list[tuple[str, int | None, int]] = []

    @contextmanager
    def bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        came: list[int] = []
        yield came.append
        bars.append((what, total, sum(came)))

    report = fetch_dataset("toy", data, progress=bar)
    split, tools = report.files
    assert (data / "wider_face_split" / "readme.txt").read_text() == "split"
    assert (data / "tools" / "eval_tools" / "ground_truth" / "b.mat").read_text() == "b"
    assert toy.asked == ["/gone.zip", "/split.zip", "/tools.zip"]
    assert (split.state, split.url, split.checked_by, split.unpacked) == (
        "downloaded",
        f"{toy.url}/split.zip",
        "sha256",
        1,
    )
    assert (tools.checked_by, tools.sha256) == (None, hashlib.sha256(TOOLS).hexdigest())
    assert str(split) == f"split.zip: downloaded, {len(SPLIT)} bytes, sha256 as published, 1 files unpacked"
    assert f"no published checksum; recorded sha256 {tools.sha256}" in str(tools)
    assert bars == [
        ("split.zip", len(SPLIT), len(SPLIT)),
        ("unpacking split.zip", None, 5),
        ("tools.zip", None, len(TOOLS)),
        ("unpacking tools.zip", None, 2),
    ]
    record = json.loads((data / RECORD).read_text())["files"]
    assert record["split.zip"]["published_by"] == "its authors"
    assert record["tools.zip"] == {
        "url": f"{toy.url}/tools.zip",
        "bytes": len(TOOLS),
        "sha256": tools.sha256,
        "checked_by": None,
        "published_by": "",
    }


def test_again_asks_no_server_and_keeps_the_record(toy: Site, tmp_path: Path) -> None:
    fetch_dataset("toy", tmp_path)
    before = (tmp_path / RECORD).read_text()
    toy.asked.clear()
    report = fetch_dataset("toy", tmp_path)
    assert toy.asked == []
    assert [(file.state, file.url) for file in report.files] == [("already there", None)] * 2
    assert (tmp_path / RECORD).read_text() == before


def test_file_put_there_by_hand_is_checked_and_unpacked(toy: Site, tmp_path: Path) -> None:
    (tmp_path / "split.zip").write_bytes(SPLIT)
    (file,) = fetch_dataset("toy", tmp_path, parts=["split"]).files
    assert (file.state, file.checked_by, file.unpacked) == ("already there", "sha256", 1)
    assert toy.asked == []


def test_no_address_gives_the_file(toy: Site, tmp_path: Path) -> None:
    toy.files["/split.zip"] = SPLIT[:-1] + b"x"
    with pytest.raises(
        DownloadError, match=r"gone\.zip answered 404 .*; .*split\.zip gave a file with sha256 .* by hand"
    ):
        fetch_dataset("toy", tmp_path)
    assert not (tmp_path / "split.zip").exists()


def test_error_page_without_published_hash_does_not_stay_in_the_way(toy: Site, tmp_path: Path) -> None:
    toy.files["/tools.zip"] = b"<html>Sign in</html>"
    with pytest.raises(DownloadError, match=r"neither a zip nor a tar.*kept as tools\.zip\.bad"):
        fetch_dataset("toy", tmp_path, parts=["tools"])
    toy.files["/tools.zip"] = TOOLS
    (file,) = fetch_dataset("toy", tmp_path, parts=["tools"]).files
    assert file.unpacked == 2


def test_archive_that_leads_out_of_the_folder(site: Site, tmp_path: Path) -> None:
    site.files = {"/split.zip": EVIL}
    site.add("split", ["/split.zip"], sha256=hashlib.sha256(EVIL).hexdigest())
    with pytest.raises(InputError, match="could lead out of the folder"):
        fetch_dataset("toy", tmp_path / "data", parts=["split"])
    assert not (tmp_path / "evil").exists()


def test_md5_where_only_md5_is_known(site: Site, tmp_path: Path) -> None:
    site.files = {"/split.zip": SPLIT}
    site.add("split", ["/split.zip"], md5=hashlib.md5(SPLIT).hexdigest())
    (file,) = fetch_dataset("toy", tmp_path, parts=["split"]).files
    assert (file.checked_by, file.sha256) == ("md5", hashlib.sha256(SPLIT).hexdigest())


@pytest.mark.parametrize(
    ("name", "parts", "match"),
    [("widr", None, "Did you mean 'wider'"), ("imagenet", None, "Known: wider"), ("wider", ["vall"], "mean 'val'")],
)
def test_unknown_names(tmp_path: Path, name: str, parts: list[str] | None, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        fetch_dataset(name, tmp_path, parts=parts)
    assert list(tmp_path.iterdir()) == []


def test_shipped_table() -> None:
    source = dataset_source("wider")
    assert [file.part for file in source.files] == ["split", "eval_tools", "val", "train", "test"]
    assert {file.part for file in source.chosen(None)} == {"split", "eval_tools", "val"}
    assert "research" in source.terms
    for file in source.files:
        assert file.source
        assert file.provides
        assert file.needed_for
        assert all(urlsplit(url).scheme in ("http", "https") for url in file.urls)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256 or "")
        assert file.md5 is None or re.fullmatch(r"[0-9a-f]{32}", file.md5)
        assert file.bytes is not None
    # The total that the mirror states for the three image archives and the annotations.
    assert sum(file.bytes or 0 for file in source.files if file.part != "eval_tools") == 3_676_086_479


def test_command(toy: Site, tmp_path: Path, sshbench: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = sshbench("data", "fetch", "toy", "--data", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "For research."
    assert lines[1].startswith("split.zip: downloaded")
    assert lines[2].startswith("tools.zip: downloaded")
    assert "data check toy" in lines[3]


def test_command_json(toy: Site, tmp_path: Path, sshbench: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = sshbench("data", "fetch", "toy", "--data", tmp_path, "--part", "tools", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["dataset"], report["terms"]) == ("toy", "For research.")
    assert [file["part"] for file in report["files"]] == ["tools"]


@pytest.mark.parametrize(("part", "expected"), [("test", 1), ("tset", 2)])
def test_command_errors(
    toy: Site, tmp_path: Path, sshbench: Callable[..., tuple[int, str, str]], part: str, expected: int
) -> None:
    code, out, err = sshbench("data", "fetch", "toy", "--data", tmp_path, "--part", part, "--json")
    assert (code, out) == (expected, "")
    assert ("by hand" if expected == 1 else "Did you mean 'test'?") in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("enabled", "terminal", "patience"), [(True, True, 0), (False, True, 0), (True, False, 0), (True, True, 60)]
)
def test_progress_bar(monkeypatch: pytest.MonkeyPatch, enabled: bool, terminal: bool, patience: int) -> None:
    monkeypatch.setattr("sshbench.progress._PATIENCE", patience)
    err = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("[val] haar", 4, "images", enabled=enabled) as bar:
        bar.update(1)
        bar.update(2, note="a.jpg")
    shown = enabled and terminal and patience == 0
    assert ("[val] haar" in err.getvalue()) is shown
    assert ("3/4 images" in err.getvalue()) is shown
    assert ("a.jpg" in err.getvalue()) is shown
