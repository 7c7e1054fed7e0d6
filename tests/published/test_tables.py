from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sshbench.contamination import BENCHMARKS
from sshbench.detectors.registry import names
from sshbench.files import published_dir
from sshbench.published.tables import published_of_detector

WIDER = ("method", "subset", "ap", "kind", "source", "note")
METRIC = ("method", "metric", "value", "kind", "source", "note")
COLUMNS = {
    "wider_val.csv": WIDER,
    "wider_test.csv": WIDER,
    "fddb.csv": METRIC,
    "pascal.csv": METRIC,
    "afw.csv": METRIC,
    "detectors.csv": ("detector", "dataset", "metric", "value", "conditions", "source"),
    "ssh_timing.csv": ("size", "milliseconds", "hardware", "scope", "source"),
}
METRICS = {
    "fddb.csv": {"TPR@1000/discrete", "TPR@1000/continuous"},
    "pascal.csv": {"AP", "AP/iteration1"},
    "afw.csv": {"AP", "AP/iteration1"},
}


def read(name: str) -> list[dict[str, str]]:
    with (published_dir() / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_is_known_here() -> None:
    assert {path.name for path in published_dir().glob("*.csv")} == set(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_are_whole_and_sourced(name: str) -> None:
    rows = read(name)
    assert rows
    for row in rows:
        assert tuple(row) == COLUMNS[name]
        assert all(isinstance(value, str) and value == value.strip() for value in row.values())
        assert all(value for column, value in row.items() if column != "note")


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in ("ssh_timing.csv", "detectors.csv")])
def test_figures_are_fractions_and_no_row_comes_twice(name: str) -> None:
    rows = read(name)
    what, figure = COLUMNS[name][1:3]
    keys = [(row["method"], row[what], row["kind"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert 0 <= float(row[figure]) <= 1
        assert row["kind"] in ("paper", "curve")
        assert row[what] in METRICS.get(name, {"easy", "medium", "hard"})


@pytest.mark.parametrize("split", ["val", "test"])
def test_wider_triples_are_whole(split: str) -> None:
    subsets: dict[tuple[str, str], list[str]] = {}
    for row in read(f"wider_{split}.csv"):
        subsets.setdefault((row["method"], row["kind"]), []).append(row["subset"])
    assert all(found == ["easy", "medium", "hard"] for found in subsets.values())


@pytest.mark.parametrize(("split", "count"), [("val", 129), ("test", 138)])
def test_wider_triples_are_the_collections(shared: Path, split: str, count: int) -> None:
    known = json.loads((shared / "data" / "wider" / "curves" / "ap.json").read_text(encoding="utf-8"))
    expected = {key: entry["ap"] for key, entry in known.items() if key.startswith(f"{split}/")}
    rows = {
        f"{split}/{row['method']}/{row['subset']}": float(row["ap"])
        for row in read(f"wider_{split}.csv")
        if row["kind"] == "curve"
    }
    assert rows == expected
    assert len(rows) == count


def test_fddb_figures_are_the_curves(shared: Path) -> None:
    rows = {(row["method"], row["metric"]): row["value"] for row in read("fddb.csv") if row["kind"] == "curve"}
    kinds = {"disc": "TPR@1000/discrete", "cont": "TPR@1000/continuous"}
    with np.load(shared / "data" / "fddb" / "published" / "curves.npz") as arrays:
        assert len(arrays.files) == len(rows) == 172
        for key in arrays.files:
            method, kind = key.rsplit("/", 1)
            count, rate = arrays[key].T
            assert np.float32(rows[method, kinds[kind]]) == rate[count <= 1000].max()


@pytest.mark.parametrize(
    ("method", "discrete", "continuous"),
    [
        ("HR", "0.9698", "0.6880"),
        ("HR-ER", "0.9764", "0.7904"),
        ("Face_R-CNN", "0.9793", "0.7538"),
        ("MTCNN", "0.9435", "0.7082"),
        ("SFD", "0.9826", None),
        ("PyramidBox", "0.9869", None),
    ],
)
def test_fddb_known_figures(method: str, discrete: str, continuous: str | None) -> None:
    found = {row["metric"]: float(row["value"]) for row in read("fddb.csv") if row["method"] == method}
    assert float(discrete) == pytest.approx(found.pop("TPR@1000/discrete"), abs=5.1e-5)
    if continuous is None:
        assert found == {}
    else:
        assert float(continuous) == pytest.approx(found["TPR@1000/continuous"], abs=5.1e-5)


@pytest.mark.parametrize(
    ("name", "method", "metric", "value"),
    [
        ("pascal.csv", "DPM", "AP", 0.902868),
        ("pascal.csv", "HeadHunter", "AP", 0.896299),
        ("pascal.csv", "Baseline", "AP", 0.855749),
        ("pascal.csv", "DPM", "AP/iteration1", 0.8630),
        ("pascal.csv", "HeadHunter", "AP/iteration1", 0.8718),
        ("pascal.csv", "Baseline", "AP/iteration1", 0.8258),
        ("pascal.csv", "S3FD", "AP", 0.9849),
        ("afw.csv", "DPM", "AP", 0.972111),
        ("afw.csv", "HeadHunter", "AP", 0.971416),
    ],
)
def test_pascal_and_afw_known_figures(name: str, method: str, metric: str, value: float) -> None:
    found = {(row["method"], row["metric"]): float(row["value"]) for row in read(name)}
    assert found[method, metric] == pytest.approx(value, abs=5.1e-5)


def test_figures_that_nobody_checked_say_so() -> None:
    for name in ("pascal.csv", "fddb.csv"):
        notes = [row["note"] for row in read(name) if row["method"] == "SSH (VGG-16)"]
        assert notes
        assert all("unverified" in note for note in notes)


def test_timing_is_the_papers_table_2() -> None:
    rows = read("ssh_timing.csv")
    assert {row["size"]: int(row["milliseconds"]) for row in rows} == {
        "400x800": 48,
        "600x1000": 74,
        "800x1200": 107,
        "1200x1600": 182,
    }
    assert {row["hardware"] for row in rows} == {"NVIDIA Quadro P6000"}


def test_detectors_have_figures_with_conditions() -> None:
    rows = read("detectors.csv")
    assert len({(row["detector"], row["dataset"], row["metric"]) for row in rows}) == len(rows)
    assert {row["detector"] for row in rows} <= set(names())
    for row in rows:
        assert 0 <= float(row["value"]) <= 1
        assert row["dataset"] in BENCHMARKS
    figures = published_of_detector("yunet")
    assert [figure.metric for figure in figures] == ["AP/easy", "AP/medium", "AP/hard"]
    assert published_of_detector("haar") == []
