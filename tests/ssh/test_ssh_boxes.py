"""Anchors, decoding, filters, best thousand, pyramid pooling and NMS against the specification one number at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sshbench.ssh import decode
from sshbench.ssh.anchors import anchors, base_anchors
from sshbench.ssh.decode import LevelOutputs, detections_of
from sshbench.ssh.preprocess import MEAN, network_input, pair_scale, pyramid_scales

# Few different values: equal scores and equal boxes are where implementations differ.
some = st.sampled_from([-4.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.0]).map(np.float32)


@pytest.fixture(scope="module")
def reference(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("reference_boxes.py"))


@st.composite
def level(draw: st.DrawFn, *, left_out: bool = False) -> tuple[list[Any], tuple[int, int], float]:
    modules: list[Any] = []
    size = (draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    for module in range(3):
        shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        cls = draw(hnp.arrays(np.float32, (4, *shape), elements=some))
        bbox = draw(hnp.arrays(np.float32, (8, *shape), elements=some)) / np.float32(4)
        modules.append(None if left_out and module == 2 else (cls, bbox))
    return modules, size, draw(st.sampled_from([0.5, 1.0, 1.7, 3.2]))


def test_anchors(reference: ModuleType) -> None:
    assert [(base_anchors(m)[:, 2] - base_anchors(m)[:, 0] + 1).tolist() for m in range(3)] == [
        [16, 32],
        [64, 128],
        [256, 512],
    ]
    for module in range(3):
        found = anchors(module, 3, 5).reshape(3, 5, 2, 4)
        for row in range(3):
            for column in range(5):
                for which in (0, 1):
                    assert found[row, column, which].tolist() == reference.anchor(module, row, column, which)


@given(st.lists(level(), min_size=1, max_size=2), st.sampled_from([0.05, 0.4]), st.sampled_from([0.3, 0.7]))
def test_levels_to_detections(reference: ModuleType, levels: list[Any], threshold: float, nms_iou: float) -> None:
    found = detections_of([LevelOutputs(*each) for each in levels], threshold, nms_iou, None)
    expected = reference.detections(levels, threshold, nms_iou)
    assert found.boxes.tolist() == [box for box, _ in expected]
    assert found.scores.tolist() == [score for _, score in expected]


@given(level(left_out=True))
def test_a_module_left_out(reference: ModuleType, one: Any) -> None:
    found = detections_of([LevelOutputs(*one)], 0.05, 0.3, None)
    assert found.boxes.tolist() == [box for box, _ in reference.detections([one], 0.05, 0.3)]


@given(st.lists(level(), min_size=1, max_size=2), st.sampled_from([0.05, 0.4]))
def test_the_accelerators_way_gives_the_same(levels: list[Any], threshold: float) -> None:
    """The CPU stands in for the accelerator here; what ran on a GPU is said in the documentation."""
    torch = pytest.importorskip("torch")
    from sshbench.ssh import device

    host = detections_of([LevelOutputs(*each) for each in levels], threshold, 0.3, None)
    there = [
        device.DeviceLevel([(torch.from_numpy(c), torch.from_numpy(b)) for c, b in modules], size, scale)
        for modules, size, scale in levels
    ]
    found = device.detections_of(there, threshold, 0.3, None)
    assert len(found) == len(host)
    np.testing.assert_allclose(found.scores, host.scores, rtol=1e-6)
    np.testing.assert_allclose(found.boxes, host.boxes, rtol=1e-5, atol=1e-4)


boxes = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40
)


@given(boxes, st.sampled_from([0.1, 0.3, 0.5]), st.integers(1, 8))
def test_nms_by_fixpoint_is_greedy_nms(rows: list[tuple[int, ...]], nms_iou: float, rounds: int) -> None:
    torch = pytest.importorskip("torch")
    from sshbench.boxes import nms
    from sshbench.ssh.device import greedy_keep

    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=np.float64)
    order = np.arange(len(rows), 0, -1, dtype=np.float64)  # already by falling score
    valid = torch.tensor([i % 7 != 6 for i in range(len(rows))])
    expected = np.flatnonzero(valid.numpy())[nms(corners[valid.numpy()], order[valid.numpy()], nms_iou, inclusive=True)]
    keep, settled = greedy_keep(torch.from_numpy(corners), valid, nms_iou, len(rows) + 1)
    assert bool(settled)
    assert np.flatnonzero(keep.numpy()).tolist() == sorted(expected.tolist())
    early, said = greedy_keep(torch.from_numpy(corners), valid, nms_iou, rounds)
    if bool(said):  # it never says that it is done when it is not
        assert torch.equal(early, keep)


def test_a_chain_longer_than_the_rounds_is_left_to_the_host() -> None:
    torch = pytest.importorskip("torch")
    from sshbench.ssh import device

    # A row of cells, each box overlapping the next: keeping one frees the one after the next.
    width = 120
    cls = np.full((4, 1, width), -9.0, dtype=np.float32)
    cls[2, 0, :] = np.linspace(5, 1, width, dtype=np.float32)
    bbox = np.zeros((8, 1, width), dtype=np.float32)
    nothing = (np.full((4, 1, 1), 0.0, dtype=np.float32), np.zeros((8, 1, 1), dtype=np.float32))
    nothing[0][:2] = 20
    modules = [(cls, bbox), nothing, nothing]
    host = detections_of([LevelOutputs(modules, (200, 1000), 1.0)], 0.05, 0.3, None)
    tensors = [(torch.from_numpy(c), torch.from_numpy(b)) for c, b in modules]
    found = device.detections_of([device.DeviceLevel(tensors, (200, 1000), 1.0)], 0.05, 0.3, None)
    assert found.boxes.tolist() == host.boxes.tolist()
    assert 50 <= len(host) <= 70


def test_only_a_thousand_of_a_module() -> None:
    rng = np.random.default_rng(0)
    cls = rng.normal(0, 1, (4, 40, 40)).astype(np.float32)
    bbox = np.zeros((8, 40, 40), dtype=np.float32)
    _, scores = decode.module_boxes(0, cls, bbox, (320, 320), 0.0)
    assert len(scores) == 1000
    assert scores.min() >= np.sort(decode.face_scores(cls))[-1000]


def test_trap_decoding_has_no_minus_one() -> None:
    """A box that is not moved is one pixel wider than its anchor's corners say."""
    anchor = base_anchors(1)[:1] + np.float32(500)
    (box,) = decode.decode(anchor, np.zeros((1, 4), dtype=np.float32), (2000, 2000)).tolist()
    assert [box[2] - box[0], box[3] - box[1]] == [64, 64]
    assert (anchor[0, 2] - anchor[0, 0]) == 63


