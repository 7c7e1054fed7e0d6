"""HR's levels, templates, decoding and NMS, against scalar loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.records import FloatArray, Image
from sshbench.rivals.hr_decode import best_logits, chosen_cells, clipped, decoded, rounded, suppressed
from sshbench.rivals.hr_graph import ReceptiveField
from sshbench.rivals.hr_levels import Float32Array, Level, demo_levels, resized, single_level, wider_levels
from sshbench.rivals.hr_templates import chosen_templates, difference_from_published, published_templates

FIELD = ReceptiveField(size=859, stride=8, offset=-1)
TEMPLATES = published_templates()

# Templates


def test_the_published_templates() -> None:
    assert TEMPLATES.shape == (25, 5)
    assert TEMPLATES[0].tolist() == [
        -86.33823529411765,
        -113.44411764705883,
        86.33823529411765,
        113.44411764705883,
        0.5,
    ]
    assert np.unique(TEMPLATES[:, 4], return_counts=True)[1].tolist() == [4, 8, 13]
    assert difference_from_published(TEMPLATES.copy()) == 0
    assert difference_from_published(TEMPLATES[:5]) == math.inf
    assert difference_from_published(TEMPLATES + 0.25) == 0.25


@pytest.mark.parametrize(
    ("scale", "ids"),
    [(0.25, range(5, 13)), (0.5, range(5, 13)), (1, range(5, 13)), (1.5, [*range(5, 13), *range(19, 26)])],
)
def test_templates_of_a_level(scale: float, ids: range | list[int]) -> None:
    assert (chosen_templates(TEMPLATES, scale) + 1).tolist() == list(ids)


# Levels


def test_levels_for_wider() -> None:
    # The shorter side is cut to a whole number, the longer one follows from the scale that this makes.
    sides = [(level.scale, level.height, level.width) for level in wider_levels(1024, 771)]
    assert sides == [(0.25, 255, 192), (0.5, 511, 385), (1, 1024, 771), (2, 2048, 1542)]


@pytest.mark.parametrize(("side", "levels"), [(2500, 4), (2501, 3)])
def test_an_enlarged_level_over_5000_pixels_is_left_out(side: int, levels: int) -> None:
    assert len(wider_levels(600, side)) == len(wider_levels(side, 600)) == levels


def test_a_level_that_is_not_enlarged_may_be_larger() -> None:
    assert [level.scale for level in wider_levels(300, 6000)] == [0.25, 0.5, 1]


def test_sides_that_vanish() -> None:
    assert [level.scale for level in wider_levels(3, 700)] == [0.5, 1, 2]
    assert single_level(3, 700, 0.2) == []


@given(st.integers(1, 5001), st.integers(1, 5001))
def test_what_is_resized_lies_in_the_image(height: int, width: int) -> None:
    for level in wider_levels(height, width):
        left, top, right, bottom = level.region
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        # Rounding of a side moves the other by at most one pixel of the level.
        assert (height - (bottom - top)) * level.scale <= max(1.0, level.scale)
        assert level.height >= 1 <= level.width


def test_levels_of_the_demo() -> None:
    # The largest template of scale 1 is 82 by 110: 3000 pixels are 2 ** 5.2 of it in width, 2000 2 ** 4.2 in height.
    levels = demo_levels(2000, 3000, TEMPLATES)
    assert [round(math.log2(level.scale), 9) for level in levels] == [-6, -5, -4, -3, -2, -1, 0, 0.5]
    assert [(level.height, level.width) for level in levels[-2:]] == [(2000, 3000), (2829, 4243)]
    assert [round(math.log2(level.scale), 9) for level in demo_levels(60, 40, TEMPLATES)] == [0, 0.5, 1]


def imresize(plane: FloatArray, rows: int, columns: int, factors: tuple[float, float]) -> FloatArray:
    """Resize as MATLAB's documentation of imresize describes its bilinear method, pixel by pixel."""

    def line(values: FloatArray, count: int, factor: float) -> FloatArray:
        made = []
        wide = 1 / min(factor, 1.0)
        for u in range(1, count + 1):
            x = u / factor + 0.5 * (1 - 1 / factor)
            total = weights = 0.0
            for i in range(math.floor(x - wide), math.ceil(x + wide) + 1):
                weight = max(0.0, 1 - abs(x - i) / wide)
                mirrored = (i - 1) % (2 * len(values))
                at = mirrored if mirrored < len(values) else 2 * len(values) - 1 - mirrored
                total += weight * values[at]
                weights += weight
            made.append(total / weights)
        return np.array(made)

    tall = np.column_stack([line(column, rows, factors[0]) for column in plane.T])
    return np.stack([line(row, columns, factors[1]) for row in tall])


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0])
def test_resizing_for_wider(scale: float) -> None:
    image = noise(24, 36)
    (level,) = single_level(24, 36, scale)
    assert level.region == (0.0, 0.0, 36.0, 24.0)
    factors = (level.height / 24, level.width / 36)
    expected = [imresize(image[:, :, c].astype(float), level.height, level.width, factors) for c in range(3)]
    found = resized(image, level)
    assert (found == np.round(found)).all()
    # Halves may fall on either side, in single precision.
    assert np.abs(found - np.stack(expected, axis=2)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("exponent", [-2, -1, 0.5, 1])
def test_resizing_for_the_demo(exponent: float) -> None:
    image, scale = noise(23, 37), 2.0**exponent
    (level,) = (one for one in demo_levels(23, 37, TEMPLATES * (0.1, 0.1, 0.1, 0.1, 1)) if one.scale == scale)
    assert (level.height, level.width) == (math.ceil(23 * scale), math.ceil(37 * scale))
    expected = [imresize(image[:, :, c].astype(float), level.height, level.width, (scale, scale)) for c in range(3)]
    np.testing.assert_allclose(resized(image, level), np.stack(expected, axis=2), atol=1e-3)


def test_a_level_of_the_images_size_is_the_image() -> None:
    image = noise(20, 30)
    np.testing.assert_array_equal(resized(image, Level(1.0, 20, 30, (0, 0, 30, 20))), image)


# Boxes


def scalar_boxes(
    logits: Float32Array, deltas: Float32Array, used: list[int], threshold: float
) -> list[tuple[list[float], float]]:
    found = []
    for template in used:
        x1, y1, x2, y2, _ = TEMPLATES[template]
        width, height = x2 - x1 + 1, y2 - y1 + 1
        for column in range(logits.shape[2]):
            for row in range(logits.shape[1]):
                if not logits[template, row, column] > threshold:
                    continue
                tx, ty, tw, th = (float(deltas[25 * part + template, row, column]) for part in range(4))
                x, y = 8 * column - 1 + width * tx, 8 * row - 1 + height * ty
                w, h = width * math.exp(tw), height * math.exp(th)
                score = float(logits[template, row, column])
                found.append(([x - w / 2, y - h / 2, x + w / 2, y + h / 2], score))
    return found


def scalar_nms(boxes: list[tuple[list[float], float]], limit: float) -> list[tuple[list[float], float]]:
    kept: list[tuple[list[float], float]] = []
    for box, score in sorted(boxes, key=lambda one: -one[1]):
        for other, _ in kept:
            width = min(box[2], other[2]) - max(box[0], other[0]) + 1
            height = min(box[3], other[3]) - max(box[1], other[1]) + 1
            if width > 0 and height > 0:
                areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
                if width * height / (areas[1] + areas[0] - width * height) > limit:
                    break
        else:
            kept.append((box, score))
    return kept


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.5, 1.0, 2.0]))
def test_boxes_are_those_of_scalar_loops(seed: int, height: int, width: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    # Whole logits: ties, and values at the threshold itself.
    logits = rng.integers(-4, 3, (25, height, width)).astype(np.float32)
    deltas = rng.normal(0, 0.3, (100, height, width)).astype(np.float32)
    used = chosen_templates(TEMPLATES, scale)
    cells = chosen_cells(logits, deltas, used, -1.0)
    boxes = decoded(cells, TEMPLATES, FIELD)
    expected = scalar_boxes(logits, deltas, used.tolist(), -1.0)
    np.testing.assert_allclose(boxes, np.array([box for box, _ in expected]).reshape(-1, 4), rtol=1e-12, atol=1e-9)
    assert cells[1].tolist() == [score for _, score in expected]
    kept, scores = suppressed(boxes, cells[1], 0.3)
    slow = scalar_nms(expected, 0.3)
    np.testing.assert_allclose(kept, np.array([box for box, _ in slow]).reshape(-1, 4), rtol=1e-12, atol=1e-9)
    assert scores.tolist() == [score for _, score in slow]


def test_tensors_give_the_cells_of_arrays() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits = rng.integers(-4, 3, (25, 7, 9)).astype(np.float32)
    deltas = rng.normal(0, 0.3, (100, 7, 9)).astype(np.float32)
    used = chosen_templates(TEMPLATES, 2.0)
    arrays = chosen_cells(logits, deltas, used, 0.0)
    tensors = chosen_cells(torch.from_numpy(logits), torch.from_numpy(deltas), used, 0.0)
    for ours, theirs in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_best_logits() -> None:
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(2).normal(0, 1, (25, 7, 9)).astype(np.float32)
    used = chosen_templates(TEMPLATES, 1.0)
    expected = np.sort(logits[used].reshape(-1))
    for count in (1, 17, 504, 505, 9999):
        for maps in (logits, torch.from_numpy(logits)):
            np.testing.assert_array_equal(np.sort(best_logits(maps, used, count)), expected[-count:])


def test_a_cell_of_zeros_gives_its_template() -> None:
    logits, deltas = np.full((25, 3, 4), -9, dtype=np.float32), np.zeros((100, 3, 4), dtype=np.float32)
    logits[9, 1, 2] = 5
    boxes = decoded(chosen_cells(logits, deltas, np.arange(25), 0.0), TEMPLATES, FIELD)
    assert boxes.tolist() == [[15 - 20.5, 7 - 23, 15 + 20.5, 7 + 23]]  # sides 41 and 46, with both ends


def test_rounding_and_clipping() -> None:
    boxes = np.array([[-0.5, 1.4, 10.5, 19.6], [2.5, -1.6, 31.0, 41.2]])
    found = rounded(boxes, np.array([-1.0, -2.0]))
    assert found.boxes.tolist() == [[-1, 1, 12, 21], [3, -2, 32, 42]]
    assert found.scores.tolist() == [-1, -2]
    cut = clipped(boxes, np.array([2.0, 1.0]), height=20, width=30)
    assert cut.boxes.tolist() == [[1, 1.4, 10.5, 19.6], [2.5, 1, 30, 20]]
