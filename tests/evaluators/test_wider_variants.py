"""Every switch against plain loops on the small golden sets; on whole sets, the effects that were measured before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sshbench
from sshbench.errors import UsageError
from sshbench.evaluators.wider import evaluate_wider
from sshbench.evaluators.wider_variants import PYTHON_PORT, SWITCHES, applicable, variant_ap
from sshbench.protocols import load_protocol
from sshbench.records import Detections, DetectionSet
from tests.evaluators import reference_variants, reference_wider

GOLDEN = Path(__file__).parents[1] / "golden"
WIDER = load_protocol("wider")
SETS = [
    ("wider", "hostile"),
    ("wider", "grid"),
    ("wider", "inf_score"),
    ("wider_no_boxes", "percent"),
    pytest.param("wider", "ordinary", marks=pytest.mark.thorough),
    pytest.param("wider", "logits", marks=pytest.mark.thorough),
]
VARIANTS = [(), *((name,) for name in SWITCHES), PYTHON_PORT, ("unsorted", "per-image", "range-0-1", "skip-images")]


def golden_set(folder: str, name: str) -> tuple[DetectionSet, sshbench.FaceSet]:
    dataset = sshbench.load_dataset("wider", GOLDEN / folder)
    return sshbench.read_wider(GOLDEN / folder / "predictions" / f"{name}.zip", dataset.keys)[0], dataset.faces


def shuffled(detections: DetectionSet, seed: int = 0) -> DetectionSet:
    """The rows of every image in another order."""
    image = np.repeat(np.arange(len(detections)), np.diff(detections.offsets))
    order = np.lexsort((np.random.default_rng(seed).random(detections.total), image))
    return DetectionSet(detections.keys, detections.offsets, detections.boxes[order], detections.scores[order])


def by_loops(detections: DetectionSet, faces: sshbench.FaceSet, switches: tuple[str, ...]) -> dict[str, float]:
    photos = [
        reference_variants.Photo(
            list(zip(found.boxes.tolist(), found.scores.tolist(), strict=True)),
            truth.boxes.tolist(),
            {name: (~flags).tolist() for name, flags in truth.ignore.items()},
        )
        for found, truth in zip(detections, faces, strict=True)
    ]
    iou: reference_variants.Iou = reference_wider.iou_double
    if "int32" in switches:
        iou = reference_wider.iou_int32
    if "no-plus-one" in switches:
        iou = reference_variants.iou_without_one
    return reference_variants.evaluate(photos, iou, switches, skip_without_boxes=True)


@pytest.mark.parametrize("switches", VARIANTS, ids="+".join)
@pytest.mark.parametrize(("folder", "name"), SETS)
def test_variants_equal_plain_loops(folder: str, name: str, switches: tuple[str, ...]) -> None:
    detections, faces = golden_set(folder, name)
    if "unsorted" in switches:
        detections = shuffled(detections)
    found = variant_ap(detections, faces, WIDER, switches)
    expected = by_loops(detections, faces, switches)
    assert found.keys() == expected.keys() == {"easy", "medium", "hard"}
    for subset, ap in found.items():
        assert ap == pytest.approx(expected[subset], abs=1e-14), subset


@pytest.mark.parametrize(("folder", "name"), [("wider", "ordinary"), ("wider_no_boxes", "percent")])
def test_every_switch_moves_a_figure_where_it_should(folder: str, name: str) -> None:
    detections, faces = golden_set(folder, name)
    detections = shuffled(detections)
    official = variant_ap(detections, faces, WIDER)
    moved = {switch for switch in SWITCHES if variant_ap(detections, faces, WIDER, [switch]) != official}
    # All scores of `percent` are over 1; no tie of `ordinary` is broken by single precision.
    expected = set(SWITCHES) - ({"range-0-1", "float64"} if name == "ordinary" else {"score-cut", "float64"})
    assert moved == expected


@pytest.mark.parametrize("name", ["ordinary", "hostile", "inf_score"])
@pytest.mark.parametrize("iou", ["double", "int32"])
def test_without_a_switch_it_is_the_official_evaluation(name: str, iou: str) -> None:
    detections, faces = golden_set("wider", name)
    protocol = WIDER.with_evaluation(iou_arithmetic=iou)
    official = evaluate_wider(detections, faces, protocol)
    assert variant_ap(detections, faces, protocol) == {name: curve.ap for name, curve in official.curves.items()}


def test_a_set_without_detections() -> None:
    faces = golden_set("wider", "ordinary")[1]
    nothing = DetectionSet.from_images((key, Detections.empty()) for key in faces.keys)
    for switches in VARIANTS:
        assert set(variant_ap(nothing, faces, WIDER, switches).values()) == {0.0}


def test_wrong_switches() -> None:
    detections, faces = golden_set("wider", "inf_score")
    with pytest.raises(UsageError, match=r"no switch 'unsortd'\. Did you mean 'unsorted'"):
        variant_ap(detections, faces, WIDER, ["unsortd"])
    with pytest.raises(UsageError, match="int32"):
        variant_ap(detections, faces, WIDER, ["int32", "no-plus-one"])
    with pytest.raises(UsageError, match="of kind 'coco', not 'wider'"):
        variant_ap(detections, faces, load_protocol("coco"), ["unsorted"])
    assert applicable(WIDER) == tuple(SWITCHES)


# On whole sets.


def points(shared: Path, name: str, *switches: str, shuffle: bool = False) -> np.ndarray:
    """AP under the switches less the official one: easy, medium, hard."""
    dataset = sshbench.load_dataset("wider", shared / "data" / "wider")
    detections, _ = sshbench.read_wider(shared / "data" / "wider" / "predictions" / f"{name}.zip", dataset.keys)
    if shuffle:
        detections = shuffled(detections)
    official = variant_ap(detections, dataset.faces, WIDER)
    changed = variant_ap(detections, dataset.faces, WIDER, switches)
    return np.array([changed[name] - official[name] for name in official])


def test_scores_on_a_grid_in_double_precision(shared: Path) -> None:
    np.testing.assert_allclose(points(shared, "grid", "float64"), [8e-5, 4e-5, 1e-5], atol=5e-6)


def test_what_a_cut_and_boxes_without_one_cost_a_real_detector(shared: Path) -> None:
    np.testing.assert_allclose(points(shared, "retinaface-trt", "no-plus-one"), [-0.003, -0.004, -0.016], atol=5e-4)
    assert -0.135 < points(shared, "retinaface-jit", "score-cut")[2] < -0.13


def test_shuffled_rows_that_are_not_sorted(shared: Path) -> None:
    assert (points(shared, "retinaface-jit", "unsorted") == 0).all()  # its files are sorted
    assert (points(shared, "retinaface-jit", "unsorted", shuffle=True) < -0.5).all()
