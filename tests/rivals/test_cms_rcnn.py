"""CMS-RCNN's shape: counts, joined maps, the body's boxes; it is timed and never evaluated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sshbench
from sshbench.detectors.overrides import changed_settings
from sshbench.detectors.parts import run_parts
from sshbench.errors import UsageError
from sshbench.rivals.cms_rcnn import CmsRcnn
from sshbench.rivals.two_stage_layers import CmsRcnnShape

torch = pytest.importorskip("torch")


class Narrow(CmsRcnn):
    narrow = 32


def test_parameters_to_the_digit() -> None:
    from sshbench.rivals.two_stage_network import CmsRcnnNetwork

    whole = CmsRcnnShape()
    with torch.device("meta"):
        shapes = {name: tuple(found.shape) for name, found in CmsRcnnNetwork(whole).named_parameters()}
    assert shapes == whole.shapes()
    parts = ("face", "body", "cls_score", "bbox_pred")
    heads = sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(parts))
    assert (whole.parameters(), heads, whole.parameters() - heads) == (258_247_296, 240_487_946, 17_759_350)


@pytest.mark.parametrize(
    ("height", "width", "gflop"),
    [(400, 800, 203.4), (640, 640, 260.3), (600, 1000, 382.3), (800, 1200, 610.1), (1200, 1600, 1220.1)],
)
def test_work_adds_up(height: int, width: int, gflop: float) -> None:
    assert CmsRcnnShape().first_gflop(height, width) == pytest.approx(gflop, rel=1e-3)
    assert CmsRcnnShape().head_gflop(300) == pytest.approx(182.0, rel=1e-3)


def test_pytorch_counts_the_same_work() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from sshbench.rivals.two_stage_network import CmsRcnnNetwork

    shape = CmsRcnnShape(32)
    with torch.device("meta"):
        network = CmsRcnnNetwork(shape)
        with FlopCounterMode(display=False) as first:
            network.rpn(network.fused(network.trunk(torch.empty(1, 3, 203, 133))))
        parts = [torch.empty(5, width // 32, 7, 7) for width in (512, 256, 512, 512, 256, 512)]
        with FlopCounterMode(display=False) as head:
            network.head(parts)
    assert first.get_total_flops() / 1e9 == pytest.approx(shape.first_gflop(203, 133), rel=1e-9)
    assert head.get_total_flops() / 1e9 == pytest.approx(shape.head_gflop(5), rel=1e-9)


def test_maps_have_one_size_at_every_height() -> None:
    from sshbench.rivals.two_stage_network import CmsRcnnNetwork

    with torch.device("meta"):
        network = CmsRcnnNetwork(CmsRcnnShape(64))
        for height in range(33, 97):
            assert network.fused(network.trunk(torch.empty(1, 3, height, 35))).shape[2:] == (-(-height // 16), 3)


def test_normalised_vectors_have_the_learnt_length() -> None:
    from sshbench.rivals.networks import Normalised

    norm = Normalised(6, 20.0)
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (1, 6, 4, 5)).astype(np.float32))
    x[0, :, 0, 0] = 0
    made = norm(x).detach().numpy()[0]
    for row in range(4):
        for column in range(5):
            vector = x[0, :, row, column].numpy()
            length = math.sqrt(sum(float(value) ** 2 for value in vector) + 1e-10)
            np.testing.assert_allclose(made[:, row, column], vector / length * 20, rtol=1e-5)


def test_the_bodys_box_starts_at_the_top_of_the_face() -> None:
    from sshbench.rivals.two_stage_network import body_boxes

    faces = np.array([[100, 50, 120, 80], [0, 0, 300, 200]], dtype=np.float32)
    assert body_boxes(faces, (400, 500)).tolist() == [[80, 50, 140, 170], [0, 0, 499, 399]]


def test_it_runs_in_parts_with_300_proposals() -> None:
    detector = Narrow(settings=changed_settings(CmsRcnn.info, {"resize": "400x800"}))
    detector.load()
    image = np.random.default_rng(3).integers(0, 256, (150, 203, 3), dtype=np.uint8)
    prepared = detector.preprocess(image)
    state: Any = run_parts(detector.forward_parts(prepared))
    assert state.rois.shape == (300, 4)
    assert len(detector.decode_boxes(state, prepared)[0]) == 100
    assert (detector.trained_on, detector.weights_sha256) == ((), None)


def test_it_is_never_evaluated() -> None:
    why = (
        "cannot be evaluated: its authors published neither code nor weights.*sshbench timing --detector cms-rcnn-shape"
    )
    with pytest.raises(UsageError, match=why):
        sshbench.run("cms-rcnn-shape", "sample")
    with pytest.raises(UsageError, match=r"takes no weights file \(mine\.caffemodel\)"):
        Narrow(weights=Path("mine.caffemodel")).load()


def test_the_command_says_why(sshbench: Any) -> None:
    code, out, err = sshbench("eval", "--dataset", "sample", "--detector", "cms-rcnn-shape")
    assert (code, out) == (2, "")
    assert "published neither code nor weights" in err
