"""COCO: equal to pycocotools called by hand on the same json."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sshbench.datasets.coco import load_coco
from sshbench.errors import InputError, MissingDataError, SshbenchError, UsageError
from sshbench.evaluators import coco_backends
from sshbench.evaluators.coco import evaluate, evaluate_coco
from sshbench.evaluators.coco_backends import BACKENDS
from sshbench.formats.coco import read_coco_results
from sshbench.formats.coco_truth import read_coco
from sshbench.protocols import CocoEvaluation, load_protocol
from sshbench.records import Detections, DetectionSet, FaceSet, offsets_of

NAMES = ("AP", "AP50", "AP75", "AP/small", "AP/medium", "AP/large", "AR", "AR/small", "AR/medium", "AR/large")


def by_hand(truth: Path, results: Path, limit: int) -> dict[str, float]:
    """pycocotools as its own demo calls it; figures from its arrays, because `summarize` knows the limit 100 only."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(str(results)), "bbox")
        evaluation.params.maxDets = [1, 10, limit]
        evaluation.params.catIds = [5]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"][..., 2], evaluation.eval["recall"][..., 2]

    def mean(values: Any) -> float:
        return float(values[values > -1].mean()) if (values > -1).any() else float("nan")

    areas = {"": 0, "/small": 1, "/medium": 2, "/large": 3}
    figures = {f"AP{name}": mean(precision[:, :, 0, i]) for name, i in areas.items()}
    figures |= {f"AR{name}": mean(recall[:, 0, i]) for name, i in areas.items()}
    return figures | {"AP50": mean(precision[0, :, 0, 0]), "AP75": mean(precision[5, :, 0, 0])}


def ours(truth: Path, results: Path, backend: Any = "hotcoco") -> Any:
    dataset = load_coco(truth, annotation=(), images=())
    detections, _ = read_coco_results(results, dataset.keys, dataset.image_ids)
    return evaluate_coco(detections, dataset.faces, backend=backend)


def write(folder: Path, images: Any, annotations: Any, results: Any) -> tuple[Path, Path]:
    categories = [{"id": 3, "name": "person"}, {"id": 5, "name": "Face"}]
    (folder / "gt.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    (folder / "dt.json").write_text(json.dumps(results))
    return folder / "gt.json", folder / "dt.json"


def crowd(folder: Path, faces: int = 150, seed: int = 0) -> tuple[Path, Path]:
    """Images with more detections than COCO's own limit, sides with decimals, crowds, and ids in no order."""
    rng = np.random.default_rng(seed)
    ids = [31, 4, 15]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in ids]
    annotations, results = [], []
    for n in range(faces):
        box = np.round([*rng.uniform(0, 500, 2), *rng.choice([9, 40, 120], 2) * rng.uniform(0.8, 1.2, 2)], 2).tolist()
        image = int(rng.choice(ids))
        area = round(box[2] * box[3] * 0.8, 1)  # as of a segmentation: not the box's own
        annotations.append(
            {"id": n + 1, "image_id": image, "category_id": 5, "bbox": box, "area": area, "iscrowd": int(n % 20 == 0)}
        )
        for _ in range(3):
            moved = np.round(np.array(box) + rng.normal(0, 3, 4), 2)
            moved[2:] = np.maximum(moved[2:], 1)
            score = float(np.round(rng.uniform(), 1))  # many ties
            results.append({"image_id": image, "category_id": 5, "bbox": moved.tolist(), "score": score})
    annotations.append({"id": 9999, "image_id": 4, "category_id": 3, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0})
    return write(folder, images, annotations, results)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_pycocotools_by_hand(tmp_path: Path, seed: int, backend: str) -> None:
    truth, results = crowd(tmp_path, seed=seed)
    result = ours(truth, results, backend)
    assert result.backend == backend
    assert result.max_detections > 100
    assert {name: result.metrics[name] for name in NAMES} == by_hand(truth, results, result.max_detections)


def test_trap_cocos_own_limit_loses_faces_of_crowds(tmp_path: Path) -> None:
    truth, results = crowd(tmp_path)
    assert by_hand(truth, results, 100)["AR"] < ours(truth, results).metrics["AR"]


boxes = st.tuples(*[st.integers(0, 60).map(lambda n: n / 2)] * 2, *[st.integers(2, 120).map(lambda n: n / 2)] * 2)


@given(
    st.lists(st.tuples(st.integers(1, 2), boxes, st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 2), boxes, st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=8),
)
def test_small_cases_equal_too(tmp_path_factory: pytest.TempPathFactory, faces: Any, found: Any) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in (1, 2)]
    annotations = [
        {"id": n, "image_id": i, "category_id": 5, "bbox": list(box), "area": box[2] * box[3], "iscrowd": int(flag)}
        for n, (i, box, flag) in enumerate(faces, start=1)
    ]
    results = [{"image_id": i, "category_id": 5, "bbox": list(box), "score": score} for i, box, score in found]
    truth, dets = write(tmp_path_factory.mktemp("coco"), images, annotations, results)
    figures = ours(truth, dets).metrics
    np.testing.assert_equal({name: figures[name] for name in NAMES}, by_hand(truth, dets, 100))


