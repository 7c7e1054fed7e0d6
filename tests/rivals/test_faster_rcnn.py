"""Faster R-CNN: counts, anchors, proposals, RoI pooling, parity with OpenCV's Caffe, and the detector as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.detectors.overrides import changed_settings
from sshbench.errors import DetectorError, InputError, MissingDataError
from sshbench.rivals.faster_rcnn import FasterRcnnVgg16
from sshbench.rivals.proposals import anchors, base_anchors, proposals
from sshbench.rivals.two_stage_layers import FasterRcnn
from sshbench.rivals.two_stage_weights import random_two_stage, read_two_stage
from sshbench.runtimes.plan import plan
from sshbench.timing.clock import HostClock
from sshbench.timing.harness import measure
from sshbench.timing.images import TimedImage

torch = pytest.importorskip("torch")
NARROW = FasterRcnn(narrow=32)


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).parents[1] / "ssh" / "caffe_writer.py")


@pytest.fixture(scope="module")
def caffe(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("faster_rcnn_caffe.py"))


def spread(seed: int = 4) -> dict[str, Any]:
    """Random parameters whose predictors and biases are large enough to matter."""
    rng = np.random.default_rng(seed)
    made = dict(random_two_stage(NARROW, seed))
    large = {name: array * 3 for name, array in made.items() if name.startswith(("cls_score", "bbox", "rpn_cls"))}
    return {
        **made,
        **large,
        **{n: rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in made.items() if a.ndim == 1},
    }


def caffemodel(writer: ModuleType, parameters: dict[str, Any]) -> bytes:
    layers: dict[str, list[Any]] = {}
    for name, array in parameters.items():
        layers.setdefault(name.rpartition(".")[0], []).append(array)
    return b"".join(writer.layer_message(name, blobs) for name, blobs in layers.items())


def test_parameters_to_the_digit() -> None:
    from sshbench.rivals.two_stage_network import FasterRcnnNetwork

    whole = FasterRcnn()
    with torch.device("meta"):
        shapes = {name: tuple(found.shape) for name, found in FasterRcnnNetwork(whole).named_parameters()}
    assert shapes == whole.shapes()
    head = sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(("fc", "cls_score", "bbox_pred")))
    assert (whole.parameters(), head, whole.parameters() - head) == (136_689_024, 119_586_826, 17_102_198)


@pytest.mark.parametrize(
    ("height", "width", "first", "whole"),
    [
        (400, 800, 201.7, 273.4),
        (640, 640, 258.2, 329.9),
        (600, 1000, 379.2, 450.9),
        (800, 1200, 605.1, 676.8),
        (1200, 1600, 1210.3, 1282.0),
    ],
)
def test_work_adds_up(height: int, width: int, first: float, whole: float) -> None:
    shape = FasterRcnn()
    assert shape.first_gflop(height, width) == pytest.approx(first, rel=1e-3)
    assert shape.head_gflop(300) == pytest.approx(71.7, rel=1e-3)
    assert shape.first_gflop(height, width) + shape.head_gflop(300) == pytest.approx(whole, rel=1e-3)


def test_sizes_of_every_height_round_up() -> None:
    for height in range(33, 601):
        assert NARROW.maps(height, 33)["conv5_3"] == (-(-height // 16), 3)


def test_anchors_are_the_published_ones() -> None:
    expected = [
        (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199),
        (-56, -56, 71, 71), (-120, -120, 135, 135), (-248, -248, 263, 263),
        (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359),
    ]  # fmt: skip
    np.testing.assert_array_equal(base_anchors(), expected)
    found = anchors(2, 3).reshape(2, 3, 9, 4)
    for row in range(2):
        for column in range(3):
            shift = (16 * column, 16 * row, 16 * column, 16 * row)
            np.testing.assert_array_equal(found[row, column], np.array(expected) + shift)


def iou(a: Any, b: Any) -> float:
    """With sides + 1."""
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1 for i in (0, 1))
    area, other = ((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return float(max(width, 0) * max(height, 0) / (area + other - max(width, 0) * max(height, 0)))


def moved(box: Any, delta: Any, size: tuple[int, int]) -> list[float]:
    """One box moved by its delta and clipped, in double precision."""
    made: list[float] = []
    for axis in (0, 1):
        side = box[axis + 2] - box[axis] + 1
        centre = box[axis] + 0.5 * side + delta[axis] * side
        half = 0.5 * math.exp(delta[axis + 2]) * side
        made += [min(max(value, 0), size[1 - axis] - 1) for value in (centre - half, centre + half)]
    return [made[0], made[2], made[1], made[3]]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.5, 20.0]))
def test_proposals_are_those_of_a_loop(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 5, 2))
    size = (16 * height - int(rng.integers(0, 16)), 16 * width - int(rng.integers(0, 16)))
    scores = rng.permutation(18 * height * width).reshape(18, height, width).astype(np.float32)
    deltas = rng.normal(0, 0.4, (36, height, width)).astype(np.float32)
    rows: list[tuple[float, int, list[float]]] = []
    for row in range(height):
        for column in range(width):
            for anchor in range(9):
                box = base_anchors()[anchor].astype(float) + np.array([column, row, column, row]) * 16
                made = moved(box, deltas[4 * anchor : 4 * anchor + 4, row, column].astype(float), size)
                if made[2] - made[0] + 1 >= 3 * scale and made[3] - made[1] + 1 >= 3 * scale:
                    margin = scores[9 + anchor, row, column] - scores[anchor, row, column]
                    rows.append((-margin, len(rows), made))
    kept: list[list[float]] = []
    for *_, box in sorted(rows, key=lambda one: (one[0], one[1])):
        if all(iou(box, other) <= 0.7 for other in kept):
            kept.append(box)
    found = proposals(scores, deltas, size, scale)
    close = [abs(iou(a, b) - 0.7) for _, _, a in rows for b in kept]
    if min(close, default=1.0) < 1e-5:
        return  # an overlap within rounding of the threshold
    np.testing.assert_allclose(found, np.array(kept[:300]).reshape(-1, 4), rtol=1e-5, atol=1e-3)


def test_at_most_300_of_the_best_6000() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (18, 40, 60)).astype(np.float32)
    deltas = rng.normal(0, 0.3, (36, 40, 60)).astype(np.float32)
    found = proposals(scores, deltas, (640, 960), 1.0)
    assert found.shape == (300, 4)
    lost = scores.copy()
    margin = (scores[9:] - scores[:9]).ravel()
    limit = np.sort(margin)[-6000]
    lost[9:][(scores[9:] - scores[:9]) < limit] -= 100  # what is not among the best 6000 does not matter
    np.testing.assert_array_equal(proposals(lost, deltas, (640, 960), 1.0), found)


def test_nms_on_a_device_is_that_of_the_host() -> None:
    from sshbench.rivals import proposals as host
    from sshbench.rivals.two_stage_network import network_of
    from sshbench.rivals.two_stage_parts import Parts

    parts = Parts(network_of(NARROW, random_two_stage(NARROW, 0)), plan("torch", "fp32"))
    corner = np.random.default_rng(6).uniform(0, 90, (700, 2))
    boxes = np.column_stack((corner, corner + np.random.default_rng(7).uniform(5, 60, (700, 2))))
    for most in (700, 40):
        np.testing.assert_array_equal(parts._on_device(boxes, 0.7, most), host.on_host(boxes, 0.7, most))


def scalar_pool(features: Any, roi: Any, stride: int) -> Any:
    """Caffe's layer, bin by bin."""
    channels, height, width = features.shape
    x1, y1, x2, y2 = (math.floor(float(value) / stride + 0.5) for value in roi)
    step = [np.float32(max(last - first + 1, 1)) / np.float32(7) for first, last in ((y1, y2), (x1, x2))]
    made = np.zeros((channels, 7, 7), dtype=np.float32)
    for i in range(7):
        for j in range(7):
            top, left = (math.floor(np.float32(n) * s) for n, s in zip((i, j), step, strict=True))
            bottom, right = (math.ceil(np.float32(n + 1) * s) for n, s in zip((i, j), step, strict=True))
            rows, columns = (
                (min(y1 + top, height), min(y1 + bottom, height)),
                (min(x1 + left, width), min(x1 + right, width)),
            )
            part = features[:, rows[0] : rows[1], columns[0] : columns[1]]
            if part.size:
                made[:, i, j] = part.max(axis=(1, 2))
    return made


