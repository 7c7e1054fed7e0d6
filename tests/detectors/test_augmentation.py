"""Test-time augmentation: passes by the recipe, boxes brought back, merged as the sources say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sshbench
from sshbench.boxes import nms
from sshbench.detectors.augmented import Augmented, vote
from sshbench.detectors.pixels import mean_pixels
from sshbench.detectors.recipe import Recipe, load_recipe, recipe_names
from sshbench.errors import InputError, MissingDataError, UsageError
from sshbench.records import Image

CommandLine = Callable[..., tuple[int, str, str]]
sides = st.integers(1, 6000)


def s3fd_passes(height: int, width: int) -> list[tuple[float, bool]]:
    """The scales of S3FD's test on WIDER FACE, as its script has them."""
    m = math.sqrt(3_721_809 / (height * width))
    shrink = m if m < 1 else 1.0
    small = 0.5 if m >= 0.75 else 0.5 * m
    passes = [(shrink, False), (shrink, True), (small, False)]
    large = min(2.0, m) if m > 1 else (shrink + m) / 2
    passes.append((large, False))
    if m > 2:
        large *= 2
        while large < m:
            passes.append((large, False))
            large *= 2
        passes.append((m, False))
    return passes


@given(sides, sides)
def test_the_scales_of_s3fd(height: int, width: int) -> None:
    ours = [(one.scale, one.flip) for one in load_recipe("s3fd-wider").passes_for(height, width)]
    theirs = s3fd_passes(height, width)
    assert [flip for _, flip in ours] == [flip for _, flip in theirs]
    np.testing.assert_allclose([scale for scale, _ in ours], [scale for scale, _ in theirs], rtol=1e-15)


def scalar_vote(boxes: list[list[float]], scores: list[float], least: float, one: float) -> list[list[float]]:
    """Box voting with loops, sides with `one` added; boxes without partner are dropped."""
    rows = sorted(zip(boxes, scores, strict=True), key=lambda row: -row[1])
    made = []
    while rows:
        (ax, ay, ar, ab), top = rows[0]
        partners: list[tuple[list[float], float]] = []
        others: list[tuple[list[float], float]] = []
        for (bx, by, br, bb), score in rows:
            w, h = max(0.0, min(ar, br) - max(ax, bx) + one), max(0.0, min(ab, bb) - max(ay, by) + one)
            union = (ar - ax + one) * (ab - ay + one) + (br - bx + one) * (bb - by + one) - w * h
            (partners if w * h / union >= least else others).append(([bx, by, br, bb], score))
        rows = others
        if len(partners) > 1:
            total = sum(score for _, score in partners)
            made.append([sum(box[i] * score for box, score in partners) / total for i in range(4)] + [top])
    return made


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50), st.integers(1, 50)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)


@given(st.lists(st.tuples(corners, st.integers(1, 1000).map(lambda n: n / 1000)), max_size=12))
def test_voting_is_that_of_the_source(rows: list[tuple[list[float], float]]) -> None:
    boxes, scores = [box for box, _ in rows], [score for _, score in rows]
    table = np.array(boxes).reshape(-1, 4)
    voted, best = vote(table, np.array(scores), 0.3, inclusive=True, drop_single=True)
    expected = scalar_vote(boxes, scores, 0.3, 1.0)
    np.testing.assert_allclose(np.column_stack((voted, best)), np.array(expected).reshape(-1, 5), rtol=1e-12)


def box_of_bright(image: Image) -> tuple[list[list[float]], list[float]]:
    """Find the white rectangle of an image."""
    rows, columns = np.nonzero(image.mean(axis=2) > 128)
    if not len(rows):
        return [], []
    box = [float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)]
    return [box], [0.9]


def scene(height: int = 240, width: int = 320) -> Any:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[40:100, 200:240] = 255
    return image


@pytest.mark.parametrize("name", recipe_names())
def test_boxes_come_back_to_their_place(name: str) -> None:
    detector = Augmented(sshbench.FunctionDetector(box_of_bright), load_recipe(name))
    found = sshbench.detect(detector, scene())
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes[0], [200, 40, 240, 100], atol=0.51)
    assert found.scores.tolist() == [0.9]


def test_a_mirror_image_alone() -> None:
    recipe = Recipe.model_validate(
        {"name": "mirror", "passes": [{"flip": "only"}], "merge": {"method": "nms", "iou": 0.3}}
    )
    found = sshbench.detect(Augmented(sshbench.FunctionDetector(box_of_bright), recipe), scene(height=120, width=321))
    assert found.boxes.tolist() == [[200, 40, 240, 100]]


