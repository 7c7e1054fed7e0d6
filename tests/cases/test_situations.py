"""What users really had: other columns, names, encodings, categories. Each folder of `data` is one situation.

The expected figures are those that the same boxes give in the plain form.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

CommandLine = Callable[..., tuple[int, str, str]]
DATA = Path(__file__).with_name("data")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go into a copy of a situation's folder."""

    def go(name: str) -> None:
        shutil.copytree(DATA / name, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)

    return go


def evaluated(sshbench: CommandLine, *arguments: object) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record of an evaluation that must succeed, and its warnings by code."""
    code, out, err = sshbench("eval", *arguments, "--json")
    assert code == 0, err
    record = json.loads(out)
    return record, {finding["code"]: finding["message"] for finding in record["warnings"]}


def headline(record: dict[str, Any]) -> float:
    """Return the first metric, in percent."""
    return float(round(100 * next(iter(record["metrics"].values())), 2))


FDDB, COCO, PASCAL = (
    ("--dataset", "fddb", "--data", "fddb"),
    ("--dataset", "coco", "--data"),
    ("--dataset", "pascal", "--data", "pascal"),
)
SAMPLE = ("--dataset", "sample")


@pytest.mark.parametrize(
    ("folder", "arguments", "figure"),
    [
        ("B01", [*FDDB, "--predictions", "fddb-xyxy.txt", "--box-format", "xyxy"], 100.0),
        ("B01", [*COCO, "gt.json", "--predictions", "coco-xyxy.json", "--box-format", "xyxy"], 90.0),
        ("B02", [*PASCAL, "--predictions", "pascal-xywh.txt", "--box-format", "xywh"], 100.0),
        ("B08", [*SAMPLE, "--predictions", "predictions.zip"], 100.0),
        ("B10", [*FDDB, "--predictions", "out"], 100.0),
        ("B11", [*FDDB, "--predictions", "fddb-bom.txt"], 100.0),
        ("B11", [*PASCAL, "--predictions", "pascal-bom.txt"], 100.0),
        ("B12", [*FDDB, "--predictions", "fddb-commas.txt"], 100.0),
        ("B16", [*COCO, "gt.json", "--predictions", "ids-as-text.json"], 90.0),
        ("B16", [*COCO, "gt.json", "--predictions", "file-names-as-ids.json"], 90.0),
        ("B16", [*COCO, "gt.json", "--predictions", "ids-as-floats.json"], 90.0),
        ("B17", [*SAMPLE, "--predictions", "yolo-rows"], 100.0),
        ("B19", [*SAMPLE, "--predictions", "predictions.zip"], 100.0),
        ("B23", [*FDDB, "--predictions", "fddb-jpg.txt"], 100.0),
        ("B23", [*FDDB, "--predictions", "fddb-path.txt"], 100.0),
        ("B28", [*COCO, "gt-two-categories.json", "--predictions", "both-categories.json"], 90.0),
        ("B28", [*COCO, "gt-two-categories.json", "--predictions", "persons-only.json", "--category", 1], 90.0),
        ("B28", [*COCO, "gt.json", "--predictions", "one-negative-side.json"], 85.54),
        ("B29", [*COCO, "gt.json", "--predictions", "results.json"], 90.0),
    ],
)
def test_it_is_read(
    sshbench: CommandLine, inside: Callable[[str], None], folder: str, arguments: Sequence[object], figure: float
) -> None:
    inside(folder)
    assert headline(evaluated(sshbench, *arguments)[0]) == figure


@pytest.mark.parametrize(
    ("folder", "arguments", "code", "says"),
    [
        ("B02", [*FDDB, "--predictions", "fddb-xyxy.txt"], "xyxy-boxes", "100% of 32 faces.*--box-format xyxy"),
        ("B02", [*COCO, "gt.json", "--predictions", "coco-xyxy.json"], "xyxy-boxes", "--box-format xyxy"),
        ("B02", [*PASCAL, "--predictions", "pascal-xywh.txt"], "xywh-boxes", "--box-format xywh"),
        ("B02", [*PASCAL, "--predictions", "pascal-scorelast.txt"], "score-last", "Write the score before the box"),
        ("B03", [*SAMPLE, "--predictions", "predictions"], "relative-boxes", "data convert --from yolo"),
        (
            "B07",
            ["--protocol", "mine.toml", "--data", "data", "--predictions", "predictions"],
            "equal-scores",
            "all scores",
        ),
        ("B08", [*SAMPLE, "--predictions", "predictions.zip"], "renamed-file", "backslashes"),
        ("B16", [*COCO, "gt.json", "--predictions", "ids-as-text.json"], "converted-id", "'1' is image '000001'"),
        ("B18", [*SAMPLE, "--predictions", "predictions"], "equal-scores", "all scores are 1"),
        ("B21", [*SAMPLE, "--predictions", "predictions"], "decimal-commas", "decimal commas"),
        ("B23", [*FDDB, "--predictions", "fddb-jpg.txt"], "matched-name", "img_1.jpg' as '2002/01/01/big/img_1'"),
        (
            "B28",
            [*COCO, "gt-two-categories.json", "--predictions", "both-categories.json"],
            "other-category",
            "24 results",
        ),
        ("B28", [*COCO, "gt.json", "--predictions", "one-negative-side.json"], "negative-side", "1 box"),
        ("B29", [*COCO, "gt.json", "--predictions", "results.json"], "unlisted-image", "4 annotated faces"),
        ("B32", [*SAMPLE, "--predictions", "predictions"], "missing-file", "--only-listed"),
        (
            "B36",
            ["--protocol", "mine.toml", "--data", "data", "--predictions", "predictions"],
            "invalid-faces",
            r"invalid = \[0\]",
        ),
    ],
)
def test_it_is_said(
    sshbench: CommandLine,
    inside: Callable[[str], None],
    folder: str,
    arguments: Sequence[object],
    code: str,
    says: str,
) -> None:
    import re

    inside(folder)
    found = evaluated(sshbench, *arguments)[1]
    assert code in found
    assert re.search(says, found[code])


@pytest.mark.parametrize(
    ("folder", "arguments", "says"),
    [
        ("B17", [*SAMPLE, "--predictions", "no-header"], "'174 62 88 110 0.98'.*'x y w h score'.*data convert"),
        (
            "B28",
            [*COCO, "gt-two-categories.json", "--predictions", "persons-only.json"],
            r"'face' \(5\): '1 \(person\)'",
        ),
        ("B35", [*FDDB, "--predictions", "fddb-run-twice.txt"], ":49: duplicate image, also in line 1.*written twice"),
    ],
)
def test_it_is_refused(
    sshbench: CommandLine, inside: Callable[[str], None], folder: str, arguments: Sequence[object], says: str
) -> None:
    import re

    inside(folder)
    code, out, err = sshbench("eval", *arguments, "--json")
    assert (code, out) == (2, "")
    assert re.search(says, err)


@pytest.mark.parametrize(("folder", "images"), [("B04", 2), ("B05", 3), ("B06", 3)])
def test_images_are_found(sshbench: CommandLine, inside: Callable[[str], None], folder: str, images: int) -> None:
    inside(folder)
    which = ["--protocol", "mine.toml"] if folder == "B06" else ["--dataset", "coco"]
    record, found = evaluated(sshbench, *which, "--data", "data", "--detector", "haar", "-o", "run")
    assert record["images"] == images
    assert ("part-of-dataset" in found) == (folder == "B04")


def test_a_list_without_mat_is_usable(sshbench: CommandLine, inside: Callable[[str], None]) -> None:
    inside("B07")
    code, out, _ = sshbench("data", "check", "mine.toml", "--data", "data")
    assert code == 0
    assert "everything that the protocol needs is there" in out


@pytest.mark.parametrize(
    ("folder", "arguments", "note"),
    [
        (
            "B09",
            [
                "labels",
                "out.zip",
                "--from",
                "yolo",
                "--to",
                "wider",
                "--detections",
                "--truth",
                "truth_bbx_gt.txt",
                "--sizes",
                "sizes.txt",
            ],
            "24 names",
        ),
        ("B11", ["own_bbx_gt.txt", "out.json", "--from", "wider", "--to", "coco"], "nothing was lost"),
        ("B11", ["labels", "out.json", "--from", "yolo", "--to", "coco", "--sizes", "sizes.txt"], "nothing was lost"),
        (
            "B27",
            ["yolo-face", "out.json", "--from", "yolo", "--to", "coco", "--sizes", "sizes.txt"],
            "landmarks were left out",
        ),
        ("B27", ["yolo-seg", "out.json", "--from", "yolo", "--to", "coco", "--sizes", "sizes.txt"], "polygons became"),
        ("B27", ["label.txt", "out.json", "--from", "wider", "--to", "coco"], "landmarks were left out"),
        (
            "B36",
            ["data/annotations/wider_face_val_bbx_gt.txt", "out.json", "--from", "wider", "--to", "coco"],
            "1 face marked invalid is ignored: a crowd",
        ),
    ],
)
def test_it_is_converted(
    sshbench: CommandLine, inside: Callable[[str], None], folder: str, arguments: Sequence[str], note: str
) -> None:
    inside(folder)
    code, out, err = sshbench("data", "convert", *arguments)
    assert code == 0, err
    assert note in out


def test_a_photograph_that_lies_on_its_side(sshbench: CommandLine, inside: Callable[[str], None]) -> None:
    inside("B13")
    _, found = evaluated(sshbench, *COCO, "data", "--detector", "haar", "-o", "run")
    assert "1 image with an EXIF orientation, which is not applied" in found["orientation"]
    code, out, _ = sshbench("detect", "data/images/000002.jpg", "-o", "out", "--detector", "haar", "--json")
    assert code == 0
    assert json.loads(out)["faces"] > 0


def test_rules_of_subsets_are_documented(sshbench: CommandLine, inside: Callable[[str], None]) -> None:
    inside("B15")
    code, _, err = sshbench("protocols", "validate", "guess.toml")
    assert code == 2
    assert "min_size" in err
    assert "min_height, max_height, attributes" in err
    shown = sshbench("protocols", "show", "wider")[1]
    assert all(f"# {key}" in shown for key in ("min_height", "max_height", "attributes", "[layout]"))


def test_second_curves_get_a_name(
    sshbench: CommandLine, inside: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSHBENCH_CACHE", str(tmp_path / "cache"))
    inside("B24")
    code, out, err = sshbench("curves", "import", "--benchmark", "fddb", "rocCurves", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert {"Beta", "Beta-2"} <= {curve["method"] for curve in report["curves"]}
    assert "second-curve" in {finding["code"] for finding in report["findings"]}


def test_a_part_of_the_images(sshbench: CommandLine, inside: Callable[[str], None]) -> None:
    inside("B32")
    record, found = evaluated(sshbench, *SAMPLE, "--predictions", "predictions", "--only-listed")
    assert (record["images"], record["total_images"]) == (4, 24)
    assert "part-of-dataset" in found
    assert "missing-file" not in found


def test_rows_of_one_detector_are_told_apart(sshbench: CommandLine, tmp_path: Path) -> None:
    for name, size in (("a", "144x192"), ("b", "192x256")):
        evaluated(sshbench, *SAMPLE, "--detector", "haar", "--resize", size, "--limit", 2, "-o", tmp_path / name)
    code, out, err = sshbench("leaderboard", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "board")
    assert code == 0, err
    assert "haar resize=144x192" in out
    with (tmp_path / "board" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"haar resize=144x192", "haar resize=192x256"}
    assert {Path(row["run"]).name for row in rows} == {"a", "b"}
    code, _, err = sshbench("report", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "report")
    assert code == 0, err
    with (tmp_path / "report" / "ap.csv").open() as file:
        assert {row["run"] for row in csv.DictReader(file)} == {"haar resize=144x192", "haar resize=192x256"}


def test_all_formats_are_shown(sshbench: CommandLine) -> None:
    code, out, _ = sshbench("data", "formats")
    assert code == 0
    assert all(name in out for name in ("wider", "fddb", "pascal", "coco", "yolo", "x y w h score", "--box-format"))
