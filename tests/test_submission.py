"""A submission for images whose faces are not public: the run, the zip, and what is checked of it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import sshbench
from sshbench.errors import DetectorError, MissingDataError, UsageError
from sshbench.records import Image
from sshbench.runs import METRICS, open_run
from sshbench.schemas import schemas

Call = Callable[..., tuple[int, str, str]]
Boxes = tuple[list[list[float]], list[float]]
GOLDEN = Path(__file__).parent / "golden"
COUNT = 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder like WIDER FACE's with a test list and its images, made from the bundled sample."""
    folder = tmp_path / "data"
    sample = sshbench.load_dataset("sample")
    names = []
    for image in sample[:COUNT]:
        assert image.path is not None
        names.append(f"{image.key}.jpg")
        target = folder / "WIDER_test" / "images" / names[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, target)
    (folder / "wider_face_split").mkdir()
    (folder / "wider_face_split" / "wider_face_test_filelist.txt").write_text("\n".join(names) + "\n")
    return folder


def keys(data: Path) -> list[str]:
    listed = (data / "wider_face_split" / "wider_face_test_filelist.txt").read_text().split()
    return [name.removesuffix(".jpg") for name in listed]


def quarters(image: Image) -> Boxes:
    """Two boxes per image, the better one last."""
    height, width, _ = image.shape
    return [[0, 0, width / 2, height / 2], [1.5, 2, width / 3, height / 3]], [0.25, 0.5]