def test_passes_keep_only_the_faces_that_they_are_for() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "passes": [{"scale": 2.0, "keep": [{"when": "enlarged", "shorter_below": 40}]}],
            "merge": {"method": "nms", "iou": 0.3},
        }
    )
    detector = Augmented(sshbench.FunctionDetector(box_of_bright), recipe)
    assert len(sshbench.detect(detector, scene())) == 0, "the shorter side is 40 pixels, not below 40"
    larger = recipe.passes[0].model_copy(
        update={"keep": (recipe.passes[0].keep[0].model_copy(update={"shorter_below": 41}),)}
    )
    detector = Augmented(sshbench.FunctionDetector(box_of_bright), recipe.model_copy(update={"passes": (larger,)}))
    assert len(sshbench.detect(detector, scene())) == 1


@given(sides, sides)
def test_fitted_images_fit_and_are_never_enlarged(width: int, height: int) -> None:
    fitted = load_recipe("fit-640x480").fitted(width, height)
    assert fitted[0] <= min(width, 640)
    assert fitted[1] <= min(height, 480)
    assert load_recipe("fit-640x480").fitted(*fitted) == fitted, "fitting again changes nothing"
    if width <= 640 and height <= 480:
        assert fitted == (width, height)
        return
    assert fitted[0] == 640 or fitted[1] == 480
    exact = min(640 / width, 480 / height)
    assert max(abs(fitted[0] - width * exact), abs(fitted[1] - height * exact)) <= 1, "the aspect ratio is kept"


def fit_of(answer: Any, recipe: str = "fit-640x480") -> Augmented:
    return Augmented(sshbench.FunctionDetector(answer), load_recipe(recipe))


@given(st.integers(1, 3000), st.integers(1, 3000), st.lists(corners, max_size=3))
def test_boxes_of_a_fitted_image_return_to_the_original(width: int, height: int, boxes: list[list[float]]) -> None:
    """Boxes of the original, as the fitted image shows them, come back within rounding of doubles."""
    true = np.array(boxes).reshape(-1, 4) * np.tile((width, height), 2) / 111
    seen: list[tuple[int, ...]] = []

    def answer(image: Image) -> tuple[Any, list[float]]:
        seen.append(image.shape)
        shown = true * np.tile((image.shape[1] / width, image.shape[0] / height), 2)
        return shown, [0.5] * len(shown)

    found = sshbench.detect(fit_of(answer), np.zeros((height, width, 3), dtype=np.uint8))
    fitted = load_recipe("fit-640x480").fitted(width, height)
    assert seen == [(fitted[1], fitted[0], 3)]
    np.testing.assert_allclose(found.boxes, true, rtol=1e-14)


def test_a_whole_fitted_image_is_the_whole_original() -> None:
    """Sides have factors of their own: 480 / 1365 of the height is not 359.4 / 1024 of the width to the last bit."""
    detector = fit_of(lambda image: ([[0, 0, image.shape[1], image.shape[0]]], [1.0]))
    for width, height in [(1024, 1365), (1023, 7), (641, 480), (1365, 2048)]:
        found = sshbench.detect(detector, np.zeros((height, width, 3), dtype=np.uint8))
        np.testing.assert_allclose(found.boxes, [[0, 0, width, height]], rtol=1e-15)


def test_small_images_stay_as_they_are(sample_image: Any) -> None:
    small = sample_image[:480, :640]
    detector = sshbench.load_detector("haar", tta="fit-640x480")
    assert isinstance(detector, Augmented)
    assert detector.fit(small) is small
    plain, fitted = sshbench.detect(sshbench.load_detector("haar"), small), sshbench.detect(detector, small)
    np.testing.assert_array_equal(fitted.boxes, plain.boxes)
    np.testing.assert_array_equal(fitted.scores, plain.scores)
    large = np.tile(sample_image, (3, 3, 1))
    np.testing.assert_array_equal(
        sshbench.detect(detector, detector.fit(large)).scores, sshbench.detect(detector, large).scores
    )


def test_passes_are_over_the_fitted_image() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "both",
            "fit": "160x120",
            "passes": [{"flip": "both"}, {"scale": 2.0, "keep": [{"shorter_below": 21}]}],
            "merge": {"method": "nms", "iou": 0.3},
        }
    )
    sizes: list[tuple[int, int]] = []

    def answer(image: Image) -> tuple[list[list[float]], list[float]]:
        sizes.append((image.shape[1], image.shape[0]))
        return box_of_bright(image)

    found = sshbench.detect(Augmented(sshbench.FunctionDetector(answer), recipe), scene())
    assert sizes == recipe.sizes_for(320, 240) == [(160, 120), (160, 120), (320, 240)]
    assert len(found) == 1, "the face is 20 pixels wide in the fitted image"
    np.testing.assert_allclose(found.boxes[0], [200, 40, 240, 100], atol=2.01)


