"""Samples and how they are made from pixels: mirrored images, and, as an extension, random crops and mosaics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.records import FloatArray, Image
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.preprocess import MEAN
from sshbench.training.recipe import Input

_MIN_FILLED = 0.8  # minimum length of an image's longer side, relative to the side of its crop


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One network input with its faces.

    Attributes:
        data: float32 (3, height, width), BGR minus the mean.
        faces: float64 (m, 4), x1 y1 x2 y2 in inclusive pixels of the input.
        ignored: float64 (k, 4), regions that may contain unlabelled faces, in the same coordinates.
    """

    data: Float32Array
    faces: FloatArray
    ignored: FloatArray


def flipped(one: Sample) -> Sample:
    """Return a sample mirrored left to right, with its boxes."""
    last = one.data.shape[2] - 1

    def mirrored(boxes: FloatArray) -> FloatArray:
        return np.column_stack((last - boxes[:, 2], boxes[:, 1], last - boxes[:, 0], boxes[:, 3]))

    return Sample(np.ascontiguousarray(one.data[:, :, ::-1]), mirrored(one.faces), mirrored(one.ignored))


def mosaic(parts: Sequence[Sample]) -> Sample:
    """Extension: put four square samples of one size together as the quarters of a larger one."""
    side = parts[0].data.shape[1]
    data = np.concatenate([np.concatenate([p.data for p in parts[i : i + 2]], axis=2) for i in (0, 2)], axis=1)
    shifts = [np.array([x, y, x, y]) * side for y in (0, 1) for x in (0, 1)]
    faces = np.concatenate([part.faces + shift for part, shift in zip(parts, shifts, strict=True)])
    ignored = np.concatenate([part.ignored + shift for part, shift in zip(parts, shifts, strict=True)])
    return Sample(data, faces, ignored)


def cropped(
    image: Image,
    faces: FloatArray,
    ignored: FloatArray,
    rules: Input,
    side: int,
    larger: float,
    rng: np.random.Generator,
) -> Sample:
    """Extension: cut a random square out of a scaled image.

    One face of the image is in the crop, at a size drawn from `rules.face_sizes`, evenly on a logarithmic scale. Faces
    whose centre is outside the crop are dropped; their visible parts become ignored regions.

    Args:
        image: uint8 (height, width, 3), BGR.
        faces: float64 (m, 4), x1 y1 x2 y2 in inclusive pixels of the image.
        ignored: float64 (k, 4), ignored regions in the same coordinates.
        rules: Ranges and colour jitter.
        side: Side of the crop in pixels.
        larger: Factor on `rules.face_sizes`.
        rng: Source of all random numbers.
    """
    import cv2

    scale = float(np.exp(rng.uniform(*np.log(rules.scales))))
    corner = rng.uniform(0, 1, 2)
    centre = None
    if len(faces):
        face = faces[rng.integers(len(faces))]
        centre = (face[:2] + face[2:] + 1) / 2
        size = float(np.sqrt(np.prod(face[2:] - face[:2] + 1)))
        scale = float(np.exp(rng.uniform(*np.log(rules.face_sizes)))) * larger / size
    # A crop that is mostly empty teaches little.
    min_scale = max(rules.scales[0], _MIN_FILLED * side / max(image.shape[:2]))
    scale = min(max(scale, min_scale), max(rules.scales[1], min_scale))
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    factors = np.array([width / image.shape[1], height / image.shape[0]] * 2)
    left, top = _top_left((width, height), side, corner, None if centre is None else centre * factors[:2])
    # Only the visible part is resized, except where a small scale needs all pixels of an area.
    matrix = np.array([[factors[0], 0, -left + 0.5 * factors[0] - 0.5], [0, factors[1], -top + 0.5 * factors[1] - 0.5]])
    source: Image = image
    if scale < 0.5:
        source = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        matrix = np.array([[1.0, 0, -left], [0, 1.0, -top]])
    grey = tuple(float(round(value)) for value in MEAN)
    window = cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=grey)
    pixels = recoloured(np.asarray(window, dtype=np.uint8), rules, rng)
    data: Float32Array = np.ascontiguousarray(
        (pixels.astype(np.float32) - np.array(MEAN, dtype=np.float32)).transpose(2, 0, 1)
    )
    one, shift = np.array([0, 0, 1, 1]), np.array([left, top] * 2)  # exclusive ends, because only they can be scaled
    kept, cut = _within((faces + one) * factors - shift, side, rules.min_face)
    ignored = _within((ignored + one) * factors - shift, side, 0.0)[0]
    return Sample(data, kept, np.concatenate((ignored, cut)))


def _top_left(size: tuple[int, int], side: int, corner: FloatArray, centre: FloatArray | None) -> tuple[int, int]:
    """Return the crop's left and top: anywhere, or so that a face's centre is in it; the rest of the crop is grey.

    Args:
        size: Width and height of the scaled image.
        side: Side of the crop.
        corner: Two random numbers from 0 to 1.
        centre: Centre of the face in the scaled image, if there is one.
    """
    slack = np.array(size) - side
    if centre is None:
        start = np.floor(np.minimum(slack, 0) + np.abs(slack) * corner)
    else:
        low, high = np.maximum(centre - side + 1, np.minimum(slack, 0)), np.minimum(centre, np.maximum(slack, 0))
        start = np.floor(low + np.maximum(high - low, 0) * corner)
    return int(start[0]), int(start[1])


def _within(boxes: FloatArray, side: int, min_face: float) -> tuple[FloatArray, FloatArray]:
    """Cut boxes to the crop.

    Args:
        boxes: float64 (m, 4) in the crop's pixels, exclusive ends.
        side: Side of the crop.
        min_face: Minimum side of a box in the crop.

    Returns:
        Boxes in inclusive pixels: those with their centre in the crop, and visible parts of the others (or too small).
    """
    cut = np.clip(boxes, 0, side) - [0, 0, 1, 1]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    visible = (cut[:, 2:] > cut[:, :2]).all(axis=1)
    there = visible & ((centre >= 0) & (centre < side)).all(axis=1)
    large = (cut[:, 2:] - cut[:, :2] + 1).min(axis=1, initial=np.inf) >= min_face
    return cut[there & large], cut[visible & ~(there & large)]


def recoloured(pixels: Image, rules: Input, rng: np.random.Generator) -> Image:
    """Extension: change brightness, contrast, saturation and hue at random; turn some crops grey, blur some.

    Args:
        pixels: uint8 (height, width, 3), BGR.
        rules: Strength and shares.
        rng: Source of all random numbers.
    """
    import cv2

    if rules.colour:
        contrast, brightness, saturation = 1 + rules.colour * rng.uniform(-1, 1, 3)
        gains = 1 + 0.25 * rules.colour * rng.uniform(-1, 1, 3)
        levels = (np.arange(256)[:, None] - 128) * contrast + 128 * brightness
        table = np.clip(levels * gains, 0, 255).astype(np.uint8)
        pixels = np.asarray(cv2.LUT(pixels, table[None]), dtype=np.uint8)
        grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        pixels = np.asarray(cv2.addWeighted(pixels, saturation, grey, 1 - saturation, 0), dtype=np.uint8)
    if rng.random() < rules.grey:
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < rules.blur:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 2.0))), dtype=np.uint8)
    return pixels
