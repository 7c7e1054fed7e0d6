"""`explain` in Python and on the command line: what is read, what is said, and wrong use."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import sshbench
from sshbench.evaluators.wider_variants import PYTHON_PORT, SWITCHES

GOLDEN = Path(__file__).parents[1] / "golden"
PERCENT = GOLDEN / "wider_no_boxes" / "predictions" / "percent.zip"
HOSTILE = GOLDEN / "wider" / "predictions" / "hostile.zip"
Call = Callable[..., tuple[int, str, str]]


def test_the_first_row_is_the_official_result() -> None:
    found = sshbench.explain(PERCENT, data=GOLDEN / "wider_no_boxes")
    assert [one.name for one in found.variants] == ["official", *SWITCHES, "python-port"]
    official = sshbench.evaluate("wider", PERCENT, data=GOLDEN / "wider_no_boxes")
    assert found["official"].ap == official.ap
    assert found["python-port"].switches == PYTHON_PORT
    for one in found.variants:
        for subset, points in one.points.items():
            assert points == 100 * (one.ap[subset] - official.ap[subset])  # type: ignore[operator]
    assert found["range-0-1"].points["easy"] == pytest.approx(-0.3, abs=0.01)


def test_a_folder_a_zip_and_a_run_say_the_same(tmp_path: Path) -> None:
    data = GOLDEN / "wider"
    with zipfile.ZipFile(HOSTILE) as archive:
        archive.extractall(tmp_path / "folder")
    sshbench.evaluate("wider", HOSTILE, data=data, out=tmp_path / "run")
    tables = [
        sshbench.explain(path, data=data).to_pandas() for path in (HOSTILE, tmp_path / "folder", tmp_path / "run")
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert list(tables[0].columns[:2]) == ["variant", "what"]
    assert float(tables[0]["points/easy"].to_numpy()[1]) < -9  # its rows are in no order


def test_notes_say_where_others_stop() -> None:
    notes = sshbench.explain(HOSTILE, data=GOLDEN / "wider", only=["float64"]).notes
    assert any("KeyError" in note for note in notes)
    assert any("odd text" in note for note in notes)
    assert not any("sorted" in note for note in notes)
    (note,) = sshbench.explain(PERCENT, data=GOLDEN / "wider_no_boxes", only=["float64"]).notes
    assert "sorted by falling score" in note


def test_switches_alone_and_together(sshbench: Call) -> None:
    arguments = ("explain", HOSTILE, "--data", GOLDEN / "wider", "--only", "unsorted", "--only", "score-cut")
    code, out, err = sshbench(*arguments, "--together", "--json")
    assert code == 0, err
    variants = {one["name"]: one for one in json.loads(out)["variants"]}
    assert list(variants) == ["official", "unsorted", "score-cut", "together"]
    assert variants["together"]["switches"] == ["unsorted", "score-cut"]
    assert variants["together"]["ap"] != variants["unsorted"]["ap"]


def test_the_table_names_every_switch(sshbench: Call) -> None:
    code, out, err = sshbench("explain", HOSTILE, "--data", GOLDEN / "wider")
    assert code == 0, err
    for name in (*SWITCHES, "official", "python-port", "± medium"):
        assert name in out
    assert "…" not in out.partition("warning")[0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--only", "unsortd"), "Did you mean 'unsorted'"),
        (("--only", "int32", "--together"), "Name two or more with --only"),
        (("--together",), "Name two or more with --only"),
        (("--only", "int32", "--only", "no-plus-one", "--together"), "int32"),
    ],
)
def test_wrong_use(sshbench: Call, arguments: tuple[str, ...], text: str) -> None:
    code, _, err = sshbench("explain", HOSTILE, "--data", GOLDEN / "wider", *arguments)
    assert code == 2
    assert text in err


def test_only_protocols_of_wider_face(sshbench: Call) -> None:
    code, _, err = sshbench("explain", "x.txt", "--dataset", "afw", "--data", GOLDEN / "afw")
    assert code == 2
    assert "not 'wider'" in err


def test_a_protocol_in_whole_numbers_has_no_row_without_one() -> None:
    protocol = sshbench.load_protocol("wider").with_evaluation(iou_arithmetic="int32")
    found = sshbench.explain(HOSTILE, data=GOLDEN / "wider", dataset=protocol)
    assert "no-plus-one" not in [one.name for one in found.variants]
    assert set(found["int32"].points.values()) == {0.0}


def test_repr_and_unknown_rows() -> None:
    found = sshbench.explain(HOSTILE, data=GOLDEN / "wider", only=["unsorted"])
    assert repr(found).startswith("<Explanation of hostile on wider, official 51.89 57.25 52.82 (percent), 1 variants")
    with pytest.raises(KeyError, match="Known: official, unsorted"):
        found["sorted"]
