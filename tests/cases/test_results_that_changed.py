"""A result is of what it says it is of: changed files, data and images are noticed wherever a run is read."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

import sshbench as package
from sshbench.files import sample_dir
from sshbench.images import is_cut

pytestmark = pytest.mark.thorough  # in our own CI, or by name (file.py::test)
CommandLine = Callable[..., tuple[int, str, str]]
Misbehave = Callable[[str, range], None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the sample's data that a test may change."""
    return Path(shutil.copytree(sample_dir(), tmp_path / "data"))


def corner(image: np.ndarray) -> tuple[list[list[int]], list[float]]:
    """Find one face in the corner of every image."""
    return [[0, 0, 10, 10]], [0.5]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the first images of the sample."""
    folder = tmp_path_factory.mktemp("made") / "run"
    package.run(corner, "sample", out=folder, limit=6)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def evaluate(sshbench: CommandLine, data: Path, out: Path) -> tuple[int, str, str]:
    return sshbench(
        "eval", "--dataset", "sample", "--data", data, "--limit", 6, "--detector", "misbehaving", "-o", out, "--json"
    )


def reads(sshbench: CommandLine, run: Path, data: Path, out: Path) -> list[tuple[int, str, str]]:
    """All commands that read a run."""
    return [
        sshbench("eval", "--dataset", "sample", "--data", data, "--predictions", run, "--json"),
        sshbench("report", run, "--data", data, "-o", out / "report", "--json"),
        sshbench("leaderboard", run, "-o", out / "board", "--json"),
        sshbench("archive", run, "--data", data, "-o", out / "archive", "--json"),
    ]


def test_an_unchanged_run_is_read(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path) -> None:
    assert [(code, err) for code, _, err in reads(sshbench, run, data, tmp_path)] == [(0, "")] * 4


@pytest.mark.parametrize("name", ["metrics.json", "identity.json", "protocol.json"])
def test_an_edited_file(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path, name: str) -> None:
    content = json.loads((run / name).read_text())
    if name == "metrics.json":
        content["metrics"] = dict.fromkeys(content["metrics"], 0.99)
    elif name == "identity.json":
        content["detector"] = "better"
    else:
        content["protocol"]["evaluation"]["iou_threshold"] = 0.4
    (run / name).write_text(json.dumps(content))
    for code, out, err in reads(sshbench, run, data, tmp_path):
        assert (code, out) == (2, "")
        assert name in err
        assert "changed after" in err


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 99}', '{"metrics": {"AP/easy": NaN}}', "[" * 100_000, "1" * 5000]
)
@pytest.mark.parametrize(
    "name",
    [
        "metrics.json",
        *(pytest.param(f"{n}.json", marks=pytest.mark.thorough) for n in ("identity", "protocol", "files")),
    ],
)
def test_a_damaged_file(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path, name: str, content: str) -> None:
    (run / name).write_text(content)
    for command in (["eval", "--dataset", "sample", "--predictions", run], ["leaderboard", run, "-o", tmp_path / "b"]):
        code, out, err = sshbench(*command, "--json")
        assert (code, out) == (2, "")
        assert name in err
        assert "Traceback" not in err


def test_edited_detections(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(run / "detections.sqlite")) as database:
        database.execute("UPDATE images SET scores = ?", (np.array([0.1]).tobytes(),))
        database.commit()
    for code, out, err in reads(sshbench, run, data, tmp_path):
        assert (code, out) == (2, "")
        assert "detections changed after" in err


def test_other_annotations(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path) -> None:
    (easy,), (hard,) = data.rglob("wider_easy_val.mat"), data.rglob("wider_hard_val.mat")
    easy.write_bytes(hard.read_bytes())
    code, out, err = sshbench("eval", "--dataset", "sample", "--data", data, "--predictions", run, "--json")
    assert (code, out) == (1, "")
    assert "other annotations or images" in err


def test_other_images(sshbench: CommandLine, run: Path, data: Path, tmp_path: Path) -> None:
    first, second = sorted(data.rglob("*.jpg"))[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    for code, out, err in reads(sshbench, run, data, tmp_path)[:2]:
        assert (code, out) == (1, "")
        assert "2 images changed since the run" in err
    with pytest.raises(package.SshbenchError, match="2 images changed since the run"):
        package.run(corner, "sample", data=data, out=run, limit=6)


def test_overwrite_leaves_no_file_of_the_earlier_evaluation(
    sshbench: CommandLine, run: Path, data: Path, misbehave: Misbehave
) -> None:
    (run / "curves" / "old.csv").write_text("of the user")
    listed = json.loads((run / "files.json").read_text())
    listed["files"]["DiscROC.txt"] = "0" * 64
    (run / "files.json").write_text(json.dumps(listed))
    (run / "DiscROC.txt").write_text("of an earlier evaluation")
    code, _, err = sshbench(
        "eval", "--dataset", "sample", "--data", data, "--detector", "haar", "--resize", "144x192", "--limit", 2,
        "-o", run, "--overwrite", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert not (run / "DiscROC.txt").exists()
    assert (run / "curves" / "old.csv").exists(), "a file that sshbench did not write is kept"


def test_a_run_that_is_removed_midway(sshbench: CommandLine, data: Path, tmp_path: Path) -> None:
    def detect(image: np.ndarray) -> tuple[list[list[int]], list[float]]:
        detect.calls += 1  # type: ignore[attr-defined]
        if detect.calls == 3:  # type: ignore[attr-defined]
            shutil.rmtree(tmp_path / "gone")
        return [[0, 0, 10, 10]], [0.5]

    detect.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(package.SshbenchError, match="removed while"):
        package.run(detect, "sample", data=data, out=tmp_path / "gone", limit=6)


def test_trained_on_said_later_counts(tmp_path: Path) -> None:
    def nothing(image: np.ndarray) -> tuple[list[list[int]], list[float]]:
        return [], []

    for said in (None, ("wider",)):
        result = package.run(nothing, "sample", out=tmp_path / "run", limit=2, trained_on=said)
        assert result.trained_on == said


def photos(folder: Path, *names: str) -> dict[Path, bytes]:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), 40 * i, np.uint8))
    return {path: path.read_bytes() for path in sorted(folder.iterdir())}


def test_detect_never_replaces_a_photograph(sshbench: CommandLine, tmp_path: Path) -> None:
    before = photos(tmp_path / "photos", "a.jpg", "b.png")
    for more in ([], ["--overwrite"]):
        code, out, err = sshbench("detect", tmp_path / "photos", "-o", tmp_path / "photos", "--detector", "haar", *more)
        assert (code, out) == (2, "")
        assert "a.jpg is one of the images" in err
        assert {path: path.read_bytes() for path in sorted((tmp_path / "photos").iterdir())} == before


def test_detect_never_replaces_other_files(sshbench: CommandLine, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "a.png")
    other = photos(tmp_path / "out", "a.jpg")
    arguments = ("detect", tmp_path / "photos", "-o", tmp_path / "out", "--detector", "haar")
    code, _, err = sshbench(*arguments)
    assert code == 2
    assert "a.jpg exists and was not written by `sshbench detect`" in err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == other
    assert sshbench(*arguments, "--overwrite")[0] == 0
    assert sshbench(*arguments)[0] == 0, "its own files may be replaced"


def test_detect_gives_every_image_files_of_its_own(sshbench: CommandLine, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "a.jpg", "a.png", "a-2.png", "a.bmp")
    code, _, err = sshbench("detect", tmp_path / "photos", "-o", tmp_path / "out", "--detector", "haar")
    assert code == 0, err
    written = sorted(path.name for path in (tmp_path / "out").glob("*.json"))
    assert written == ["a-2.json", "a-3.json", "a-4.json", "a.json"]
    images = {Path(json.loads((tmp_path / "out" / name).read_text())["image"]).name for name in written}
    assert images == {"a.jpg", "a.png", "a-2.png", "a.bmp"}


def test_a_photograph_that_is_cut_off(sshbench: CommandLine, misbehave: Misbehave, data: Path, tmp_path: Path) -> None:
    first = sorted(data.rglob("*.jpg"))[0]
    first.write_bytes(first.read_bytes()[:-2000])
    misbehave("fine", range(0))
    code, out, err = evaluate(sshbench, data, tmp_path / "run")
    assert code == 0, err
    # Newer versions of OpenCV refuse such a file, older ones fill it with grey.
    assert {finding["code"] for finding in json.loads(out)["warnings"]} & {"damaged-image", "failed-image"}
    assert is_cut(first.read_bytes())
    code, out, err = sshbench(
        "eval", "--dataset", "sample", "--data", data, "--limit", 6, "--detector", "misbehaving", "--strict",
        "-o", tmp_path / "run", "--json",
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert "strict mode: 1 image" in err


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["eval", "--dataset", "sample", "--detector", "haar"], marks=pytest.mark.thorough),
        ["data", "formats"],
    ],
)
def test_a_full_disk_behind_the_output(command: list[str], tmp_path: Path) -> None:
    import subprocess
    import sys

    more = ["--resize", "144x192", "--limit", "1", "-o", str(tmp_path / "run")] if command[0] == "eval" else []
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sshbench", *command, *more],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        f"{sys.executable} -m sshbench protocols show wider | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_of_ours_is_one_line(sshbench: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr("sshbench.protocols.load_protocol", broken)
    code, out, err = sshbench("protocols", "show", "wider")
    assert (code, out) == (1, "")
    assert "internal error (TypeError: a bug)" in err
    assert "Traceback" not in err
    assert "Traceback" in sshbench("-v", "protocols", "show", "wider")[2]


def test_a_report_of_an_archived_run(sshbench: CommandLine, run: Path, tmp_path: Path) -> None:
    assert sshbench("archive", run, "-o", tmp_path / "archive")[0] == 0
    code, _, err = sshbench("report", tmp_path / "archive" / "corner", "-o", tmp_path / "report")
    assert code == 2
    assert "is an archived run" in err
    assert sshbench("leaderboard", tmp_path / "archive" / "corner", "-o", tmp_path / "board")[0] == 0


def test_a_photograph_with_corrupt_data(
    sshbench: CommandLine, misbehave: Misbehave, data: Path, tmp_path: Path
) -> None:
    first = sorted(data.rglob("*.jpg"))[0]
    content = first.read_bytes()
    first.write_bytes(content[:-2] + bytes(40) + content[-2:])
    misbehave("fine", range(0))
    code, out, err = evaluate(sshbench, data, tmp_path / "run")
    assert code == 0, err
    assert "Corrupt JPEG data" not in err
    (finding,) = (item for item in json.loads(out)["warnings"] if item["code"] == "damaged-image")
    assert "1 image with corrupt JPEG data" in finding["message"]
    # The mark is not part of what the file is compared by.
    code, out, err = sshbench(
        "eval", "--dataset", "sample", "--data", data, "--limit", 6, "--predictions", tmp_path / "run", "--json"
    )
    assert code == 0, err