def drawn_set(seed: int, grid: float) -> tuple[DetectionSet, FaceSet]:
    """Images with and without rows; ties, crowds, degenerate and inverted boxes, and areas that are not the boxes'."""
    rng = np.random.default_rng(seed)
    images, faces, found = int(rng.integers(1, 5)), int(rng.integers(0, 30)), int(rng.integers(0, 150))
    face_image, image = np.sort(rng.integers(0, images, faces)), rng.integers(0, images, found)
    boxes = random_boxes(rng, faces, grid)
    detected = random_boxes(rng, found, grid)
    if faces:
        near, source = rng.uniform(size=found) < 0.6, rng.integers(0, faces, found)
        detected[near] = (boxes[source] + np.round(rng.normal(0, 2, (found, 4)) / grid) * grid)[near]
        image[near] = face_image[source][near]
    detected[rng.uniform(size=found) < 0.05, 2] = 0
    detected[rng.uniform(size=found) < 0.05, 3] *= -1
    order = np.argsort(image, kind="stable")
    keys = tuple(f"i{n}" for n in range(images))
    xywh, scores = detected[order], np.round(rng.uniform(size=found), int(rng.integers(1, 5)))
    areas = boxes[:, 2] * boxes[:, 3] * rng.choice([1, 0.8])
    ignore = {"all": rng.uniform(size=faces) < 0.1, "part": rng.uniform(size=faces) < 0.4}
    to_corners = [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]
    return (
        DetectionSet(keys, offsets_of(np.bincount(image, minlength=images)), xywh @ to_corners, scores),
        FaceSet(keys, offsets_of(np.bincount(face_image, minlength=images)), boxes @ to_corners, ignore, areas=areas),
    )


def random_boxes(rng: np.random.Generator, rows: int, grid: float) -> Any:
    xywh = np.column_stack((rng.uniform(0, 60, (rows, 2)), rng.choice([5, 30, 100], (rows, 2)) * rng.uniform(0.5, 1.5)))
    return np.round(xywh / grid) * grid


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 0.5, 0.1, 1e-9]), st.sampled_from([None, 1, 10, 1000]))
def test_both_backends_give_the_same_to_the_bit(seed: int, grid: float, limit: int | None) -> None:
    found, faces = drawn_set(seed, grid)
    one, other = (
        evaluate_coco(found, faces, subsets=("part",), max_detections=limit, backend=name)
        for name in ("hotcoco", "pycocotools")
    )
    np.testing.assert_equal(one.metrics, other.metrics)
    assert one.counted == other.counted
    for name in ("all", "part"):
        for field in ("precision", "recall", "thresholds", "ap"):
            np.testing.assert_array_equal(getattr(one.curves[name], field), getattr(other.curves[name], field))
        for field in ("roles", "faces", "found", "missed"):
            fates = [getattr(result.fates[name](-np.inf), field) for result in (one, other)]
            np.testing.assert_array_equal(*fates)


def test_matches_are_the_same_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    found, faces = drawn_set(1, 0.5)
    whole = evaluate_coco(found, faces).fates["all"](0)
    monkeypatch.setattr(coco_backends, "_BLOCK", 1)
    parts = evaluate_coco(found, faces).fates["all"](0)
    assert len(found) > 1
    assert whole.right.any()
    np.testing.assert_array_equal(whole.roles, parts.roles)
    np.testing.assert_array_equal(whole.faces, parts.faces)


def test_what_is_not_a_number_goes_to_pycocotools_and_is_said() -> None:
    found, faces = drawn_set(1, 0.5)
    scores = found.scores.copy()
    scores[0] = np.nan
    protocol = load_protocol("coco")
    outcome = evaluate(replace(found, scores=scores), faces, protocol)
    assert [finding.code for finding in outcome.findings] == ["other-backend"]
    chosen = evaluate(replace(found, scores=scores), faces, protocol.with_evaluation(backend="pycocotools"))
    assert not chosen.findings
    np.testing.assert_equal(outcome.metrics, chosen.metrics)


def test_a_backend_changes_no_hash() -> None:
    protocol = load_protocol("coco")
    other = protocol.with_evaluation(backend="pycocotools")
    assert other.rules(CocoEvaluation).backend == "pycocotools"
    assert other.hash == protocol.hash
    with pytest.raises(UsageError, match="backend"):
        protocol.with_evaluation(backend="torch")


