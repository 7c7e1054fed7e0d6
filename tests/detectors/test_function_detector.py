"""A function as a detector, and the public names of `sshbench.detectors`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import sshbench.detectors
from sshbench.detectors import Detector, FunctionDetector, detect
from sshbench.errors import DetectorError, UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.images import read_image
from sshbench.inference.loop import run_detector
from sshbench.inference.work import work_left
from sshbench.records import Image
from sshbench.runs import Identity, create_or_resume

IMAGE: Image = np.zeros((40, 60, 3), dtype=np.uint8)


def returning(*values: Any) -> FunctionDetector:
    return FunctionDetector(lambda image: values, name="mine")


def test_public_names() -> None:
    assert sorted(sshbench.detectors.__all__) == sorted(sshbench.detectors._WHERE)
    for name in sshbench.detectors.__all__:
        assert getattr(sshbench.detectors, name).__module__.startswith("sshbench") or name == "SettingValue"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sshbench.detectors.nothing


@pytest.mark.parametrize(("order", "first"), [("RGB", 30), ("BGR", 10)])
def test_channel_order(order: Any, first: int) -> None:
    seen: list[Image] = []

    def function(image: Image) -> tuple[list[Any], list[Any]]:
        seen.append(image.copy())
        image[:] = 0  # must not change the caller's pixels
        return [], []

    image = IMAGE + np.array([10, 20, 30], dtype=np.uint8)
    before = image.copy()
    assert len(detect(FunctionDetector(function, channel_order=order), image)) == 0
    assert seen[0].dtype == np.uint8
    assert seen[0].flags.c_contiguous
    assert seen[0][0, 0].tolist() == ([10, 20, 30] if first == 10 else [30, 20, 10])
    assert image.tolist() == before.tolist()


def test_detections_are_kept_as_they_are_by_falling_score() -> None:
    boxes = np.array([[0, 0, 5, 5], [0, 0, 5, 5], [-3, 2, 70, 50.5]], dtype=np.float32)
    found = detect(returning(boxes, [-1e30, 7, 0.5]), IMAGE)
    assert found.scores.tolist() == [7.0, 0.5, -1e30], "no threshold and no NMS of ours"
    assert found.boxes.tolist() == [[0, 0, 5, 5], [-3, 2, 70, 50.5], [0, 0, 5, 5]]
    assert found.boxes.dtype == np.float64


def test_boxes_are_scaled_back_where_a_size_is_set() -> None:
    detector = FunctionDetector(lambda image: ([[0, 0, image.shape[1], image.shape[0]]], [1.0]))
    detector.settings = replace(detector.settings, resize="20x30")
    assert detect(detector, IMAGE).boxes.tolist() == [[0, 0, 60, 40]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (([[0, 0, 1, 1]],), "a pair of boxes and scores, not tuple"),
        (([[0, 0, 1]], [0.5]), r"boxes of shape \(n, 4\), not \(1, 3\)"),
        (([0, 0, 1, 1], [0.5]), r"boxes of shape \(n, 4\), not \(4,\)"),
        (([[0, 0, 1, 1]], [0.5, 0.6]), r"one score per box: 1 boxes, but scores of shape \(2,\)"),
        (([[0, 0, 1, 1]], []), r"one score per box: 1 boxes, but scores of shape \(0,\)"),
        (([[0, 0, 1, 1]], [[0.5]]), r"scores of shape \(1, 1\)"),
        (([[0, 0, np.nan, 1]], [0.5]), "finite boxes, not nan"),
        (([[0, 0, 1, 1]], [np.inf]), "finite scores, not inf"),
        (([["a", 0, 1, 1]], [0.5]), "boxes as an array of numbers"),
        (([[30, 5, 10, 12]], [0.5]), r"x2 >= x1.*not \[30\.0, 5\.0, 10\.0, 12\.0\]; for x y w h, add x to w"),
    ],
)
def test_wrong_results_are_refused(values: Any, says: str) -> None:
    with pytest.raises(DetectorError, match=f"the function of detector 'mine' must return.*{says}"):
        detect(returning(*values), IMAGE)


def test_it_follows_the_contract_and_runs_over_a_dataset(tmp_path: Any) -> None:
    sample = load_dataset("sample").limited(2).with_images()
    detector = FunctionDetector(
        lambda image: ([[0, 0, image.shape[1], image.shape[0]]], [0.5]), name="whole", extra={"version": 2}
    )
    assert isinstance(detector, Detector)
    identity = Identity(
        detector=detector.info.name,
        settings=detector.settings.as_dict(),
        dataset="sample",
        split="val",
        dataset_fingerprint="x",
        images=2,
        protocol="sample",
        protocol_hash="x",
        created="",
        versions={},
        machine={},
    )
    with create_or_resume(tmp_path / "run", identity) as run:
        run_detector(detector, work_left(sample, run), run)
        path = sample.image(0).path
        assert path is not None
        height, width = read_image(path).shape[:2]
        assert run.detections()[0].boxes.tolist() == [[0, 0, width, height]]
        assert run.identity.settings["extra"] == {"channel_order": "RGB", "version": 2}


def test_names() -> None:
    assert FunctionDetector(lambda image: ([], [])).info.name == "lambda"
    assert FunctionDetector(test_names).info.name == "test_names"  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown channel order 'GBR'"):
        FunctionDetector(lambda image: ([], []), channel_order="GBR")  # type: ignore[arg-type]
