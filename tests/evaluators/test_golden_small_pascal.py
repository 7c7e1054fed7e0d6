"""PASCAL Faces and AFW on the small golden sets: what the toolbox said, through the functions a user calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sshbench.selftest import GoldenSet, golden_sets

SETS = [golden for golden in golden_sets() if golden.protocol.name in ("pascal", "afw")]


@pytest.mark.parametrize("golden", SETS, ids=lambda golden: golden.name)
def test_toolbox_says_the_same(golden: GoldenSet) -> None:
    assert golden.differences() == []


@pytest.mark.parametrize("collection", ["pascal", "afw"])
def test_every_file_and_golden_value_is_compared(collection: str) -> None:
    sets = [golden for golden in SETS if golden.protocol.name == collection]
    folder = sets[0].data
    annotations = {path.name for path in folder.iterdir() if path.is_file()}
    assert {golden.protocol.layout.annotation[0] for golden in sets} == annotations
    keys = set()
    for golden in sets:
        evaluation = golden.protocol.model_dump()["evaluation"]
        keys.add(f"{collection.upper()}|{golden.case}|nit{evaluation['iterations']}|{golden.golden.stem}.txt")
    assert keys == set(json.loads((folder / "golden" / "golden.json").read_text()))
    assert len(sets) == len(annotations) * 2 * len(list((folder / "detections").iterdir()))


@pytest.mark.parametrize(
    ("collection", "annotation"), [("pascal", "Annotations_Face_PASCALLayout_large.mat"), ("afw", "anno2.mat")]
)
def test_old_annotation_by_the_command_line(sshbench: Any, tmp_path: Path, collection: str, annotation: str) -> None:
    """The protocol's own words: `[layout] annotation = [...]` chooses the old annotation."""
    data = next(golden.data for golden in SETS if golden.protocol.name == collection)
    lines = sshbench("protocols", "show", collection)[1].splitlines()
    lines = [f'annotation = ["{annotation}"]' if line.startswith("annotation = ") else line for line in lines]
    (tmp_path / "old.toml").write_text("\n".join(lines))
    arguments = ["--data", data, "--predictions", data / "detections" / "shifted.txt.gz", "--json"]
    code, out, err = sshbench("eval", "--protocol", tmp_path / "old.toml", *arguments)
    assert code == 0, err
    expected = json.loads((data / "golden" / "golden.json").read_text())
    record = json.loads(out)
    summary = expected[f"{collection.upper()}|old|nit5|shifted.txt"]
    assert record["metrics"]["AP"] == pytest.approx(summary["ap"], abs=1e-12)
    assert record["counted"] == {"all": summary["tot"]}