def test_scales() -> None:
    assert pair_scale(1024, 1024, (1200, 1600)) == 1200 / 1024
    assert pair_scale(100, 1000, (1200, 1600)) == 1.6
    assert pair_scale(5, 5, None) == 1.0
    assert pyramid_scales(800, 1200) == [0.625, 1.0, 1.5, 2.0]
    assert pyramid_scales(400, 1200) == [0.625, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("scale", [0.37, 0.999, 1.5, 2.0])
def test_the_order_of_mean_and_resizing_does_not_matter(scale: float) -> None:
    """The release subtracts first; the difference stays far below a thousandth of a grey level."""
    image = np.random.default_rng(3).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    first = cv2.resize(image - np.array(MEAN, dtype=np.float32), None, fx=scale, fy=scale)
    np.testing.assert_allclose(network_input(image, scale)[0], first.transpose(2, 0, 1), rtol=0, atol=1e-4)


def test_the_input_is_bgr_minus_the_mean() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    plain = network_input(image, 1.0)
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain[0, 0], image[:, :, 0] - np.float32(MEAN[0]))
    np.testing.assert_array_equal(plain[0, 2], image[:, :, 2] - np.float32(MEAN[2]))
    assert network_input(image, 1.5).shape == (1, 3, 6, 9)
    assert network_input(image, 0.125).shape == (1, 3, 1, 1)  # 0.5 rounds to even, but a side has at least a pixel
