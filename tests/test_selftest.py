"""The check that `sshbench doctor` makes of the evaluators: it finds every kind of difference, and its files travel."""

from __future__ import annotations

import gzip
import json
import shutil
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench import doctor, selftest
from sshbench.selftest import check_golden, golden_sets

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"


def test_evaluators_equal_the_official_tools() -> None:
    assert {check.name: check.differences for check in check_golden() if not check.ok} == {}


def test_every_golden_output_is_compared() -> None:
    compared = {golden.golden for golden in golden_sets()}
    outputs = {path for path in GOLDEN.glob("*/golden/*") if path.name != "golden.json"}
    assert outputs == compared
    assert len({golden.name for golden in golden_sets()}) == len(golden_sets())


def in_npz(name: str, change: Callable[[np.ndarray], None]) -> Callable[[Path], None]:
    def corrupt(path: Path) -> None:
        with np.load(path) as arrays:
            content = dict(arrays)
        change(content[name])
        np.savez(path, **content)

    return corrupt


def add(at: tuple[int, ...], value: float) -> Callable[[np.ndarray], None]:
    def change(array: np.ndarray) -> None:
        array[at] += value

    return change


def next_number(at: tuple[int, ...]) -> Callable[[np.ndarray], None]:
    def change(array: np.ndarray) -> None:
        array[at] = np.nextafter(array[at], 2)

    return change


def in_json(key: str, field: str, value: float) -> Callable[[Path], None]:
    def corrupt(path: Path) -> None:
        content = json.loads(path.read_text())
        found = content[key][field]
        content[key][field] = [found[0] + value, *found[1:]] if isinstance(found, list) else found + value
        path.write_text(json.dumps(content))

    return corrupt


def last_byte(path: Path) -> None:
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text[:-2] + b"x" + text[-1:]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


KEY = "PASCAL|old|nit5|tied.txt"
SET = "pascal tied, old.csv, 5 iterations"
WIDER = "wider/golden/ordinary_int32.npz"
DAMAGES = [
    ("wider ordinary, int32", WIDER, in_npz("raw_counts", add((2, 7, 1), 1)), "hard: counts: 1 of 2000 values differ"),
    ("wider ordinary, int32", WIDER, in_npz("pr", next_number((0, 500, 0))), "easy: precision: 1 of 1000 values"),
    ("wider ordinary, int32", WIDER, in_npz("pr", next_number((1, 500, 1))), "medium: recall: 1 of 1000 values"),
    ("wider ordinary, int32", WIDER, in_npz("ap", add((1,), 4e-15)), "medium: AP: "),
    ("wider ordinary, int32", WIDER, cut, "cannot be evaluated: "),
    ("wider ordinary, int32", WIDER, Path.unlink, "cannot be evaluated: FileNotFoundError"),
    ("fddb ordinary", "fddb/golden/ordinary/DiscROC.txt.gz", last_byte, "DiscROC.txt: 1 of "),
    ("fddb ordinary", "fddb/golden/ordinary/ContROC.txt.gz", last_byte, "ContROC.txt: 1 of "),
    (SET, "pascal/golden/tied.npz", in_npz("old_nit5", next_number((0, 50))), "recall: 1 of 308 values differ"),
    (SET, "pascal/golden/tied.npz", in_npz("old_nit5", next_number((1, 50))), "precision: 1 of 308 values differ"),
    (SET, "pascal/golden/golden.json", in_json(KEY, "aps", 1e-11), "AP of iteration 1: "),
    (SET, "pascal/golden/golden.json", in_json(KEY, "T", 1e-11), "shift x: "),
    (SET, "pascal/golden/golden.json", in_json(KEY, "ignored", 1), "neutral detections: "),
]


@pytest.mark.parametrize(("name", "file", "damage", "said"), DAMAGES)
def test_one_wrong_value_is_found(
    tmp_path: Path, name: str, file: str, damage: Callable[[Path], None], said: str
) -> None:
    (golden,) = (golden for golden in golden_sets(shutil.copytree(GOLDEN, tmp_path / "golden")) if golden.name == name)
    assert check_golden([golden])[0].ok
    damage(tmp_path / "golden" / file)
    (check,) = check_golden([golden])
    assert len(check.differences) == 1
    assert check.differences[0].startswith(said)


def test_doctor_says_what_differs(sshbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = shutil.copytree(GOLDEN, tmp_path / "golden")
    in_npz("raw_counts", add((0, 999, 0), 1))(golden / "wider" / "golden" / "grid_double.npz")
    monkeypatch.setattr(selftest, "golden_dir", lambda: golden)
    examined = doctor.examine()
    monkeypatch.setattr(doctor, "examine", lambda: examined)  # once for both ways to print it
    code, out, _ = sshbench("doctor", "--json")
    report = json.loads(out)
    assert code == 1
    assert (report["ok"], report["evaluators_equal"]) == (False, False)
    checks = {check["name"]: check for check in report["golden"]}
    assert checks["wider grid, int32"] == {"name": "wider grid, int32", "differences": [], "ok": True}
    assert not checks["wider grid, double"]["ok"]
    code, out, _ = sshbench("doctor")
    assert code == 1
    assert "DIFFERS  wider grid, double: easy: counts: 1 of 2000 values differ, first at position 1998: " in out
    assert "to the bit" not in out
    equal = replace(examined, golden=tuple(check for check in examined.golden if check.ok))
    monkeypatch.setattr(doctor, "examine", lambda: equal)
    assert "evaluators equal the official tools to the bit on this machine" in sshbench("doctor")[1]


def test_what_doctor_evaluates_is_in_the_wheel() -> None:
    """At most 600 KB for all of it, each file as it is compressed there."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    shipped: set[Path] = set()
    for source, target in build["force-include"].items():
        if source.startswith("tests/golden"):
            assert target == f"sshbench/_shipped/{source.removeprefix('tests/')}"
            shipped |= {path for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()}
    needed = {golden.predictions for golden in golden_sets()}
    needed |= {path for path in GOLDEN.glob("*/golden/**/*") if path.is_file()}
    needed |= set(GOLDEN.glob("wider*/ground_truth/*"))
    needed |= {path for part in ("fddb", "pascal", "afw") for path in (GOLDEN / part).rglob("*.*") if path.is_file()}
    assert shipped == needed | {GOLDEN / "README.md"}
    assert sum(len(zlib.compress(path.read_bytes())) + 200 for path in shipped) < 600_000
