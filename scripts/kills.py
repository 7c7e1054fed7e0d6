"""Kill commands at random moments and compare what they end with to a run that was left alone.

    python scripts/kills.py

Counts: eval 40 kills, timing 20, detect 10, train 20, report 10, fetch 20. One JSON line per command; exit code 1 if
anything was lost or differs.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from sshbench.files import sample_dir

CHANCE = random.Random(7)
RECIPE = """
name = "tiny"
architecture = "ssh-tiny"
[data]
dataset = "wider"
split = "val"
[input]
crop = 128
[optimiser]
iterations = 6
batch = 2
"""


def command(*words: object) -> list[str]:
    """Return a command line of sshbench."""
    return [sys.executable, "-m", "sshbench", *map(str, words)]


def kill(words: Sequence[str], most: float) -> None:
    """Start a command and kill it within so many seconds, if it has not ended."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(CHANCE.uniform(0, most))
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def duration(words: Sequence[str]) -> float:
    """Run a command to its end, and return how long it takes."""
    began = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    return time.monotonic() - began


def tried(
    name: str,
    count: int,
    make: Callable[[Path], list[str]],
    digest: Callable[[Path], object],
    base: Path,
    share: float = 1.1,
) -> bool:
    """Kill a command `count` times within a share of its duration, let it end, and compare; print the result."""
    quiet, disturbed = base / f"{name}-quiet", base / f"{name}-disturbed"
    for folder in (quiet, disturbed):
        folder.mkdir()
    whole = duration(make(quiet))
    for _ in range(count):
        kill(make(disturbed), share * whole)
    left = [str(path) for path in disturbed.rglob("*.tmp")]
    subprocess.run(make(disturbed), check=True, capture_output=True)
    equal = digest(quiet) == digest(disturbed)
    print(json.dumps({"command": name, "kills": count, "equal": equal, "temporary_files": len(left)}), flush=True)
    return equal


def files(*patterns: str) -> Callable[[Path], object]:
    """Return a function that hashes the files of a folder."""

    def digest(folder: Path) -> object:
        found = sorted(path for pattern in patterns for path in folder.rglob(pattern))
        return [(path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in found]

    return digest


def metrics(folder: Path) -> object:
    """Return the figures of a run."""
    record = json.loads((folder / "run" / "metrics.json").read_text())
    return record["metrics"], record["detections"], record["warnings"]


def timed_sizes(folder: Path) -> object:
    """Return which sizes a timing has, and whether each has its passes."""
    content = json.loads((folder / "t.json").read_text())
    return [(size["size"], len(size["images"]) >= 3) for size in content["sizes"]]


def drawn(folder: Path) -> object:
    """Return the detections and pictures of `detect`, without its times."""
    records = [json.loads(path.read_text()) for path in sorted((folder / "out").rglob("*.json"))]
    return [record["detections"] for record in records], files("*.jpg")(folder)


class Slow(http.server.BaseHTTPRequestHandler):
    """Serves one file within about 15 seconds, from any byte on; so that kills fall into the transfer."""

    content = random.Random(1).randbytes(24 << 20)
    parts: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        """Send the file, or its end where a range is asked for."""
        start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0]) if "Range" in self.headers else 0
        self.parts.append(start)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        with suppress(OSError):  # the client was killed
            for at in range(start, len(self.content), 1 << 15):
                self.wfile.write(self.content[at : at + (1 << 15)])
                time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Print nothing."""


def main() -> int:
    """Try all commands."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        os.environ["SSHBENCH_CACHE"] = str(base / "cache")
        run = ("eval", "--dataset", "sample", "--detector", "haar", "--resize", "144x192")
        (base / "tiny.toml").write_text(RECIPE)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/file.bin"
        fetch = "import sys; from pathlib import Path; from sshbench.download import download_file; "
        fetch += "download_file(sys.argv[1], Path(sys.argv[2]))"
        duration(command(*run, "-o", base / "reported", "--json"))
        results = [
            tried("eval", 40, lambda folder: command(*run, "-o", folder / "run", "--json"), metrics, base),
            tried(
                "timing",
                20,
                lambda folder: command(
                    "timing", "--detector", "haar", "--sizes", "60x80,90x120", "--min-time", 0.2, "--min-count", 3,
                    "--count", 2, "-o", folder / "t.json",
                ),
                timed_sizes,
                base,
            ),
            tried(
                "detect",
                10,
                lambda folder: command("detect", sample_dir(), "-o", folder / "out", "--detector", "haar", "--json"),
                drawn,
                base,
            ),
            tried(
                "report",
                10,
                lambda folder: command("report", base / "reported", "-o", folder / "report", "--json"),
                files("*.csv", "*.svg"),
                base,
            ),
            tried(
                "fetch",
                20,
                lambda folder: [sys.executable, "-c", fetch, url, str(folder / "file.bin")],
                files("*.bin"),
                base,
                share=0.15,
            ),
            tried(
                "train",
                20,
                lambda folder: command(
                    "train", "--config", base / "tiny.toml", "--data", sample_dir(), "-o", folder / "t"
                ),
                files("loss.csv", "weights.safetensors"),
                base,
            ),
        ]  # fmt: skip
        print(json.dumps({"requests_of_fetch": len(Slow.parts), "resumed": sum(start > 0 for start in Slow.parts)}))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
