"""A benchmark of one's own: one module, which is this one, and one protocol file; every command knows it."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from pydantic import Field

from sshbench.curves import PRCurve, voc_area_ap
from sshbench.datasets.base import Dataset
from sshbench.datasets.check import CheckItem
from sshbench.errors import InputError, UsageError
from sshbench.evaluation.benchmarks import Benchmark, benchmark_named, register, unregister
from sshbench.evaluators.base import FALSE, RIGHT, Outcome, Progress, fixed_roles
from sshbench.protocols import RULES, Protocol, Rules, load_plugins, load_protocol
from sshbench.records import DetectionSet, FaceSet, Finding, offsets_of

PROTOCOL = """
name = "centres"
title = "Centres of faces"
version = 1
dataset = "centres"
split = "test"

[expected]
images = 2
faces = 3

[evaluation]
kind = "centre"
tolerance = 0.25     # a detection is right if its centre is this near to a face's, in parts of the face's width
"""


class CentreRules(Rules):
    """Numbers of the toy evaluation."""

    kind: Literal["centre"]
    tolerance: float = Field(gt=0)


def load(protocol: Protocol, root: Path) -> Dataset:
    """Read `faces.csv`: image, x, y, w, h."""
    path = root / "faces.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    keys = tuple(dict.fromkeys(row[0] for row in rows))
    boxes = np.array([[float(number) for number in row[1:]] for row in rows])
    boxes[:, 2:] += boxes[:, :2]
    counts = [sum(row[0] == key for row in rows) for key in keys]
    return Dataset(
        name=protocol.dataset,
        split=protocol.split,
        root=root,
        faces=FaceSet(keys, offsets_of(counts), boxes, {"all": np.zeros(len(boxes), dtype=np.bool_)}),
        source_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        image_root=root,
        suffix=".png",
        total_images=len(keys),
        all_keys=keys,
    )


def read(path: Path, dataset: Dataset, strict: bool) -> tuple[DetectionSet, list[Finding]]:
    """Read a json: by image, rows x, y, w, h, score."""
    content: dict[str, list[list[float]]] = json.loads(path.read_text())
    table = np.array([row for rows in content.values() for row in rows]).reshape(-1, 5)
    table[:, 2:4] += table[:, :2]
    offsets = offsets_of([len(rows) for rows in content.values()])
    return DetectionSet(tuple(content), offsets, table[:, :4], table[:, 4]), []


def evaluate(detections: DetectionSet, faces: FaceSet, protocol: Protocol, progress: Progress | None = None) -> Outcome:
    """Match each detection, by falling score, with the first free face whose centre is near."""
    rules = protocol.rules(CentreRules)
    detections = detections.aligned(faces.keys)
    image = np.repeat(np.arange(len(faces)), np.diff(detections.offsets))
    roles = np.full(detections.total, FALSE, dtype=np.int8)
    hit = np.full(detections.total, -1, dtype=np.int64)
    order = np.argsort(-detections.scores, kind="stable")
    for row in order:
        centre = detections.boxes[row, :2] + detections.boxes[row, 2:]
        for face in range(faces.offsets[image[row]], faces.offsets[image[row] + 1]):
            box = faces.boxes[face]
            if face not in hit and np.abs(centre - box[:2] - box[2:]).max() / 2 <= rules.tolerance * (box[2] - box[0]):
                roles[row], hit[row] = RIGHT, face
                break
    right, false = np.cumsum(roles[order] == RIGHT), np.cumsum(roles[order] == FALSE)
    recall, precision = right / faces.total, right / (right + false)
    curve = PRCurve(precision, recall, detections.scores[order], voc_area_ap(recall, precision))
    return Outcome(
        metrics={"AP": curve.ap, "found": float(recall[-1]) if len(recall) else 0.0},
        curves={"all": curve},
        counted={"all": faces.total},
        result=None,
        pictured="all",
        scores=detections.scores,
        used=detections.total,
        fates_at={"all": fixed_roles(roles, hit, np.ones(faces.total, dtype=np.bool_), detections.scores)},
    )


def check_files(protocol: Protocol, root: Path) -> list[CheckItem]:
    """Look for the list of faces."""
    there = (root / "faces.csv").is_file()
    return [CheckItem("faces.csv", there, True, "there" if there else "not found", "" if there else "Write it")]


BENCHMARK = Benchmark(
    name="centres",
    title="Centres",
    kind="centre",
    rules=CentreRules,
    load=load,
    evaluate=evaluate,
    read=read,
    predictions="a json object: by image, rows [x, y, w, h, score]",
    headline=("AP",),
    check_files=check_files,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two images, its protocol and one prediction set."""
    root = tmp_path / "centres"
    root.mkdir()
    (root / "centres.toml").write_text(PROTOCOL)
    (root / "faces.csv").write_text("a,10,10,40,40\na,100,60,40,40\nb,20,30,60,60\n")
    for key in ("a", "b"):
        cv2.imwrite(str(root / f"{key}.png"), np.full((160, 200, 3), 90, dtype=np.uint8))
    found = {"a": [[12, 12, 40, 40, 0.9], [160, 10, 40, 40, 0.8]], "b": [[20, 30, 60, 60, 0.7]]}
    (root / "found.json").write_text(json.dumps(found))
    return root


