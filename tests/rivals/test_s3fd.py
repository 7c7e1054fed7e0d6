"""S3FD: sizes, counts, import, parity with OpenCV's Caffe, decoding, the map to ellipses, and the whole detector."""

from __future__ import annotations

import math
import subprocess
import sys
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
from sshbench.boxes import nms
from sshbench.detectors.registry import detector_info
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.rivals.s3fd import S3fd
from sshbench.rivals.s3fd_decode import candidates, margins, priors
from sshbench.rivals.s3fd_ellipses import _map, ellipses_of, with_ellipses
from sshbench.rivals.s3fd_layers import SOURCES, Variant
from sshbench.rivals.s3fd_onnx import onnx_model
from sshbench.rivals.s3fd_output import as_output
from sshbench.rivals.s3fd_weights import random_s3fd, read_s3fd
from sshbench.runtimes.plan import plan
from sshbench.ssh import backends

torch = pytest.importorskip("torch")
NARROW = Variant(narrow=32)
DILATED = Variant(narrow=32, dilated=True)


@pytest.fixture(scope="module")
def writer(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).parents[1] / "ssh" / "caffe_writer.py")


@pytest.fixture(scope="module")
def caffe(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(Path(__file__).with_name("s3fd_caffe.py"))


def spread(variant: Variant, seed: int = 3) -> dict[str, Any]:
    """Random parameters with biases that are not zero and predictors of full size, so that every number counts."""
    rng = np.random.default_rng(seed)
    made = random_s3fd(variant, seed)
    large = {name: array * 100 for name, array in made.items() if "_mbox_" in name and array.ndim > 1}
    biases = {n: rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in made.items() if n.endswith(".bias")}
    scales = {n: rng.uniform(5, 10, a.shape).astype(np.float32) for n, a in made.items() if n.endswith("_norm.weight")}
    return {**made, **large, **biases, **scales}


def caffemodel(writer: ModuleType, parameters: dict[str, Any]) -> bytes:
    layers: dict[str, list[Any]] = {}
    for name, array in parameters.items():
        layers.setdefault(name.rpartition(".")[0], []).append(array)
    return b"".join(writer.layer_message(name, blobs) for name, blobs in layers.items())


def pytorch_names(parameters: dict[str, Any]) -> dict[str, Any]:
    """The names of S3FD.pytorch, by hand."""
    trunk = [name.removesuffix(".bias") for name in parameters if name.endswith(".bias") and "_mbox_" not in name]
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
    names = {name: f"vgg.{number}" for name, number in zip(trunk[:15], numbers, strict=True)}
    names |= {name: f"extras.{number}" for number, name in enumerate(trunk[15:])}
    names |= {f"conv{n}_norm": f"L2Norm{n}" for n in ("3_3", "4_3", "5_3")}
    for number, head in enumerate(("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2")):
        names |= {f"{head}_mbox_loc": f"loc.{number}", f"{head}_mbox_conf": f"conf.{number}"}
    split = ((name.rpartition("."), array) for name, array in parameters.items())
    return {f"{names[layer]}.{part}": array for (layer, _, part), array in split}


def tensors(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in parameters.items()}


def run_of(variant: Variant, parameters: dict[str, Any], backend: str = "torch") -> backends.Network:
    from sshbench.rivals.s3fd_network import network_of

    return backends.build_network(
        lambda: network_of(variant, parameters.items()),
        lambda: onnx_model(variant, parameters),
        plan(backend, "fp32"),
    )


def test_parameters_to_the_digit() -> None:
    """22 459 110, which is the size of the public copies (89.8 MB) divided by four bytes."""
    from sshbench.rivals.s3fd_network import S3fdNetwork

    for variant in (Variant(), Variant(dilated=True)):
        with torch.device("meta"):
            shapes = {name: tuple(found.shape) for name, found in S3fdNetwork(variant).named_parameters()}
        assert shapes == variant.shapes()
        assert sum(math.prod(shape) for shape in shapes.values()) == variant.parameters() == 22_459_110


@pytest.mark.parametrize(
    ("height", "width", "gflop"),
    [(400, 800, 203.2), (640, 640, 259.3), (600, 1000, 380.4), (800, 1200, 606.2), (1200, 1600, 1210.1)],
)
def test_work_adds_up(height: int, width: int, gflop: float) -> None:
    assert Variant().gflop(height, width) == pytest.approx(gflop, rel=1e-3)


@pytest.mark.parametrize("variant", [NARROW, DILATED, Variant(fc6_pad=1, narrow=32)])
def test_pytorch_counts_the_same_work(variant: Variant) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from sshbench.rivals.s3fd_network import S3fdNetwork

    with torch.device("meta"):
        network, x = S3fdNetwork(variant), torch.empty(1, 3, 203, 333)
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert counter.get_total_flops() / 1e9 == pytest.approx(variant.gflop(203, 333), rel=1e-9)


def test_sizes_of_every_height_follow_the_formulas() -> None:
    """Pools round up; fc6 with pad 3 adds four cells; the last two sources halve what is left, rounded up."""
    for height in range(33, 601):
        maps = NARROW.maps(height, height)
        deep = -(-height // 32) + 4
        fifth = -(-deep // 2)
        expected = [-(-height // 4), -(-height // 8), -(-height // 16), deep, fifth, -(-fifth // 2)]
        assert [maps[source.layer][0] for source in SOURCES] == expected
        floor = DILATED.maps(height, height)
        third = -(-(height // 4) // 2)
        deep = third // 2 // 2
        fifth = -(-deep // 2)
        expected = [height // 4, third, third // 2, deep, fifth, -(-fifth // 2)]
        assert [floor[source.layer][0] for source in SOURCES] == expected


@given(st.integers(33, 300), st.integers(33, 300), st.booleans())
def test_the_network_has_these_sizes(height: int, width: int, dilated: bool) -> None:
    from sshbench.rivals.s3fd_network import S3fdNetwork

    variant = DILATED if dilated else NARROW
    with torch.device("meta"):
        found = S3fdNetwork(variant)(torch.empty(1, 3, height, width))
    maps = variant.maps(height, width)
    assert [tuple(scores.shape) for scores, _ in found] == [(1, 2, *maps[source.layer]) for source in SOURCES]
    assert [tuple(deltas.shape) for _, deltas in found] == [(1, 4, *maps[source.layer]) for source in SOURCES]


@pytest.mark.parametrize(("height", "width", "pad"), [(64, 64, 3), (97, 131, 3), (150, 83, 1)])
def test_the_network_is_the_releases(
    writer: ModuleType, caffe: ModuleType, tmp_path: Path, height: int, width: int, pad: int
) -> None:
    """OpenCV reads the release's form of definition and weights, and comes to the same numbers."""
    variant = Variant(fc6_pad=pad, narrow=32)
    (tmp_path / "sfd.prototxt").write_text(caffe.prototxt(height, width, 32, pad))
    (tmp_path / "sfd.caffemodel").write_bytes(caffemodel(writer, spread(variant)))
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / "sfd.prototxt"), str(tmp_path / "sfd.caffemodel"))
    batch = np.random.default_rng(height).normal(0, 50, (1, 3, height, width)).astype(np.float32)
    net.setInput(batch)
    expected = net.forward(caffe.outputs())
    read, parameters = read_s3fd(tmp_path / "sfd.caffemodel", variant)
    assert read == variant
    for backend in ("torch", "onnxruntime"):
        found = [array for pair in run_of(read, parameters, backend)(batch) for array in pair]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("size", [(64, 96), (101, 67)])
def test_onnx_runs_the_dilated_network(size: tuple[int, int]) -> None:
    parameters = spread(DILATED)
    batch = np.random.default_rng(1).normal(0, 50, (1, 3, *size)).astype(np.float32)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model(DILATED, parameters), dtype=np.uint8))
    net.setInput(batch)
    names = [f"{source.layer}_{kind}" for source in SOURCES for kind in ("scores", "deltas")]
    for pairs in (run_of(DILATED, parameters)(batch), run_of(DILATED, parameters, "onnxruntime")(batch)):
        found = [array for pair in pairs for array in pair]
        for ours, theirs in zip(found, net.forward(names), strict=True):
            assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert list(a) == list(b)
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_files_of_both_kinds_and_back(writer: ModuleType, tmp_path: Path) -> None:
    parameters = spread(NARROW)
    (tmp_path / "a.caffemodel").write_bytes(caffemodel(writer, parameters))
    torch.save(tensors(parameters), tmp_path / "converted.pth")
    for name in ("a.caffemodel", "converted.pth"):
        variant, found = read_s3fd(tmp_path / name, NARROW)
        assert variant == NARROW
        same(found, parameters)
    theirs = pytorch_names(parameters)
    torch.save(tensors(theirs), tmp_path / "plain.pth")
    torch.save({"weight": tensors(theirs), "epoch": 7}, tmp_path / "checkpoint.pth")
    for name in ("plain.pth", "checkpoint.pth"):
        variant, found = read_s3fd(tmp_path / name, NARROW)
        assert variant == DILATED
        first = "conv1_1.weight"
        np.testing.assert_array_equal(found[first], parameters[first][:, ::-1])
        same({**found, first: parameters[first]}, parameters)


def test_the_retraining_sees_rgb(tmp_path: Path) -> None:
    """Its network on RGB minus the mean is ours on BGR minus the mean."""
    parameters = spread(DILATED)
    torch.save(tensors(pytorch_names(parameters)), tmp_path / "plain.pth")
    variant, found = read_s3fd(tmp_path / "plain.pth", NARROW)
    image = np.random.default_rng(5).integers(0, 256, (1, 3, 64, 64)).astype(np.float32)
    bgr = image - np.array([104, 117, 123], dtype=np.float32)[:, None, None]
    theirs = run_of(DILATED, parameters)(np.ascontiguousarray(bgr[:, ::-1]))
    for pair, expected in zip(run_of(variant, found)(bgr), theirs, strict=True):
        for a, b in zip(pair, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_what_is_refused(tmp_path: Path) -> None:
    parameters = spread(NARROW)
    theirs = pytorch_names(parameters)
    path = tmp_path / "w.pth"

    def refused(content: dict[str, Any], match: str, variant: Variant = NARROW, error: type = InputError) -> None:
        torch.save(tensors(content), path)
        with pytest.raises(error, match=match):
            read_s3fd(path, variant)

    mixed = {**theirs, "fc6.weight": parameters["fc6.weight"]}
    refused(mixed, r"mixes names of two networks, such as 'fc6\.weight' and 'vgg\.0\.weight'")
    refused({n: a for n, a in parameters.items() if n != "fc7.bias"}, r"fc7\.bias.*is missing")
    refused({n: a for n, a in theirs.items() if n != "L2Norm4_3.weight"}, r"L2Norm4_3\.weight.*is missing")
    refused({**parameters, "fc8.weight": np.zeros(3, np.float32)}, r"fc8\.weight.*does not belong to any layer")
    refused({**parameters, "fc6.bias": np.zeros(3, np.float32)}, r"fc6\.bias.*has shape \(3,\), not \(32,\)")
    refused({**parameters, "fc6.bias": np.full(32, np.nan, np.float32)}, r"fc6\.bias.*is not finite")
    refused(theirs, "whose fc6 is dilated", Variant(fc6_pad=1, narrow=32), UsageError)
    refused({"a": np.zeros(1, np.float32)}, r"conv1_1\.weight.*is missing")


def test_priors_lie_at_their_fixed_step() -> None:
    maps = [(3, 2), (2, 2), (1, 3), (5, 5), (3, 3), (2, 1)]
    expected = [
        ((column + 0.5) * source.stride, (row + 0.5) * source.stride, source.side)
        for source, (rows, columns) in zip(SOURCES, maps, strict=True)
        for row in range(rows)
        for column in range(columns)
    ]
    found = priors(maps)
    np.testing.assert_array_equal(np.column_stack((found[0], found[1][:, 0])), expected)
    np.testing.assert_array_equal(found[1][:, 0], found[1][:, 1])


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.9))
def test_candidates_are_those_of_a_loop(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(0, 5, 2)) for _ in SOURCES]
    outputs = [
        (rng.normal(0, 3, (2, *s)).astype(np.float32), rng.normal(0, 2, (4, *s)).astype(np.float32)) for s in shapes
    ]
    expected = []
    for source, (scores, deltas) in zip(SOURCES, outputs, strict=True):
        for row in range(scores.shape[1]):
            for column in range(scores.shape[2]):
                background, face = np.exp(scores[:, row, column].astype(float))
                x, y, w, h = deltas[:, row, column].astype(float)
                centre = (column + 0.5) * source.stride + 0.1 * x * source.side
                middle = (row + 0.5) * source.stride + 0.1 * y * source.side
                width, height = source.side * math.exp(0.2 * w), source.side * math.exp(0.2 * h)
                box = (centre - width / 2, middle - height / 2, centre + width / 2, middle + height / 2)
                expected.append((face / (face + background), *box))
    boxes, found = candidates(outputs, margins(outputs), threshold)
    kept = sorted((row for row in expected if row[0] > threshold), reverse=True)
    if len(kept) != len(found):  # a score within rounding of the threshold
        assert min(abs(row[0] - threshold) for row in expected) < 1e-6
        return
    np.testing.assert_allclose(found, [row[0] for row in kept], rtol=1e-5)
    np.testing.assert_allclose(boxes, np.array([row[1:] for row in kept]).reshape(-1, 4), rtol=1e-6, atol=1e-6)


def test_the_map_to_ellipses_is_its_formula() -> None:
    table = _map()
    mean, deviation, weights, mean_there, deviation_there = (array.tolist() for array in table)
    for rectangle in ([10.0, 20.0, 30.0, 40.0], [300.5, 2.0, 110.0, 150.0]):
        z = [(value - m) / d for value, m, d in zip(rectangle, mean, deviation, strict=True)]
        expected = [sum(z[i] * weights[i][k] for i in range(4)) * deviation_there[k] + mean_there[k] for k in range(5)]
        expected[2] += -math.pi / 2 if expected[2] >= 0 else math.pi / 2
        np.testing.assert_allclose(ellipses_of(np.array([rectangle]))[0], expected, rtol=1e-12)
    assert ellipses_of(np.array([[0.0, 0, 1, 1]]))[0, 0] >= 0


@pytest.mark.parametrize("name", ["ssh-vgg16", "mtcnn"])
def test_the_map_makes_the_ellipses_that_are_known(shared: Path, name: str) -> None:
    """The shared ellipses were made with this map from the shared rectangles, and are written with six decimals."""
    data = sshbench.load_dataset("fddb", shared / "data" / "fddb")
    folder = shared / "data" / "fddb"
    rectangles = sshbench.read_predictions(folder / "detections" / f"{name}.txt.gz", dataset=data)
    known = sshbench.read_predictions(folder / "detections_ellipse" / f"{name}.txt.gz", dataset=data)
    made = with_ellipses(rectangles[0])
    assert known[0].ellipses is not None
    assert made.ellipses is not None
    np.testing.assert_allclose(made.ellipses, known[0].ellipses, atol=6e-7)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "rectangle", "ellipse"),
    [("ssh-vgg16", 0.741596, 0.837576), ("s3fd", 0.738887, 0.820935), ("rcnn-vggnet", 0.726587, 0.811587)],
)
def test_the_map_lifts_the_continuous_score(shared: Path, name: str, rectangle: float, ellipse: float) -> None:
    """The release's own rectangles rose from 0.75413 to 0.84803, which is as much as here."""
    data = sshbench.load_dataset("fddb", shared / "data" / "fddb")
    found = sshbench.read_predictions(shared / "data" / "fddb" / "detections" / f"{name}.txt.gz", dataset=data)[0]
    metric = "TPR@1000/continuous"
    assert sshbench.evaluate(data, found).metrics[metric] == pytest.approx(rectangle, abs=1e-6)
    assert sshbench.evaluate(data, with_ellipses(found)).metrics[metric] == pytest.approx(ellipse, abs=1e-6)


class Narrow(S3fd):
    narrow = 32


def loaded(weights: Path = Path("random"), **changes: Any) -> Narrow:
    from sshbench.detectors.overrides import changed_settings

    detector = Narrow(settings=changed_settings(S3fd.info, changes), weights=weights)
    detector.load()
    return detector


@pytest.fixture(scope="module")
def image() -> Any:
    return np.random.default_rng(2).integers(0, 256, (150, 203, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 200, 1000])
def test_random_weights_give_the_chosen_number_of_candidates(image: Any, count: int) -> None:
    detector = loaded(candidates=count)
    prepared = detector.preprocess(image)
    outputs = detector.forward(prepared)
    boxes, scores = detector.decode_boxes(outputs, prepared)
    assert len(boxes) == len(scores) == count
    assert detector.settings.extra["parameters"] == f"random, seed 0, {count} candidates"
    assert (detector.weights_sha256, detector.trained_on) == (None, ())
    smallest = np.finfo(np.float32).tiny
    for array in (*random_s3fd(NARROW, 0).values(), *(a for pair in outputs for a in pair)):
        assert not ((np.abs(array) < smallest) & (array != 0)).any(), "denormals slow processors down"
        assert np.isfinite(array).all()


def test_detections_are_what_the_protocol_says(writer: ModuleType, tmp_path: Path, image: Any) -> None:
    """Score over the threshold, best 5000, NMS 0.3, best 750, in pixels of the original."""
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(caffemodel(writer, spread(NARROW)))
    detector = loaded(path, resize="100x160", top_k=20)
    assert detector.trained_on is None
    found = sshbench.detect(detector, image)
    prepared = detector.preprocess(image)
    data = prepared.data[0]
    expected = cv2.resize(image.astype(np.float32), None, fx=prepared.scale, fy=prepared.scale) - (104, 117, 123)
    np.testing.assert_allclose(data[0], expected.transpose(2, 0, 1), atol=1e-4)
    outputs = [(scores[0], deltas[0]) for scores, deltas in detector.forward(prepared)]
    boxes, scores = candidates(outputs, margins(outputs), 0.05)
    kept = nms(boxes, scores, 0.3)[:20]
    across, down = image.shape[1] / data.shape[3], image.shape[0] / data.shape[2]
    np.testing.assert_allclose(found.boxes, boxes[kept] * [across, down, across, down])
    np.testing.assert_array_equal(found.scores, scores[kept])


def test_outputs_for_fddb_and_for_afw(image: Any) -> None:
    plain = sshbench.detect(loaded(), image)
    ellipses = loaded(output="ellipse")
    found = sshbench.detect(ellipses, image)
    assert ellipses.trained_on == ("fddb",), "the map saw FDDB's labels"
    assert found.ellipses is not None
    sides = plain.boxes[:, 2:] - plain.boxes[:, :2] + 1
    np.testing.assert_array_equal(found.ellipses, ellipses_of(np.column_stack((plain.boxes[:, :2], sides))))
    trimmed = sshbench.detect(loaded(output="trimmed"), image)
    for (x1, y1, x2, y2), found_box in zip(plain.boxes, trimmed.boxes, strict=True):
        left, top, right, bottom = (math.copysign(math.floor(abs(v) + 0.5), v) for v in (x1, y1, x2, y2))
        np.testing.assert_allclose(found_box, (left, top + 0.2 * (bottom - top + 1), right, bottom))
    with pytest.raises(UsageError, match="no output 'square'"):
        loaded(output="square")
    assert as_output(plain, "rectangle") is plain


def test_a_batch_is_its_images(image: Any) -> None:
    detector = loaded(candidates=50)
    prepared = [detector.preprocess(one) for one in (image, image[::-1].copy())]
    for one, outputs in zip(prepared, detector.forward_batch(prepared), strict=True):
        alone, together = (detector.postprocess(out, one) for out in (detector.forward(one), outputs))
        np.testing.assert_allclose(together.boxes, alone.boxes, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (33, 20)])
