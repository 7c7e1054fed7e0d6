"""The official tool's own outputs, cell by cell: five prediction sets and 25 edge cases, in both IoU behaviours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sshbench.datasets import Dataset
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.wider import evaluate_wider
from sshbench.formats.wider import read_wider
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import Detections, DetectionSet, offsets_of
from sshbench.selftest import wider_differences

SETS = ["synth", "synth_small", "grid", "traps", "retinaface-trt"]
EDGES = [
    "all_above_one",
    "all_equal",
    "all_negative",
    "blank_first_line",
    "blank_line_after_header",
    "blank_line_end",
    "commas",
    "count_float",
    "crlf",
    "empty_file_in_one",
    "exp_notation",
    "four_columns_in_one",
    "header_only_in_one",
    "huge_coords",
    "inf_score",
    "iou_exact_half",
    "leading_spaces",
    "nan_box",
    "nan_lower",
    "neg_wh",
    "no_final_newline",
    "none_at_all",
    "single_det",
    "tabs",
    "ties_same_score",
]
SUBSETS = ("easy", "medium", "hard")


@pytest.fixture(scope="module")
def wider(shared: Path) -> Dataset:
    return load_dataset("wider", shared / "data" / "wider")


def rules(iou: str) -> Protocol:
    return load_protocol("wider").with_evaluation(iou_arithmetic=iou)


def none(dataset: Dataset) -> DetectionSet:
    """No prediction file at all, as the official tool saw it in the case `none_at_all`."""
    return DetectionSet(dataset.keys, offsets_of([0] * len(dataset.keys)), np.empty((0, 4)), np.empty(0))


@pytest.mark.parametrize("iou", ["double", "int32"])
@pytest.mark.parametrize("name", SETS)
def test_sets(wider: Dataset, shared: Path, name: str, iou: str) -> None:
    folder = shared / "data" / "wider"
    detections, _ = read_wider(folder / "predictions" / f"{name}.zip", wider.keys)
    result = evaluate_wider(detections, wider.faces, rules(iou))
    assert wider_differences(result, folder / "golden" / f"{name.replace('-', '_')}_{iou}.npz") == []


@pytest.mark.parametrize("iou", ["double", "int32"])
@pytest.mark.parametrize("name", EDGES)
def test_edge_cases(wider: Dataset, shared: Path, name: str, iou: str) -> None:
    folder = shared / "data" / "wider"
    edge = folder / "predictions" / "edge" / name
    detections = none(wider) if name == "none_at_all" else read_wider(edge, wider.keys)[0]
    result = evaluate_wider(detections, wider.faces, rules(iou))
    assert wider_differences(result, folder / "golden" / f"edge_{name}_{iou}.npz") == []


def test_every_edge_case_of_the_folder_is_listed(shared: Path) -> None:
    found = {path.name for path in (shared / "data" / "wider" / "predictions" / "edge").iterdir()}
    assert found | {"none_at_all"} == set(EDGES)


# What other tools do wrong, and by how much it moves the figures.


@pytest.fixture(scope="module")
def grid(wider: Dataset, shared: Path) -> DetectionSet:
    return read_wider(shared / "data" / "wider" / "predictions" / "grid.zip", wider.keys)[0]


@pytest.fixture(scope="module")
def real(wider: Dataset, shared: Path) -> DetectionSet:
    return read_wider(shared / "data" / "wider" / "predictions" / "retinaface-trt.zip", wider.keys)[0]


def change(
    dataset: Dataset, right: DetectionSet, wrong: DetectionSet | None = None, **evaluation: object
) -> np.ndarray:
    """By how much the three APs move when the detections or the rules are the wrong ones."""
    protocol = load_protocol("wider")
    aps = []
    for detections, rules_ in ((right, protocol), (wrong or right, protocol.with_evaluation(**evaluation))):
        result = evaluate_wider(detections, dataset.faces, rules_)
        aps.append([result.curves[name].ap for name in SUBSETS])
    return np.subtract(aps[1], aps[0])


def rescored(detections: DetectionSet, scores: np.ndarray) -> DetectionSet:
    return DetectionSet(detections.keys, detections.offsets, detections.boxes, scores)


def test_trap_normalising_in_double_precision(wider: Dataset, grid: DetectionSet) -> None:
    np.testing.assert_allclose(change(wider, grid, score_precision="float64"), [8e-5, 4e-5, 1e-5], atol=1e-5)


def test_trap_continuous_boxes(wider: Dataset, real: DetectionSet) -> None:
    moved = change(wider, real, box_convention="continuous")
    np.testing.assert_allclose(moved, [-0.003, -0.004, -0.016], atol=1e-3)


def test_trap_one_stray_score_squashes_the_range(wider: Dataset, real: DetectionSet) -> None:
    scores = real.scores.copy()
    scores[0] = 100.0
    np.testing.assert_allclose(change(wider, real, rescored(real, scores)), [-0.040, -0.026, -0.028], atol=1e-3)


def test_trap_ap_is_not_invariant_to_monotone_changes(wider: Dataset, real: DetectionSet) -> None:
    np.testing.assert_allclose(change(wider, real, rescored(real, real.scores**4)), [-0.002, -0.005, -0.022], atol=1e-3)


def test_trap_dropping_low_scores(wider: Dataset, real: DetectionSet) -> None:
    kept = DetectionSet.from_images(
        (key, Detections(d.boxes[d.scores >= 0.5], d.scores[d.scores >= 0.5]))
        for key, d in zip(real.keys, real, strict=True)
    )
    assert change(wider, real, kept)[2] < -0.09


def test_trap_skipping_images_without_counted_faces(wider: Dataset, real: DetectionSet) -> None:
    ignore = wider.faces.ignore["easy"]
    bounds = zip(wider.faces.offsets[:-1], wider.faces.offsets[1:], strict=True)
    counted = [bool((~ignore[first:last]).any()) for first, last in bounds]
    assert counted.count(False) == 622
    empty = Detections.empty()
    skipped = DetectionSet.from_images(
        (key, d if used else empty) for key, d, used in zip(real.keys, real, counted, strict=True)
    )
    assert 0 < change(wider, real, skipped)[0] <= 0.015


def test_trap_row_order_does_not_matter_here(wider: Dataset, grid: DetectionSet) -> None:
    rng = np.random.default_rng(1)
    image = np.repeat(np.arange(len(grid)), np.diff(grid.offsets))
    # Rows with equal scores keep their order in the official tool's stable sort: shuffle whole groups of them.
    order = np.lexsort((np.arange(grid.total), rng.permutation(1001)[np.rint(grid.scores * 1000).astype(int)], image))
    shuffled = DetectionSet(grid.keys, grid.offsets, grid.boxes[order], grid.scores[order])
    assert (np.diff(shuffled.scores) > 0).any()
    np.testing.assert_array_equal(change(wider, grid, shuffled), [0, 0, 0])