class Interrupted:
    """A detector that the user interrupts at the third image."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Image) -> Boxes:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return quarters(image)


def named(function: Callable[[Image], Boxes]) -> sshbench.FunctionDetector:
    return sshbench.FunctionDetector(function, name="quarters")


def test_the_zip_is_as_the_list_wants_it_and_there_is_no_figure(data: Path, tmp_path: Path) -> None:
    done = sshbench.submit(named(quarters), tmp_path / "s.zip", data=data, out=tmp_path / "run", progress=False)
    assert done.ok
    assert (done.split, done.images, done.detections, done.run) == ("test", COUNT, 2 * COUNT, tmp_path / "run")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == [f"{key}.txt" for key in keys(data)]
        first = archive.read(archive.namelist()[0]).decode().splitlines()
    assert first[:2] == [keys(data)[0].rpartition("/")[2], "2"]
    assert [row.split()[4] for row in first[2:]] == ["0.5", "0.25"]
    assert not (tmp_path / "run" / METRICS).exists()
    again = sshbench.check_submission(tmp_path / "s.zip", data=data)
    assert again.ok
    assert again.items == done.items[:-1]
    assert "Submission(" in repr(again)


def test_an_interrupted_run_resumes(data: Path, tmp_path: Path) -> None:
    interrupted = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        sshbench.submit(named(interrupted), tmp_path / "a.zip", data=data, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "a.zip").exists()
    with open_run(tmp_path / "run") as run:
        assert run.stored() == 2
    assert sshbench.submit(named(interrupted), tmp_path / "a.zip", data=data, out=tmp_path / "run", progress=False).ok
    assert interrupted.calls == 3 + COUNT - 2
    sshbench.submit(named(quarters), tmp_path / "b.zip", data=data, out=tmp_path / "other", progress=False)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_run_of_test_is_never_evaluated(data: Path, tmp_path: Path) -> None:
    sshbench.submit(named(quarters), tmp_path / "s.zip", data=data, out=tmp_path / "run", progress=False)
    with pytest.raises(UsageError, match="of the images of wider test, not val"):
        sshbench.evaluate("wider", tmp_path / "run", data=GOLDEN / "wider")


def test_an_image_that_failed_is_no_complete_submission(data: Path, tmp_path: Path) -> None:
    broken = sshbench.load_dataset("sample")[2].read().shape

    def fails(image: Image) -> Boxes:
        if image.shape == broken and not failed:
            failed.append(image.shape)
            raise ValueError("no")
        return quarters(image)

    failed: list[tuple[int, ...]] = []
    done = sshbench.submit(named(fails), tmp_path / "s.zip", data=data, out=tmp_path / "run", progress=False)
    assert not done.ok
    assert [item.what for item in done.items if not item.ok] == ["the detector worked on every image"]
    assert done.warnings[0].code == "failed-image"
    assert sshbench.submit(named(fails), tmp_path / "s.zip", data=data, out=tmp_path / "run", progress=False).ok
    failed.clear()
    with pytest.raises(DetectorError):
        sshbench.submit(
            named(fails), tmp_path / "t.zip", data=data, out=tmp_path / "stop", on_error="stop", progress=False
        )


def test_every_image_must_be_there_before_the_run_begins(data: Path, tmp_path: Path) -> None:
    (data / "WIDER_test" / "images" / f"{keys(data)[1]}.jpg").unlink()
    with pytest.raises(MissingDataError, match=f"1 of {COUNT} images of the test list are missing"):
        sshbench.submit(named(quarters), tmp_path / "s.zip", data=data, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    (data / "wider_face_split" / "wider_face_test_filelist.txt").unlink()
    with pytest.raises(MissingDataError, match="wider_face_test"):
        sshbench.submit(named(quarters), tmp_path / "s.zip", data=data, progress=False)


def test_the_command(sshbench: Call, data: Path, tmp_path: Path) -> None:
    base = ("submit", tmp_path / "s.zip", "--data", data, "--detector", "haar", "--resize", "144x192")
    code, out, err = sshbench(*base, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    printed = json.loads(out)
    jsonschema.validate(printed, schemas()["submission-output"])
    assert printed["ok"]
    assert printed["run"] == str(tmp_path / "run")
    code, out, err = sshbench(*base, "-o", tmp_path / "run")
    assert code == 0, err
    assert "can be submitted" in out
    assert "AP" not in out
    code, out, err = sshbench("data", "check-submission", tmp_path / "s.zip", "--data", data, "--json")
    assert code == 0, err
    jsonschema.validate(json.loads(out), schemas()["submission-output"])
    assert json.loads(out)["run"] is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("submit", "s.zip"), "name a detector with --detector"),
        (("submit", "s.tar", "--detector", "haar"), "a submission is a zip"),
        (("submit", "s.zip", "--detector", "haar", "--split", "tset"), "no split 'tset'"),
        (("submit", "s.zip", "--detector", "hair"), "haar"),
        (("data", "check-submission", "s.txt"), "a submission is a zip"),
        (("data", "check-submission", "none.zip"), "none.zip does not exist"),
        (("data", "check-submission", "none.zip", "--split", "x"), "no split 'x'"),
    ],
)
def test_wrong_use(sshbench: Call, data: Path, arguments: tuple[str, ...], text: str) -> None:
    code, _, err = sshbench(*arguments, "--data", data)
    assert code == 2
    assert text in err


# What is checked of a zip.

NAME, COLUMNS, COUNTS = "line 1 names the image", "rows have five columns", "counts equal the rows"
MISSING, OTHERS = "every image has a file", "no other file is there"
PLAIN, SORTED = "rows are numbers that every reader takes alike", "rows are sorted by falling score"
SIDES = "boxes are x y w h, no side below 0"
FAULTS: dict[str, tuple[str, set[str]]] = {
    "path-in-line-1": ("0--Portrait/NAME.jpg\n1\n1 2 3 4 0.5\n", set()),
    "no-detections": ("NAME\n0\n", set()),
    "windows-lines": ("NAME\r\n1\r\n1 2 3 4 0.5\r\n", set()),
    "other-name": ("elsewhere\n1\n1 2 3 4 0.5\n", {NAME}),
    "extra-row": ("NAME\n1\n1 2 3 4 0.5\n1 2 3 4 0.4\n", {COUNTS}),
    "too-few-rows": ("NAME\n3\n1 2 3 4 0.5\n1 2 3 4 0.4\n", {COUNTS}),
    "no-count": ("NAME\n1 2 3 4 0.5\n", {COUNTS}),
    "word": ("NAME\n1\n1 2 3 4 face\n", {PLAIN}),
    "expression": ("NAME\n1\n1 2 3 4 1/2\n", {PLAIN}),
    "comment": ("NAME\n1\n1 2 3 4 0.5 % sure\n", {PLAIN, COLUMNS}),
    "commas": ("NAME\n1\n1,2,3,4,0.5\n", {COLUMNS}),
    "four-columns": ("NAME\n1\n1 2 3 4\n", {PLAIN, COLUMNS}),
    "six-columns": ("NAME\n1\n1 2 3 4 0.5 7\n", {COLUMNS}),
    "nan": ("NAME\n1\n1 2 3 4 NaN\n", {"numbers are finite"}),
    "unsorted": ("NAME\n2\n1 2 3 4 0.4\n1 2 3 4 0.5\n", {SORTED}),
    "no-side": ("NAME\n1\n10 20 0 4 0.5\n", set()),
    "corners-inside-out": ("NAME\n1\n10 20 -5 4 0.5\n", {SIDES}),
}


def write(path: Path, texts: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def good(data: Path) -> dict[str, str]:
    return {f"{key}.txt": f"{key.rpartition('/')[2]}\n1\n1 2 3 4 0.5\n" for key in keys(data)}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_bad_file(sshbench: Call, data: Path, tmp_path: Path, fault: str) -> None:
    text, wrong = FAULTS[fault]
    key = keys(data)[1]
    texts = good(data) | {f"{key}.txt": text.replace("NAME", key.rpartition("/")[2])}
    path = write(tmp_path / "s.zip", texts)
    code, out, err = sshbench("data", "check-submission", path, "--data", data, "--json")
    assert code == (1 if wrong else 0), err
    items = [item for item in json.loads(out)["items"] if not item["ok"]]
    assert {item["what"] for item in items} == wrong
    for item in items:
        assert f"{key}.txt" in item["detail"]
        assert item["remedy"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda texts: dict(list(texts.items())[1:]), {MISSING}),
        (lambda texts: texts | {"README.md": ""}, {OTHERS}),
        (lambda texts: texts | {"__MACOSX/._a.txt": ""}, {OTHERS}),
        (lambda texts: texts | {"9--Press/unknown.txt": "unknown\n0\n"}, {OTHERS}),
        (lambda texts: {f"submission/{name}": text for name, text in texts.items()}, {MISSING, OTHERS}),
        (lambda texts: {name.replace(".txt", ".jpg.txt"): text for name, text in texts.items()}, {MISSING, OTHERS}),
        (lambda texts: {}, {MISSING}),
    ],
    ids=["missing", "readme", "litter", "unknown", "folder", "suffix", "empty"],
)
def test_other_files(
    sshbench: Call,
    data: Path,
    tmp_path: Path,
    change: Callable[[dict[str, str]], dict[str, str]],
    wrong: set[str],
) -> None:
    path = write(tmp_path / "s.zip", change(good(data)))
    code, out, err = sshbench("data", "check-submission", path, "--data", data)
    assert code == 1, err
    assert {
        line[len("WRONG    ") :].partition(":")[0] for line in out.splitlines() if line.startswith("WRONG")
    } == wrong
    assert "not usable yet" in out


def test_corners_in_place_of_sides(data: Path, tmp_path: Path) -> None:
    texts = good(data)
    corners = np.random.default_rng(0).integers(10, 50, (COUNT, 8, 2))
    for name, places in zip(texts, corners.tolist(), strict=True):
        rows = [f"{x} {y} {3 * x} {3 * y} {0.9 - i / 10:.1f}" for i, (x, y) in enumerate(places)]
        texts[name] = "\n".join([name.rpartition("/")[2].removesuffix(".txt"), "8", *rows]) + "\n"
    checked = sshbench.check_submission(write(tmp_path / "s.zip", texts), data=data)
    assert [item.what for item in checked.items if not item.ok] == [SIDES]