@pytest.fixture
def registered() -> Iterator[None]:
    register(BENCHMARK)
    yield
    unregister("centres")
    assert "centre" not in RULES


@pytest.mark.usefixtures("registered")
def test_every_command_knows_a_registered_benchmark(
    sshbench: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path
) -> None:
    protocol = folder / "centres.toml"
    code, out, _ = sshbench("data", "check", protocol, "--data", folder, "--json")
    assert code == 0
    items = {item["what"]: item["detail"] for item in json.loads(out)["items"]}
    assert (items["faces.csv"], items["annotated faces"]) == ("there", "3")

    given = ("--protocol", protocol, "--data", folder, "--predictions", folder / "found.json")
    code, out, err = sshbench("eval", *given, "--out", tmp_path / "run", "--json")
    assert code == 0, err
    # In order of score: right, false, right; the precision at recall 2/3 is 2/3.
    assert json.loads(out)["metrics"] == {"AP": pytest.approx(1 / 3 + 2 / 9), "found": pytest.approx(2 / 3)}
    assert "AP" in sshbench("eval", *given)[1]

    code, _, err = sshbench("report", tmp_path / "run", "--out", tmp_path / "report")
    assert code == 0, err
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Centres of faces" in page
    assert "55.56" in page
    assert (tmp_path / "report" / "pr-all.svg").is_file()


@pytest.mark.usefixtures("registered")
def test_a_detector_runs_on_a_registered_benchmark(
    sshbench: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path
) -> None:
    given = ("--protocol", folder / "centres.toml", "--data", folder)
    code, out, err = sshbench("eval", *given, "--detector", "haar", "--out", tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out)["images"] == 2


def test_without_registration_the_kind_is_unknown(folder: Path) -> None:
    with pytest.raises(InputError, match=r"centres\.toml, field 'evaluation\.kind': kind 'centre' is unknown"):
        load_protocol(folder / "centres.toml")


@pytest.mark.usefixtures("registered")
def test_names_and_kinds_are_taken_once() -> None:
    register(BENCHMARK)
    other = Benchmark(**{name: getattr(BENCHMARK, name) for name in BENCHMARK.__slots__})
    with pytest.raises(UsageError, match="already a benchmark named 'centres'"):
        register(other)


def test_another_package_brings_a_benchmark(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path, sshbench: Callable[..., tuple[int, str, str]]
) -> None:
    site = tmp_path / "site"
    (site / "centres-1.dist-info").mkdir(parents=True)
    (site / "centres-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: centres\nVersion: 1\n")
    (site / "centres-1.dist-info" / "entry_points.txt").write_text(
        "[sshbench.benchmarks]\ncentres = toy_centres:RECORD\n"
    )
    (site / "toy_centres.py").write_text(
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        f"RECORD = replace(sys.modules[{__name__!r}].BENCHMARK, protocol=Path({str(folder / 'centres.toml')!r}))\n"
    )
    monkeypatch.syspath_prepend(site)
    load_plugins.cache_clear()
    try:
        # Without a file: the package brings its protocol.
        code, out, err = sshbench(
            "eval", "--dataset", "centres", "--data", folder, "--predictions", folder / "found.json", "--json"
        )
        assert code == 0, err
        assert json.loads(out)["protocol"] == "centres"
        assert "centres" in sshbench("protocols", "list")[1]
        assert benchmark_named("centres").title == "Centres"
    finally:
        load_plugins.cache_clear()
        unregister("centres")
        sys.modules.pop("toy_centres", None)
