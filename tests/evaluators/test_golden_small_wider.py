"""The official tool's own outputs on the small golden sets, from files by the public path: everybody can run this."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.errors import CheckFailedError
from sshbench.evaluation.core import evaluate_set
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.wider import WiderResult, evaluate_wider
from sshbench.formats.wider import read_wider
from sshbench.formats.wider_official import read_official
from sshbench.formats.wider_rows import parse_batch, parse_file
from sshbench.protocols import Protocol, load_protocol

GOLDEN = Path(__file__).parents[1] / "golden"
SETS = [
    *(("wider", name) for name in ("ordinary", "grid", "logits", "hostile", "inf_score")),
    ("wider_no_boxes", "percent"),
]
SUBSETS = ("easy", "medium", "hard")
READING: dict[str, dict[str, object]] = json.loads((GOLDEN / "wider" / "reading.json").read_text(encoding="utf-8"))


def rules(iou: str) -> Protocol:
    return load_protocol("wider").with_evaluation(iou_arithmetic=iou)


def assert_golden(result: WiderResult, golden: Path) -> None:
    """Counts and PR cells bit for bit, AP within 2e-15."""
    with np.load(golden) as expected:
        for i, name in enumerate(SUBSETS):
            curve = result.curves[name]
            np.testing.assert_array_equal(result.counts[name], expected["raw_counts"][i])
            cells = np.column_stack((curve.precision, curve.recall))
            assert cells.tobytes() == np.where(np.isnan(cells), cells, expected["pr"][i]).tobytes()
            np.testing.assert_array_equal(np.isnan(cells), np.isnan(expected["pr"][i]))
            assert abs(curve.ap - expected["ap"][i]) <= 2e-15


def test_every_golden_file_is_evaluated() -> None:
    files = {path for folder in ("wider", "wider_no_boxes") for path in (GOLDEN / folder / "golden").iterdir()}
    assert files == {
        GOLDEN / folder / "golden" / f"{name}_{i}.npz" for folder, name in SETS for i in ("double", "int32")
    }


@pytest.mark.parametrize("iou", ["double", "int32"])
@pytest.mark.parametrize(("folder", "name"), SETS)
def test_sets(folder: str, name: str, iou: str) -> None:
    protocol = rules(iou)
    dataset = load_dataset(protocol, GOLDEN / folder)
    detections, findings = sshbench.read_wider(GOLDEN / folder / "predictions" / f"{name}.zip", dataset.keys)
    evaluation = evaluate_set(detections, dataset, protocol, findings=findings)
    assert isinstance(evaluation.outcome.result, WiderResult)
    assert_golden(evaluation.outcome.result, GOLDEN / folder / "golden" / f"{name}_{iou}.npz")


def test_hostile_files_need_no_repair() -> None:
    """The goldens hold with and without repair: none of the 51 ways to write a file is one that is repaired."""
    dataset = sshbench.load_dataset("wider", GOLDEN / "wider")
    path = GOLDEN / "wider" / "predictions" / "hostile.zip"
    repaired, findings = read_wider(path, dataset.keys)
    official, same_findings = read_wider(path, dataset.keys, repair=False)
    assert official.digest == repaired.digest
    assert findings == same_findings
    codes = {finding.code for finding in findings}
    assert {"missing-file", "empty-file", "bad-count", "too-few-rows", "bad-row", "extra-rows"} <= codes
    assert not codes & {"repaired-file", "odd-text"}
    with pytest.raises(CheckFailedError, match="bad-row"):
        read_wider(path, dataset.keys, strict=True)


# Images without any ground-truth box.


def no_boxes(**evaluation: object) -> tuple[sshbench.Evaluation, WiderResult]:
    protocol = load_protocol("wider").with_evaluation(**evaluation)
    dataset = load_dataset(protocol, GOLDEN / "wider_no_boxes")
    detections, _ = read_wider(GOLDEN / "wider_no_boxes" / "predictions" / "percent.zip", dataset.keys)
    evaluated = evaluate_set(detections, dataset, protocol)
    assert isinstance(evaluated.outcome.result, WiderResult)
    return evaluated, evaluated.outcome.result


def test_a_finding_says_how_many_images_were_passed_over() -> None:
    evaluation, result = no_boxes()
    (warning,) = evaluation.record.warnings
    assert warning.code == "images-without-faces"
    assert warning.file_count == 15
    assert warning.message.startswith(
        f"{result.passed_over.sum()} detections in 15 images without any ground-truth box"
    )


def test_own_protocols_count_such_images() -> None:
    skipped, result = no_boxes()
    counted, all_counted = no_boxes(images_without_faces="count")
    assert counted.record.warnings == ()
    assert not all_counted.passed_over.any()
    for name in SUBSETS:
        more = all_counted.counts[name][-1] - result.counts[name][-1]
        # The last threshold keeps every detection: the false positives are exactly those that were passed over.
        assert more.tolist() == [result.passed_over.sum(), 0]
        assert counted.curves[name].ap < skipped.curves[name].ap  # type: ignore[union-attr]
    assert counted.record.protocol_hash != skipped.record.protocol_hash


def test_a_part_of_a_dataset_skips_its_own_images_only() -> None:
    dataset = sshbench.load_dataset("wider", GOLDEN / "wider_no_boxes")
    detections, _ = read_wider(GOLDEN / "wider_no_boxes" / "predictions" / "percent.zip", dataset.keys)
    empty = np.flatnonzero(np.diff(dataset.faces.offsets) == 0)
    part = dataset.restricted({dataset.keys[empty[0]], dataset.keys[0]})
    result = evaluate_wider(detections.aligned(part.keys), part.faces, load_protocol("wider"))
    assert [finding.files for finding in result.findings] == [(dataset.keys[empty[0]],)]


# Reading one file.


def sorted_rows(table: np.ndarray) -> list[list[str]]:
    """Rows by falling score, NaN first, as read_pred.m leaves them; each number as `repr`."""
    order = np.lexsort((-table[:, 4], ~np.isnan(table[:, 4])))
    return [[repr(value) for value in row] for row in table[order].tolist()]


def test_there_are_103_texts() -> None:
    assert len(READING) == 103


@pytest.mark.parametrize("name", READING)
def test_rows_of_one_text(name: str) -> None:
    text = READING[name]["text"]
    assert isinstance(text, str)
    content = text.encode()
    rows = READING[name]["rows"]
    assert sorted_rows(read_official(content).rows) == rows
    codes: list[str] = []
    for table in (
        parse_file(content, name, lambda code, _: codes.append(code), repair=False),
        parse_batch([name], [content], lambda code, _: None, repair=False)[0],
    ):
        assert sorted_rows(table) == rows
    # Default: the same rows, or a finding that says that the official tool drops the file.
    codes.clear()
    table = parse_file(content, name, lambda code, _: codes.append(code))
    assert ("repaired-file" in codes) == (sorted_rows(table) != rows)
    if "repaired-file" in codes:
        assert rows == []
        assert len(table)


def test_the_finding_counts_and_names_repaired_files(tmp_path: Path) -> None:
    keys = [f"0--Made/{i}" for i in range(len(READING))]
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        for key, case in zip(keys, READING.values(), strict=True):
            archive.writestr(f"{key}.txt", str(case["text"]).encode())
    detections, findings = read_wider(tmp_path / "texts.zip", keys)
    differ = [
        f"{key}.txt"
        for key, image, case in zip(keys, detections, READING.values(), strict=True)
        if len(image) != len(case["rows"])  # type: ignore[arg-type]
    ]
    assert len(differ) == 11
    (repaired,) = (finding for finding in findings if finding.code == "repaired-file")
    assert list(repaired.files) == differ
    assert repaired.message.startswith("11 files were read although the official tool drops them")
    official, findings = read_wider(tmp_path / "texts.zip", keys, repair=False)
    assert [len(image) for image in official] == [len(case["rows"]) for case in READING.values()]  # type: ignore[arg-type]
    assert "repaired-file" not in {finding.code for finding in findings}
