"""What all detectors share: images in every form, settings, resizing; haar and yunet as examples."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.boxes import pairwise_iou
from sshbench.detectors.adapter import resize_image, select
from sshbench.detectors.contract import Detector, Settings, detect, detect_timed
from sshbench.detectors.onnx_session import free_spatial_dims
from sshbench.detectors.registry import load_detector
from sshbench.errors import InputError, UsageError
from sshbench.evaluation.loading import load_dataset
from sshbench.images import check_image, read_image


@pytest.fixture(scope="module")
def haar() -> Detector:
    return load_detector("haar")


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    return shared / "weights" / "face_detection_yunet_2023mar.onnx"


@pytest.fixture(scope="module")
def yunet(weights: Path) -> Detector:
    return load_detector("yunet", weights=weights)


@pytest.mark.parametrize(
    ("shape", "channels"), [((5, 7), 3), ((5, 7, 1), 3), ((5, 7, 3), 3), ((5, 7, 4), 3), ((1, 1), 3)]
)
def test_images_become_three_channels(shape: tuple[int, ...], channels: int) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    checked = check_image(image)
    assert checked.shape == (*shape[:2], channels)
    np.testing.assert_array_equal(checked[..., 0], image if image.ndim == 2 else image[..., 0])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 7, 3)),
        np.zeros((0, 7, 3), np.uint8),
        np.zeros((5, 7, 2), np.uint8),
        np.zeros(5, np.uint8),
        None,
        "x",
    ],
)
def test_what_is_no_image_is_refused(image: Any) -> None:
    with pytest.raises(UsageError):
        check_image(image)


@pytest.mark.parametrize("name", ["haar", pytest.param("yunet", marks=pytest.mark.shared)])
@pytest.mark.parametrize("shape", [(1, 1), (10, 10), (3, 900), (64, 64, 4), (33, 47, 1), (2000, 1500, 3)])
def test_odd_images_give_a_result(name: str, shape: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    detections = detect(request.getfixturevalue(name), np.full(shape, 120, dtype=np.uint8))
    assert np.isfinite(detections.boxes).all()


def test_stages_are_timed(haar: Detector) -> None:
    _, seconds = detect_timed(haar, np.zeros((50, 60, 3), np.uint8))
    assert list(seconds) == ["preprocess", "forward", "postprocess"]
    assert all(value > 0 for value in seconds.values())


@pytest.mark.parametrize(("name", "easy"), [("haar", 0.6), pytest.param("yunet", 0.95, marks=pytest.mark.shared)])
def test_detectors_find_the_faces_of_the_sample(name: str, easy: float, request: pytest.FixtureRequest) -> None:
    detector = request.getfixturevalue(name)
    sample = load_dataset("sample")
    found = []
    for i, faces in list(enumerate(sample.faces))[::8]:
        path = sample.image(i).path
        assert path is not None
        boxes = detect(detector, read_image(path)).boxes
        overlaps = pairwise_iou(faces.boxes, boxes) if len(boxes) else np.zeros((len(faces), 1))
        hits = overlaps.max(axis=1) >= 0.5
        found += np.asarray(hits)[~faces.ignore["easy"]].tolist()
    assert np.mean(found) >= easy


@pytest.mark.parametrize("size", [None, (333, 250), (640, 640), (97, 401)])
def test_yunet_is_what_opencv_makes_of_it(shared: Path, weights: Path, size: tuple[int, int] | None) -> None:
    """OpenCV's own FaceDetectorYN, an independent decoder, on real images; without NMS, where the two differ."""
    ours = load_detector("yunet", weights=weights, score="sqrt", score_threshold=0.3, nms_iou=1.0)
    for path in sorted((shared / "data" / "wider" / "WIDER_val" / "images").rglob("*.jpg"))[::8]:
        image = read_image(path)
        image = image if size is None else np.asarray(cv2.resize(image, size), dtype=np.uint8)
        theirs = cv2.FaceDetectorYN.create(str(weights), "", (image.shape[1], image.shape[0]), 0.3, 1.0, 100_000)
        _, rows = theirs.detect(image)
        expected = np.empty((0, 15)) if rows is None else rows.astype(np.float64)
        detections = detect(ours, image)
        # OpenCV's NMS merges boxes that are equal after rounding to whole pixels: each of its boxes must be ours.
        for x, y, w, h, score in expected[:, [0, 1, 2, 3, 14]]:
            off = np.abs(detections.boxes - [x, y, x + w, y + h]).max(axis=1)
            best = int(off.argmin())
            assert off[best] < 0.01
            assert detections.scores[best] == pytest.approx(score, abs=1e-4)
        assert len(detections) >= len(expected)


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"not onnx at all"])
def test_yunet_names_damaged_weights(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.onnx"):
        load_detector("yunet", weights=path)


@given(content=st.binary(max_size=200))
def test_fuzz_onnx_rewriting(content: bytes) -> None:
    with suppress(ValueError):
        free_spatial_dims(content)


def test_haar_names_a_file_that_is_no_cascade(tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text("<xml/>")
    with pytest.raises(InputError, match=r"c\.xml"):
        load_detector("haar", weights=tmp_path / "c.xml")


@pytest.mark.parametrize(
    ("policy", "shape", "scale"),
    [
        ("original", (300, 400), 1.0),
        ("600x1000", (300, 400), 2.0),
        ("600x1000", (400, 300), 2.0),
        ("600x1000", (300, 900), 1000 / 900),
        ("300x400", (300, 400), 1.0),
        ("150x400", (300, 400), 0.5),
        ("short=600,long=1000", (300, 900), 1000 / 900),
        ("fit=640x480", (300, 400), 1.6),
        ("fit=640x480", (400, 300), 1.2),
        ("fit=640x480", (480, 640), 1.0),
    ],
)
def test_resizing(policy: str, shape: tuple[int, int], scale: float) -> None:
    resized, by = resize_image(np.zeros((*shape, 3), np.uint8), Settings(resize=policy))
    assert by == scale
    assert resized.shape[:2] == tuple(round(side * scale) for side in shape)


@pytest.mark.parametrize("policy", ["big", "800", "0x100", "1200x800", "-1x5", "800x", "800X1200", "", "1e3x2000"])
def test_wrong_sizes(policy: str) -> None:
    with pytest.raises(UsageError, match="invalid input size"):
        Settings(resize=policy)


@pytest.mark.parametrize(
    "wrong", [{"nms_iou": 1.5}, {"nms_iou": -0.1}, {"score_threshold": float("nan")}, {"top_k": 0}]
)
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_selection() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10], [80, 0, 90, 10]], dtype=float)
    scores = np.array([0.5, 0.9, 0.6, 0.1])
    kept = select(boxes, scores, Settings(score_threshold=0.2, nms_iou=0.5))
    assert kept.scores.tolist() == [0.9, 0.6]
    assert select(boxes, scores, Settings(top_k=1)).scores.tolist() == [0.9]
    assert select(boxes, scores, Settings()).scores.tolist() == [0.9, 0.6, 0.5, 0.1]


def test_reading_images(tmp_path: Path) -> None:
    for name, content in (("empty.jpg", b""), ("text.jpg", b"no image")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path)
    grey = np.full((4, 6), 77, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert read_image(tmp_path / "grey.png").shape == (4, 6, 3)
