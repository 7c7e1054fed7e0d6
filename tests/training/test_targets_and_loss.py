"""Targets, sampling and loss equal loops written from the specification; gradients equal finite differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sshbench.records import FloatArray
from sshbench.ssh.decode import decode
from sshbench.training.loss import by_anchor, smooth_l1, ssh_loss
from sshbench.training.targets import LEFT_OUT, NEGATIVE, POSITIVE, MatchRules, encode, module_targets, sample_anchors

NONE = np.empty((0, 4))


@pytest.fixture(scope="module")
def reference(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("reference_train.py"))


def boxes(count: int, size: int) -> st.SearchStrategy[FloatArray]:
    """Boxes in whole pixels, of any shape and of all sizes that a module may match."""
    side = st.integers(4, size)
    box = st.tuples(st.integers(-10, size), st.integers(-10, size), side, side)
    return st.lists(box, max_size=count).map(
        lambda rows: np.array([(x, y, x + w - 1, y + h - 1) for x, y, w, h in rows], dtype=np.float64).reshape(-1, 4)
    )


@given(
    module=st.integers(0, 2),
    height=st.integers(40, 200),
    width=st.integers(40, 200),
    faces=boxes(5, 150),
    ignored=boxes(2, 100),
)
def test_targets(
    reference: ModuleType, module: int, height: int, width: int, faces: FloatArray, ignored: FloatArray
) -> None:
    stride = (8, 16, 32)[module]
    feature = -(-height // stride), -(-width // stride)
    found = module_targets(module, feature, (height, width), faces, ignored)
    labels, deltas = reference.targets(module, feature, (height, width), faces.tolist(), ignored.tolist())
    assert found.labels.tolist() == labels
    np.testing.assert_allclose(found.deltas, deltas, rtol=1e-6, atol=1e-6)


def test_a_face_that_fits_an_anchor_is_positive_and_its_delta_zero() -> None:
    found = module_targets(0, (8, 8), (64, 64), np.array([[16.0, 16, 31, 31]]), NONE)
    at = (2 * 8 + 2) * 2
    assert found.labels[at] == POSITIVE
    assert found.deltas[at].tolist() == [0, 0, 0, 0]


def test_a_face_without_a_good_anchor_has_no_positive_one() -> None:
    found = module_targets(0, (8, 8), (64, 64), np.array([[20.0, 20, 25, 25]]), NONE)
    assert (found.labels != POSITIVE).all()


def test_crowds_are_matched_in_blocks() -> None:
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 180, (150, 2)).astype(float)
    faces = np.hstack((corner, corner + rng.integers(8, 30, (150, 2))))
    whole = module_targets(0, (25, 25), (200, 200), faces, NONE)
    parts = [module_targets(0, (25, 25), (200, 200), faces[i : i + 10], NONE).labels for i in range(0, 150, 10)]
    assert ((whole.labels == POSITIVE) == (np.array(parts) == POSITIVE).any(axis=0)).all()


def test_ignored_regions_have_positives_but_no_negatives() -> None:
    region = np.array([[0.0, 0, 63, 63]])
    face = np.array([[16.0, 16, 31, 31]])
    found = module_targets(0, (8, 8), (64, 64), face, region)
    assert (found.labels != NEGATIVE).all()
    assert (found.labels == POSITIVE).any()
    assert (module_targets(0, (8, 8), (64, 64), NONE, NONE).labels != LEFT_OUT).any()


def test_own_rules() -> None:
    face = np.array([[19.0, 19, 28, 28]])  # IoU 0.39 with the anchor around it
    assert (module_targets(0, (8, 8), (64, 64), face, NONE).labels == POSITIVE).sum() == 0
    rules = MatchRules(positive_iou=0.35)
    assert (module_targets(0, (8, 8), (64, 64), face, NONE, rules).labels == POSITIVE).sum() == 1


@given(data=st.data(), count=st.integers(0, 600))
def test_sampling(reference: ModuleType, data: st.DataObject, count: int) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([-1, 0, 1], dtype=np.int8), count, p=[0.2, 0.5, 0.3])
    scores = rng.integers(0, 20, count).astype(np.float32) / np.float32(20)  # ties
    assert sample_anchors(labels, scores).tolist() == reference.sample(labels.tolist(), scores.tolist())


def test_encoding_and_decoding_differ_by_the_release_s_one_pixel() -> None:
    anchor, face = np.array([[10.0, 20, 25, 35]]), np.array([[8.0, 22, 27, 30]])
    decoded = decode(anchor.astype(np.float32), encode(anchor, face), (100, 100))
    np.testing.assert_allclose(decoded, face + np.array([0, 0, 1, 1]), atol=1e-4)


def outputs(seed: int, images: int, height: int, width: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for stride in (8, 16, 32):
        shape = -(-height // stride), -(-width // stride)
        cls = torch.randn((images, 4, *shape), generator=generator, dtype=torch.float64) * 2
        bbox = torch.randn((images, 8, *shape), generator=generator, dtype=torch.float64) * 0.2
        made.append((cls.requires_grad_(), bbox.requires_grad_()))
    return made


@given(seed=st.integers(0, 10**6), faces=boxes(4, 120), ignored=boxes(1, 60))
def test_loss(reference: ModuleType, seed: int, faces: FloatArray, ignored: FloatArray) -> None:
    height, width = 128, 160
    made = outputs(seed, 1, height, width)
    loss = ssh_loss(made, [(height, width)], [faces], [ignored])
    total = 0.0
    for module, (cls, bbox) in enumerate(made):
        shape = tuple(cls.shape[2:])
        labels, deltas = reference.targets(module, shape, (height, width), faces.tolist(), ignored.tolist())
        # Channels: background of both anchors, then face of both.
        rows, moves = [], []
        for y in range(shape[0]):
            for x in range(shape[1]):
                for anchor in (0, 1):
                    # Mining compares scores in single precision.
                    rows.append([float(cls[0, anchor, y, x].detach()), float(cls[0, 2 + anchor, y, x].detach())])
                    moves.append([float(bbox[0, 4 * anchor + k, y, x].detach()) for k in range(4)])
        entropy, box = reference.module_loss(rows, moves, labels, deltas)
        assert loss.parts[f"m{module + 1}/cls"] == pytest.approx(entropy, rel=1e-5, abs=1e-7)
        assert loss.parts[f"m{module + 1}/box"] == pytest.approx(box, rel=1e-5, abs=1e-7)
        total += entropy + box
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-5)


def test_a_batch_is_the_mean_of_its_images() -> None:
    faces = [np.array([[30.0, 30, 61, 61]]), np.array([[64.0, 20, 130, 90]])]
    made = outputs(3, 2, 128, 160)
    both = ssh_loss(made, [(128, 160)] * 2, faces, [NONE, NONE])
    alone = [
        ssh_loss([(c[i : i + 1], b[i : i + 1]) for c, b in made], [(128, 160)], [faces[i]], [NONE]) for i in (0, 1)
    ]
    assert float(both.total.detach()) == pytest.approx(sum(float(one.total.detach()) for one in alone) / 2)
    assert both.positives == sum(one.positives for one in alone)


def test_gradients_equal_finite_differences() -> None:
    faces = np.array([[30.0, 30, 61, 61], [10, 60, 90, 127]])
    made = outputs(5, 1, 128, 128)
    rules = MatchRules(sampled=10_000, positives=10_000)  # without mining, which makes the loss discontinuous
    torch.autograd.backward(ssh_loss(made, [(128, 128)], [faces], [NONE], rules).total)
    rng = np.random.default_rng(0)
    for pair in made:
        for tensor in pair:
            assert tensor.grad is not None
            strongest = tensor.grad.abs().flatten().argsort(descending=True)[:5].tolist()
            for at in [*strongest, *rng.integers(0, tensor.numel(), 5).tolist()]:
                values = []
                for step in (1e-6, -1e-6):
                    with torch.no_grad():
                        tensor.view(-1)[at] += step
                        values.append(float(ssh_loss(made, [(128, 128)], [faces], [NONE], rules).total))
                        tensor.view(-1)[at] -= step
                assert float(tensor.grad.view(-1)[at]) == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)


def test_only_sampled_anchors_have_a_gradient() -> None:
    made = outputs(7, 1, 64, 64)
    torch.autograd.backward(ssh_loss(made, [(64, 64)], [NONE], [NONE]).total)
    cls, bbox = made[0]
    assert cls.grad is not None
    assert bbox.grad is not None
    touched = (by_anchor(cls.grad[0], 2) != 0).any(dim=1).sum()
    assert touched <= 256
    assert (bbox.grad == 0).all()


@pytest.mark.parametrize(
    ("x", "value"), [(0.0, 0.0), (0.1, 0.045), (1 / 9, 0.5 / 9), (1.0, 1 - 0.5 / 9), (-2.0, 2 - 0.5 / 9)]
)
def test_smooth_l1(x: float, value: float) -> None:
    assert float(smooth_l1(torch.tensor(x, dtype=torch.float64))) == pytest.approx(value)