corners = st.tuples(*[st.floats(0, 400, width=32)] * 4)


@given(st.integers(1, 26), st.integers(1, 26), st.lists(corners, max_size=6), st.sampled_from([4, 8, 16]))
def test_roi_pooling_is_that_of_a_loop(height: int, width: int, drawn: list[Any], stride: int) -> None:
    from sshbench.rivals.roi_pooling import pooled

    features = np.random.default_rng(height).normal(-1, 1, (3, height, width)).astype(np.float32)
    limits = np.array([width, height]) * stride - 1
    rois = np.array(
        [
            (*np.minimum((min(a, c), min(b, d)), limits), *np.minimum((max(a, c), max(b, d)), limits))
            for a, b, c, d in drawn
        ],
        dtype=np.float32,
    ).reshape(-1, 4)
    found = pooled(torch.from_numpy(features)[None], rois, stride).numpy()
    assert found.shape == (len(rois), 3, 7, 7)
    for roi, ours in zip(rois, found, strict=True):
        np.testing.assert_array_equal(ours, scalar_pool(features, roi, stride))


def test_lengths_at_which_single_precision_reaches_one_cell_further() -> None:
    from sshbench.rivals.roi_pooling import bins, pooled

    def reach(length: int) -> int:
        found = bins(np.array([[0, length - 1]]), 1000)
        return int(found.last[0, -1] + (1 << found.power[0, -1]))

    assert [n for n in range(1, 400) if reach(n) != n] == [57, 114, 121, 228, 235, 242, 249]
    features = np.random.default_rng(1).normal(0, 1, (2, 70, 130)).astype(np.float32)
    for across, down in ((57, 57), (114, 57), (121, 33)):
        roi = np.array([16, 32, 16 * across, 16 * down + 16], dtype=np.float32)
        found = pooled(torch.from_numpy(features)[None], roi[None], 16)[0].numpy()
        np.testing.assert_array_equal(found, scalar_pool(features, roi, 16))


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (150, 83)])
def test_the_network_is_the_releases(
    writer: ModuleType, caffe: ModuleType, tmp_path: Path, size: tuple[int, int]
) -> None:
    """OpenCV reads the release's form of definition and weights; proposals are given to both."""
    from sshbench.rivals.two_stage_network import network_of
    from sshbench.rivals.two_stage_parts import Parts, State

    rng = np.random.default_rng(sum(size))
    path = tmp_path / "frcn.caffemodel"
    path.write_bytes(caffemodel(writer, spread()))
    corner = np.sort(rng.uniform(0, 1, (9, 2, 2)), axis=1) * [size[1] - 1, size[0] - 1]
    rois = corner.reshape(9, 4).astype(np.float32)
    (tmp_path / "frcn.prototxt").write_text(caffe.prototxt(*size, 32, len(rois)))
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / "frcn.prototxt"), str(path))
    batch = rng.normal(0, 50, (1, 3, *size)).astype(np.float32)
    net.setInput(batch, "data")
    net.setInput(np.column_stack((np.zeros(len(rois), dtype=np.float32), rois)), "rois")
    expected = net.forward(caffe.OUTPUTS)
    parts = Parts(network_of(NARROW, read_two_stage(path, NARROW).items()), plan("torch", "fp32"))
    state = parts.rpn(parts.trunk(batch))
    assert state.first is not None
    found = [*(array[None] for array in state.first)]
    state = parts.pool(State(maps=state.maps, rois=rois), size)
    found += [state.pooled[0].numpy()]
    head = parts.head(state).head
    assert head is not None
    for ours, theirs in zip([*found, *head], expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_a_caffemodel_and_back(writer: ModuleType, tmp_path: Path) -> None:
    parameters = spread()
    path = tmp_path / "frcn.caffemodel"
    path.write_bytes(caffemodel(writer, parameters))
    for name, array in read_two_stage(path, NARROW).items():
        np.testing.assert_array_equal(array, parameters[name])
    old = {name: array.reshape((1,) * (4 - array.ndim) + array.shape) for name, array in parameters.items()}
    path.write_bytes(caffemodel(writer, old))
    for name, array in read_two_stage(path, NARROW).items():
        np.testing.assert_array_equal(array, parameters[name])
    path.write_bytes(caffemodel(writer, {n: a for n, a in parameters.items() if not n.startswith("fc7")}))
    with pytest.raises(InputError, match=r"fc7\.weight.*is missing"):
        read_two_stage(path, NARROW)
    with pytest.raises(InputError, match=r"not a \.caffemodel"):
        read_two_stage(tmp_path / "w.pth", NARROW)


class Narrow(FasterRcnnVgg16):
    narrow = 32


def loaded(weights: Path = Path("random"), **changes: Any) -> Narrow:
    detector = Narrow(settings=changed_settings(Narrow.info, changes), weights=weights)
    detector.load()
    return detector


@pytest.fixture(scope="module")
def image() -> Any:
    return np.random.default_rng(2).integers(0, 256, (150, 203, 3), dtype=np.uint8)


def test_detections_are_what_the_protocol_says(writer: ModuleType, tmp_path: Path, image: Any) -> None:
    """The face's deltas, in original pixels, clipped to the image; score over the threshold; NMS with sides + 1."""
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(caffemodel(writer, spread()))
    detector = loaded(path, resize="300x500", score_threshold=0.4)
    assert detector.trained_on is None
    prepared = detector.preprocess(image)
    expected = cv2.resize(image - np.array([102.9801, 115.9465, 122.7717], np.float32), None, fx=2.0, fy=2.0)
    np.testing.assert_allclose(prepared.data[0][0], expected.transpose(2, 0, 1), atol=1e-3)
    state: Any = detector.forward(prepared)
    found = detector.postprocess(state, prepared)
    rows = []
    for roi, scores, deltas in zip(state.rois, *state.head, strict=True):
        score = math.exp(scores[1]) / (math.exp(scores[0]) + math.exp(scores[1]))
        rows.append((score, moved(roi.astype(float) / 2, deltas[4:].astype(float), (150, 203))))
    kept: list[Any] = []
    for score, box in sorted(rows, key=lambda one: -one[0]):
        if score > 0.4 and all(iou(box, other) <= 0.3 for _, other in kept):
            kept.append((score, box))
    assert len(kept) == len(found) > 3
    np.testing.assert_allclose(found.scores, [score for score, _ in kept], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [box for _, box in kept], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (16, 17)])
