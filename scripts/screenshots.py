"""Take the pictures of our pages that docs/ shows, of the bundled sample only: `python -m scripts.screenshots`.

Runs the detectors that need no download, and YuNet where SSHBENCH_WEIGHTS has it, builds the pages in a temporary
folder and looks at them in Chromium, as the tests do.
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sshbench.benchmark import run
from sshbench.detectors.registry import detector_info
from sshbench.detectors.weights import locate_weights
from sshbench.report.build import build_report
from sshbench.report.leaderboard_collect import collect
from sshbench.report.leaderboard_files import write_leaderboard
from sshbench.timing import time_runs
from tests.report.browser import Browser

MOST_BYTES = 150_000


@dataclass(frozen=True)
class Picture:
    """A page in a size and a state, and the file below docs/ that shows it."""

    file: str
    page: str
    height: int
    address: str = ""
    script: str = "true"


PICTURES = (
    Picture(
        "report-sample.jpg", "report/index.html", 1250, "", "sshbenchReport.figures.forEach((one) => one.point(600))"
    ),
    Picture("failures-sample.jpg", "report/failures.html", 820),
    Picture("leaderboard-sample.jpg", "board/index.html", 1080, "", "document.getElementById('p0-1').focus()"),
)


def build(folder: Path) -> None:
    """Run the detectors, time them, and write the pages."""
    names = ["ssh-tiny", "haar"]
    yunet = detector_info("yunet").weights
    if yunet is not None and locate_weights(yunet) is not None:
        names.append("yunet")
    runs = [folder / "runs" / name for name in names]
    for name, out in zip(names, runs, strict=True):
        run(name, "sample", out=out)
        time_runs([out], count=4, min_time=0.5, out=folder / "timings")
    build_report(runs, folder / "report", failures=20)
    write_leaderboard(collect(runs, sorted((folder / "timings").iterdir())), folder / "board")


def taken(browser: Browser, page: Path, picture: Picture) -> bytes:
    """Return a picture as JPEG, in the best quality that is small enough."""
    browser.show(1280, picture.height)
    browser.open(page, picture.address)
    browser.run(picture.script)
    browser.run("new Promise((done) => setTimeout(done, 500))")  # crops are drawn
    image = Image.open(io.BytesIO(base64.b64decode(browser.call("Page.captureScreenshot")["data"]))).convert("RGB")
    for quality in range(90, 30, -5):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() < MOST_BYTES:
            break
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder for the pictures (docs)")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        build(Path(folder))
        for picture in PICTURES:
            content = taken(browser, Path(folder) / picture.page, picture)
            (out / picture.file).write_bytes(content)
            print(f"{out / picture.file}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