def test_the_fit_is_part_of_the_recipe_s_hash() -> None:
    recipe = load_recipe("fit-640x480")
    assert recipe.hash == "131574a6d82c11a0"
    assert recipe.model_copy(update={"fit": "320x240"}).hash != recipe.hash
    assert load_recipe("faceboxes-fddb").hash == "e1aeb6edd07fb1bc", "runs from before this key keep their recipe"


def test_a_network_of_one_input_takes_fitted_images(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSHBENCH_WEIGHTS", str(shared / "weights"))
    detector = sshbench.load_detector("ultraface-rfb-320", tta="fit-640x480")
    assert mean_pixels(detector, detector.settings, [(1280, 960)]).input == 320 * 240
    free = sshbench.load_detector("haar", tta="fit-640x480")
    assert mean_pixels(free, free.settings, [(1280, 960), (64, 48)]).input == (640 * 480 + 64 * 48) / 2


def test_a_single_pass_is_the_detector_itself(sample_image: Any) -> None:
    plain = sshbench.detect(sshbench.load_detector("haar"), sample_image)
    single = sshbench.detect(sshbench.load_detector("haar", tta="single"), sample_image)
    kept = nms(plain.boxes, plain.scores, 0.3)
    np.testing.assert_array_equal(single.boxes, plain.boxes[kept])


@pytest.fixture
def sample_image() -> Any:
    return sshbench.load_dataset("sample")[0].read()


def test_the_recipe_is_part_of_the_identity(sshbench: CommandLine, tmp_path: Path) -> None:
    arguments = ["eval", "--dataset", "sample", "--detector", "haar", "--limit", 3, "-o", tmp_path / "run", "--json"]
    code, _, err = sshbench(*arguments, "--tta", "flip")
    assert code == 0, err
    identity = json.loads((tmp_path / "run" / "identity.json").read_text())
    assert identity["settings"]["extra"]["tta"] == "flip"
    code, _, err = sshbench(*arguments)
    assert (code, "tta" in err) == (1, True)
    assert sshbench(*arguments, "--tta", "flip", "--workers", 2)[0] == 0


def test_workers_augment_too(tmp_path: Path) -> None:
    alone, helped = (
        sshbench.run(
            "haar",
            "sample",
            out=tmp_path / str(workers),
            settings={"tta": "multi-scale"},
            limit=3,
            workers=workers,
            progress=False,
        )
        for workers in (None, 2)
    )
    assert alone.detections.digest == helped.detections.digest


def test_the_pixels_of_all_passes_count() -> None:
    detector = sshbench.load_detector("haar", tta="flip")
    pixels = mean_pixels("haar", detector.settings, [(640, 480)])
    assert pixels.input == 2 * 640 * 480
    assert mean_pixels(detector, detector.settings, [(640, 480)]) == pixels
    other = {**detector.settings.extra, "tta_hash": "0" * 16}
    assert mean_pixels("haar", replace(detector.settings, extra=other), [(640, 480)]).input is None


def test_settings_pass_through() -> None:
    detector = sshbench.load_detector("haar", tta="flip", min_neighbors=3)
    assert detector.settings.extra["min_neighbors"] == 3
    detector.settings = replace(detector.settings, top_k=5)
    assert (detector.settings.top_k, detector.settings.extra["tta"]) == (5, "flip")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"tta": "flop"}, UsageError, "unknown recipe of test-time augmentation 'flop'.*flip"),
        ({"tta": "absent.toml"}, MissingDataError, "no recipe absent.toml"),
        ({"tta": "multi-scale", "resize": "240x320"}, UsageError, "several scales.*resizes to 240x320"),
    ],
)
def test_recipes_that_cannot_be(options: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sshbench.load_detector("haar", **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 1", "name"),
        ('name = "x"\n[merge]\nmethod = "vote"\niou = 0.3', "passes"),
        ('name = "x"\n[merge]\nmethod = "mean"\niou = 0.3\n[[passes]]', "merge.method"),
        ('name = "x"\n[merge]\nmethod = "nms"\niou = 0.3\n[[passes]]\nscale = 0', "scale"),
        ('name = "x"\n[merge]\nmethod = "nms"\niou = 0.3\n[[passes]]\nsize = 2', "size"),
        ("name = ", "cannot be read"),
        ('name = "x"\nfit = "640"\n[[passes]]', "fit"),
        ('name = "x"\n[[passes]]\nflip = "both"', "merge.*several passes needs it"),
    ],
)
def test_recipe_files_that_are_invalid(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_recipe(path)