def test_a_subsets_ignored_faces_count_neither_way(tmp_path: Path) -> None:
    truth, results = crowd(tmp_path)
    dataset = load_coco(truth, annotation=(), images=())
    detections, _ = read_coco_results(results, dataset.keys, dataset.image_ids)
    areas = dataset.faces.areas
    assert areas is not None
    ignore = {**dataset.faces.ignore, "by area": areas < 96**2, "as all": dataset.faces.ignore["all"]}
    faces = type(dataset.faces)(
        dataset.keys, dataset.faces.offsets, dataset.faces.boxes, ignore, sizes=dataset.faces.sizes, areas=areas
    )
    result = evaluate_coco(detections, faces, subsets=("by area", "as all"))
    assert result.metrics["AP/as all"] == result.metrics["AP"]
    # COCO's large faces, but for unmatched detections: those of other sizes count as false here.
    assert result.metrics["AR/by area"] == pytest.approx(result.metrics["AR/large"], abs=0.02)
    assert result.metrics["AP/by area"] < result.metrics["AP/large"]


def test_no_detections_and_no_faces(tmp_path: Path) -> None:
    truth, _ = crowd(tmp_path)
    dataset = load_coco(truth, annotation=(), images=())
    nothing = DetectionSet.from_images((key, Detections.empty()) for key in dataset.keys)
    result = evaluate_coco(nothing, dataset.faces)
    assert (result.metrics["AP"], result.metrics["AR"]) == (0.0, 0.0)
    empty, _ = write(tmp_path, [{"id": 1, "file_name": "a.jpg"}], [], [])
    faces = read_coco(empty).faces
    assert np.isnan(evaluate_coco(DetectionSet.from_images([("a", Detections.empty())]), faces).metrics["AP"])
    with pytest.raises(SshbenchError, match="different images"):
        evaluate_coco(nothing, faces)


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 10, "height": 20}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0, "blur": 2}


def test_what_is_read(tmp_path: Path) -> None:
    truth, _ = write(tmp_path, [IMAGE, {"id": 0, "file_name": "b.jpg", "width": 1, "height": 2}], [ANNOTATION], [])
    read = read_coco(truth)
    assert read.faces.keys == ("b", "a")  # by rising id, as pycocotools goes through them
    assert read.faces.boxes.tolist() == [[1, 2, 4, 6]]
    assert read.faces.sizes is not None
    assert read.faces.sizes.tolist() == [[1, 2], [10, 20]]
    assert {name: values.tolist() for name, values in read.faces.attributes.items()} == {"blur": [2]}
    assert (read.suffix, read.category_id, read.image_ids) == (".jpg", 5, {0: "b", 1: "a"})
    mixed, _ = write(tmp_path, [IMAGE, {"id": 2, "file_name": "a.png"}], [], [])
    assert read_coco(mixed).faces.keys == ("a.jpg", "a.png")


@pytest.mark.parametrize(
    ("images", "annotation", "says"),
    [
        ([{"id": 1}], {}, r"images\[0\]\.file_name"),
        ([{"file_name": "a.jpg"}], {}, r"images\[0\]\.id"),
        ([IMAGE, IMAGE], {}, "duplicate id"),
        ([IMAGE, {**IMAGE, "id": 2}], {}, "share one file_name"),
        ([IMAGE], {"image_id": 2}, "no annotation is of an image in 'images': 2"),
        ([IMAGE], {"bbox": [1, 2, 3]}, r"annotations\[0\]\.bbox"),
        ([IMAGE], {"bbox": [1, 2, 3, float("nan")]}, r"annotations\[0\]\.bbox"),
        ([IMAGE], {"area": "x"}, r"annotations\[0\]\.area"),
        ([IMAGE], {"iscrowd": 2}, r"annotations\[0\]\.iscrowd"),
    ],
)
def test_what_is_refused(tmp_path: Path, images: Any, annotation: Any, says: str) -> None:
    truth, _ = write(tmp_path, images, [{**ANNOTATION, **annotation}], [])
    with pytest.raises(InputError, match=says):
        read_coco(truth)


def test_files_and_categories(tmp_path: Path) -> None:
    truth, _ = write(tmp_path, [IMAGE], [ANNOTATION], [])
    with pytest.raises(InputError, match="no single category 'head'"):
        read_coco(truth, "head")
    with pytest.raises(InputError, match="holds 2 json files"):
        load_coco(tmp_path, annotation=("*.json",), images=())
    with pytest.raises(MissingDataError, match="no ground truth"):
        load_coco(tmp_path, annotation=("annotations/*.json",), images=())
    for text in ("[]", "{}", "{", '{"images": 1}'):
        truth.write_text(text)
        with pytest.raises(InputError, match=r"gt\.json"):
            read_coco(truth)


def test_progress_adds_up_to_the_images(tmp_path: Path) -> None:
    truth, results = crowd(tmp_path)
    dataset = load_coco(truth, annotation=(), images=())
    detections, _ = read_coco_results(results, dataset.keys, dataset.image_ids)
    steps: list[float] = []
    evaluate_coco(detections, dataset.faces, subsets=("all",), progress=steps.append)
    assert sum(steps) == pytest.approx(len(dataset.keys))
