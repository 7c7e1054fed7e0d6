"""Every adapter with weights of its own: boxes of a run that was looked at, and odd images."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sshbench.boxes import pairwise_iou
from sshbench.detectors.contract import Detector, detect
from sshbench.detectors.registry import load_detector
from sshbench.errors import MissingDataError, UsageError
from sshbench.files import sample_dir
from sshbench.images import read_image
from sshbench.records import Image

EXPECTED = json.loads(Path(__file__).with_name("expected_boxes.json").read_text())
"""By detector and image, boxes [x1, y1, x2, y2] with the scores below and more, of a run whose pictures were looked at;
false boxes among them: one of retinaface-mnet025, two each of faceboxes and s3fd-mobilenetv2."""
SURE = {"haar": 4.0, "dlib-hog": 0.0}  # the others' scores are probabilities: 0.5
FIXED = ("ssd-res10", "ultraface-rfb-320", "ultraface-rfb-640", "yoloface-500k")


@pytest.fixture
def detector(request: pytest.FixtureRequest, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Detector:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    return loaded(request.param)


@cache
def loaded(name: str) -> Detector:
    try:
        return load_detector(name)
    except MissingDataError as error:
        pytest.skip(f"no package index to take the weights from: {error.message}")


def image(key: str) -> Image:
    return read_image(sample_dir() / "WIDER_val" / "images" / f"{key}.jpg")


@pytest.mark.parametrize("detector", EXPECTED, indirect=True)
def test_boxes_of_a_reviewed_run(detector: Detector) -> None:
    for key, boxes in EXPECTED[detector.info.name].items():
        found = detect(detector, image(key))
        sure = found.boxes[found.scores >= SURE.get(detector.info.name, 0.5)]
        assert len(sure) == len(boxes)
        assert pairwise_iou(boxes, sure).max(axis=1).min() > 0.8


@pytest.mark.parametrize("detector", EXPECTED, indirect=True)
def test_grey_four_channels_tiny_and_large(detector: Detector) -> None:
    portrait = image("0--Portrait/0_Portrait_sample_0_1")
    grey = portrait[:, :, 1]
    three = detect(detector, np.repeat(grey[:, :, None], 3, axis=2))
    assert detect(detector, grey).boxes.tolist() == three.boxes.tolist()
    four = np.dstack((portrait, grey))
    assert detect(detector, four).boxes.tolist() == detect(detector, portrait).boxes.tolist()
    for shape in ((1, 1), (10, 10), (3, 700)):
        found = detect(detector, np.full((*shape, 3), 128, dtype=np.uint8))
        assert np.isfinite(found.boxes).all()
    large = detect(detector, np.tile(portrait, (2, 2, 1)))
    assert np.isfinite(large.boxes).all()
    batch = np.stack((portrait, portrait))
    for wrong in (np.empty((0, 5, 3), dtype=np.uint8), batch, portrait.astype(np.float32)):
        with pytest.raises(UsageError, match="image"):
            detect(detector, wrong)


@pytest.mark.parametrize("detector", EXPECTED, indirect=True)
def test_nothing_is_left_of_the_image_before(detector: Detector) -> None:
    portrait, group = image("0--Portrait/0_Portrait_sample_0_1"), image("1--Group/1_Group_sample_1_5")
    alone = detect(detector, portrait)
    detect(detector, group)
    again = detect(detector, portrait)
    assert again.boxes.tolist() == alone.boxes.tolist()
    assert again.scores.tolist() == alone.scores.tolist()


@pytest.mark.parametrize("detector", FIXED, indirect=True)
def test_networks_of_one_size_refuse_another(detector: Detector) -> None:
    with pytest.raises(UsageError, match=r"is fixed at \d+ x \d+ pixels"):
        load_detector(detector.info.name, resize="400x800")
    # `sshbench timing` changes the size of a loaded detector.
    changed = load_detector(detector.info.name)
    changed.settings = replace(changed.settings, resize="400x800")
    with pytest.raises(UsageError, match=r"resize cannot be 400x800"):
        detect(changed, image("0--Portrait/0_Portrait_sample_0_1"))


def test_the_two_scores_of_yunet(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release multiplies the two probabilities; OpenCV takes the root, so that other boxes pass the threshold."""
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    group = image("1--Group/1_Group_sample_1_5")
    product = detect(load_detector("yunet"), group)
    root = detect(load_detector("yunet", score="sqrt", score_threshold=0.02**0.5), group)
    assert len(product) == len(root) > 0
    np.testing.assert_allclose(product.scores, root.scores**2, rtol=1e-6)
    np.testing.assert_allclose(product.boxes, root.boxes)
    with pytest.raises(UsageError, match="no score 'mean'"):
        load_detector("yunet", score="mean")
