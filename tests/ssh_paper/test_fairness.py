"""Times with random weights are fair: fixed candidates, 300 proposals, folded normalisations, no denormals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.detectors.overrides import changed_settings
from sshbench.detectors.registry import load_detector
from sshbench.errors import DetectorError
from sshbench.rivals.cms_rcnn import CmsRcnn
from sshbench.rivals.faster_rcnn import FasterRcnnVgg16
from sshbench.rivals.s3fd import S3fd
from sshbench.ssh.candidates import with_candidates_of
from sshbench.ssh.decode import face_scores
from sshbench.ssh.weights import random_weights, save_weights

torch = pytest.importorskip("torch")

TINY = np.finfo(np.float32).tiny
SIZE = "320x480"


class NarrowS3fd(S3fd):
    narrow = 32


class NarrowFasterRcnn(FasterRcnnVgg16):
    narrow = 32


class NarrowCmsRcnn(CmsRcnn):
    narrow = 32


NARROW = {"s3fd": NarrowS3fd, "faster-rcnn-vgg16": NarrowFasterRcnn, "cms-rcnn-shape": NarrowCmsRcnn}
CANDIDATES = {"ssh-tiny": 1000, "s3fd": 1000, "faster-rcnn-vgg16": 100, "cms-rcnn-shape": 100, "hr-resnet50": 1000}


def loaded(name: str, **changes: Any) -> Any:
    changes = {"precision": "fp32", **changes}
    if name not in NARROW:
        more = {"protocol": "single"} if name.startswith("hr-") else {}
        return load_detector(name, weights="random", backend="torch", **more, **changes)
    made: Any = NARROW[name]
    detector = made(settings=changed_settings(made.info, changes), weights=Path("random"))
    detector.load()
    return detector


@pytest.fixture(scope="module")
def image() -> Any:
    return np.random.default_rng(2).integers(0, 256, (240, 320, 3), dtype=np.uint8)


def arrays(found: Any) -> Iterator[np.ndarray]:
    """All arrays of single precision within outputs."""
    if isinstance(found, np.ndarray):
        if found.dtype == np.float32:
            yield found
    elif isinstance(found, torch.Tensor):
        yield found.float().numpy()
    elif isinstance(found, (list, tuple)):
        for one in found:
            yield from arrays(one)


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_number_of_candidates_is_fixed_and_nothing_is_denormal(name: str, image: Any) -> None:
    detector = loaded(name, resize=SIZE)
    assert f"{CANDIDATES[name]} candidates" in detector.settings.extra["parameters"]
    assert detector.trained_on == ()
    assert detector.weights_sha256 is None
    for picture in (image, 255 - image, np.zeros_like(image)):
        prepared = detector.preprocess(picture)
        outputs = detector.forward(prepared)
        decoded = detector.decode_boxes(outputs, prepared)
        if picture.any():  # of equal scores around the threshold more or fewer pass: an empty picture has many
            assert abs(len(decoded[0]) - CANDIDATES[name]) <= 2
        held = list(arrays(outputs if name in ("ssh-tiny", "s3fd", "hr-resnet50") else list(outputs.head)))
        assert held
        for array in held:
            assert np.isfinite(array).all()
            assert not ((np.abs(array) < TINY) & (array != 0)).any(), "denormals slow processors down"


@pytest.mark.parametrize("name", ["faster-rcnn-vgg16", "cms-rcnn-shape"])
def test_heads_are_timed_with_300_proposals(name: str, image: Any) -> None:
    detector = loaded(name, resize="400x800")
    state = detector.forward(detector.preprocess(image))
    assert len(state.rois) == 300
    small = loaded(name, resize="original")
    with pytest.raises(DetectorError, match="the head is timed with 300"):
        small.forward(small.preprocess(image[:40, :40]))


@pytest.mark.parametrize("name", ["ssh-tiny", "s3fd", "hr-resnet50"])
def test_the_network_that_runs_has_no_batch_normalisation(
    name: str, monkeypatch: pytest.MonkeyPatch, image: Any
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a batch normalisation runs")

    monkeypatch.setattr(torch.nn.functional, "batch_norm", refused)
    monkeypatch.setattr(torch, "batch_norm", refused)
    detector = loaded(name, resize=SIZE)
    detector.forward(detector.preprocess(image))


def test_ssh_moves_the_scores_of_a_pyramid_too(image: Any) -> None:
    from sshbench.detectors.ssh import SshTiny

    class Pyramid(SshTiny):
        pyramid = True

    settings = changed_settings(SshTiny.info, {"resize": "original", "backend": "torch"})
    detector = Pyramid(settings=settings, weights=Path("random:3"))
    detector.load()
    prepared = detector.preprocess(image[:60, :80])
    boxes, scores = detector.decode_boxes(detector.forward(prepared), prepared)
    assert abs(len(boxes) - 1000) <= 2
    assert (scores > detector.settings.score_threshold).all()


def test_weights_of_a_seed_are_the_same_and_trained_ones_are_not_moved(image: Any) -> None:
    found = []
    for weights in ("random", "random:0", "random:1"):
        detector = load_detector("ssh-tiny", weights=weights, resize=SIZE)
        prepared = detector.preprocess(image)
        found.append(sorted(detector.postprocess(detector.forward(prepared), prepared).scores))
    assert found[0] == found[1] != found[2]
    trained = load_detector("ssh-tiny", resize=SIZE)
    assert "parameters" not in trained.settings.extra


def test_scores_on_an_accelerator_are_moved_as_those_on_the_host() -> None:
    made = np.random.default_rng(5).normal(size=(4, 6, 7)).astype(np.float32)
    with torch.inference_mode():
        tensor = torch.from_numpy(made.copy())
    ((on_host, _),) = with_candidates_of([[(made, None)]], 0.05, 30)[0]  # type: ignore[misc]
    ((moved, _), left_out) = with_candidates_of([[(tensor, None), None]], 0.05, 30)[0]  # type: ignore[misc]
    np.testing.assert_array_equal(moved.numpy(), on_host)
    assert left_out is None
    assert (face_scores(on_host) > 0.05).sum() == 30


def test_a_file_of_random_weights_says_so(tmp_path: Path) -> None:
    from sshbench.ssh.architecture import architecture

    path = tmp_path / "w.safetensors"
    save_weights(path, random_weights(architecture("ssh-tiny"), few_boxes=True))
    detector = load_detector("ssh-tiny", weights=path)
    assert detector.settings.extra["parameters"] == "random, seed 0, few boxes"
    assert detector.weights_sha256 is not None