def test_the_smallest_images(writer: ModuleType, tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(caffemodel(writer, spread()))
    found = sshbench.detect(loaded(path, resize="original"), np.full((*size, 3), 90, dtype=np.uint8))
    assert len(found) == 0 or min(size) >= 3


def test_random_weights_time_300_proposals(image: Any) -> None:
    detector = loaded(resize="400x800", candidates=40)
    prepared = detector.preprocess(image)
    state: Any = detector.forward(prepared)
    assert len(state.rois) == 300
    assert len(detector.decode_boxes(state, prepared)[0]) == 40
    assert detector.settings.extra["parameters"] == "random, seed 0, 40 candidates"
    tiny = np.finfo(np.float32).tiny
    for array in (*dict(random_two_stage(NARROW, 0)).values(), *state.head, *state.first):
        assert np.isfinite(array).all()
        assert not ((np.abs(array) < tiny) & (array != 0)).any(), "denormals slow processors down"
    with pytest.raises(DetectorError, match="proposals here, and the head is timed with 300"):
        sshbench.detect(loaded(resize="32x64"), image)


def test_its_parts_are_timed_one_by_one(tmp_path: Path, image: Any) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), image)
    detector = loaded(resize="400x800")
    measured = measure(detector, [TimedImage(tmp_path / "a.png", "a", 0)], min_time=0, min_count=2, clock=HostClock())
    network = ["forward: trunk", "forward: rpn", "forward: proposals", "forward: roi pooling", "forward: head"]
    assert list(measured.stages) == ["read", "preprocess", *network, "decode", "nms"]
    assert measured.within("forward") == network
    assert measured.total("forward") == [
        sum(row) for row in zip(*(measured.stages[name] for name in network), strict=True)
    ]
    assert measured.within("paper") == ["preprocess", *network, "decode"]
    cost = detector.cost(detector.preprocess(image))
    assert cost.gflop == pytest.approx(NARROW.first_gflop(400, 541) + NARROW.head_gflop(300))


def test_weights_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"does not download it.*face-py-faster-rcnn"):
        sshbench.load_detector("faster-rcnn-vgg16")