def test_the_smallest_images(tmp_path: Path, size: tuple[int, int]) -> None:
    torch.save(tensors(pytorch_names(spread(NARROW))), tmp_path / "plain.pth")
    pixels = np.full((*size, 3), 90, dtype=np.uint8)
    for detector in (loaded(), loaded(tmp_path / "plain.pth")):
        sshbench.detect(detector, pixels)


def test_the_wider_protocol_resizes_without_rounding(image: Any) -> None:
    from sshbench.detectors.augmented import Augmented
    from sshbench.detectors.recipe import load_recipe

    detector = loaded(candidates=200)
    recipe = load_recipe("s3fd-wider")
    augmented = Augmented(detector, recipe)
    prepared = augmented.preprocess(image)
    passes = prepared.data.passes
    assert [one.scale for one, _ in passes][:3] == [1.0, 1.0, 0.5]
    half = cv2.resize(image.astype(np.float32), None, fx=0.5, fy=0.5) - (104, 117, 123)
    np.testing.assert_allclose(passes[2][1].data[0][0], half.transpose(2, 0, 1), atol=1e-4)
    cost = augmented.cost(prepared)
    assert cost is not None
    assert cost.gflop == pytest.approx(sum(NARROW.gflop(*made.data[0].shape[2:]) for _, made in passes))
    with pytest.raises(UsageError, match="ellipses, which no recipe can merge"):
        sshbench.detect(Augmented(loaded(output="ellipse"), recipe), image[:64, :64])


def test_the_pytorch_protocol_has_smaller_images() -> None:
    from sshbench.detectors.recipe import load_recipe

    theirs, ours = load_recipe("s3fd-wider"), load_recipe("s3fd-pytorch-wider")
    assert ours.largest_pixels == 1700 * 1200
    assert ours.model_dump(exclude={"name", "title", "source", "largest_pixels"}) == theirs.model_dump(
        exclude={"name", "title", "source", "largest_pixels"}
    )


def test_weights_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"SFD\.caffemodel.*does not download it.*github.com/sfzhang15/SFD"):
        sshbench.load_detector("s3fd")


def test_what_is_known_of_it_needs_no_torch() -> None:
    assert detector_info("s3fd").trained_on == ("wider",)
    code = "import sys, sshbench.rivals.s3fd, sshbench.rivals.s3fd_weights, sshbench.rivals.s3fd_onnx"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr
