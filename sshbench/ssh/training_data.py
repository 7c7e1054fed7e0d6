"""Images and boxes for training.

Every sample is a function of the seed and its position, so that a training can go on exactly where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import MissingDataError
from sshbench.images import read_image
from sshbench.records import BoolArray, FloatArray, Image, IntArray
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.preprocess import MEAN, network_input, pair_scale
from sshbench.ssh.train_config import Input

_FILLED = 0.8  # of a crop's side, at least, by the image's longer one
_HELD = 2 * 2**30  # bytes of decoded images kept: a small set is read once, a large one in part


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One input of the network with what is known of it.

    Attributes:
        data: float32 (3, height, width), BGR minus the mean.
        faces: float64 (m, 4), corners in inclusive pixels of the input.
        ignored: float64 (k, 4), regions in which nothing is known.
    """

    data: Float32Array
    faces: FloatArray
    ignored: FloatArray


class TrainingData:
    """A dataset's images as samples.

    Args:
        dataset: With images.
        rules: Sizes, flips, crops.
        seed: Of the order and of everything that is drawn.
    """

    def __init__(self, dataset: Dataset, rules: Input, seed: int) -> None:
        self._dataset, self._rules, self._seed = dataset, rules, seed
        self._held: dict[int, Image] = {}
        self._held_bytes = 0
        count = len(dataset.keys)
        if not count:
            raise MissingDataError("there is no image to train on")
        # Odd positions are mirrored: the release doubles its list of images so.
        self._entries = count * (2 if rules.flips and not rules.crop else 1)
        self._wide = _are_wide(dataset) if not rules.crop else np.zeros(count, dtype=np.bool_)

    def __len__(self) -> int:
        return self._entries

    def sample(self, position: int, together: int = 1, larger: int = 1) -> Sample:
        """The sample at a position of the endless sequence of epochs.

        Args:
            position: From 0; the same position gives the same sample.
            together: Samples of one step, which share an orientation (aspect grouping).
            larger: With crops, how many times the recipe's side and face sizes.
        """
        rng = np.random.default_rng([self._seed, 1, position])
        pixels, faces, ignored, mirrored = self._image(position, together)
        if self._rules.crop:
            side = self._rules.crop * larger
            if rng.random() >= self._rules.mosaic:
                made = cropped(pixels, faces, ignored, self._rules, side, larger, rng)
            else:
                others = [self._image(int(other), 1) for other in rng.integers(self._entries, size=3)]
                parts = [(pixels, faces, ignored, mirrored), *others]
                made = mosaic([cropped(*part[:3], self._rules, side // 2, larger / 2, rng) for part in parts])
            return flipped(made) if self._rules.flips and rng.random() < 0.5 else made
        short, _, long = self._rules.resize.partition("x")
        height, width = pixels.shape[:2]
        scale = pair_scale(height, width, (int(short), int(long)))
        data: Float32Array = network_input(pixels, scale)[0]
        faces, ignored = faces * scale, ignored * scale
        made = Sample(data, faces, ignored)
        return flipped(made) if mirrored else made

    def _image(self, position: int, together: int) -> tuple[Image, FloatArray, FloatArray, bool]:
        """Pixels, faces, ignored regions, and whether it is the mirrored entry of its image."""
        epoch, within = divmod(position, self._entries)
        entry = int(self._order(epoch, together)[within])
        count = len(self._dataset.keys)
        pixels = self._read(entry % count)
        return pixels, *boxes_of(self._dataset, entry % count, pixels, self._rules.least_face), entry >= count

    def _read(self, image: int) -> Image:
        """An image's pixels. The order is random, so that which ones are kept does not matter: the first are."""
        held = self._held.get(image)
        if held is not None:
            return held
        path = self._dataset.image(image).path
        assert path is not None
        pixels = read_image(path)
        if self._held_bytes + pixels.nbytes <= _HELD:
            self._held[image] = pixels
            self._held_bytes += pixels.nbytes
        return pixels

    def _order(self, epoch: int, together: int) -> IntArray:
        return _order(self._seed, epoch, together, self._entries, self._wide.tobytes())


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, together: int, entries: int, wide: bytes) -> IntArray:
    """A permutation of an epoch; with aspect grouping, runs of `together` share an orientation."""
    rng = np.random.default_rng([seed, 0, epoch])
    order = rng.permutation(entries)
    if together == 1:
        return order
    flags = np.frombuffer(wide, dtype=np.bool_)
    is_wide = flags[order % len(flags)]
    groups = []
    for part in (order[is_wide], order[~is_wide]):
        whole = len(part) // together * together
        groups += list(part[:whole].reshape(-1, together))
    left = [row for part in (order[is_wide], order[~is_wide]) for row in part[len(part) // together * together :]]
    mixed = [groups[i] for i in rng.permutation(len(groups))]
    return np.concatenate([*mixed, np.array(left, dtype=order.dtype)])


def _are_wide(dataset: Dataset) -> BoolArray:
    """By image, whether it is wider than high, from the file's header."""
    import cv2

    flags = np.zeros(len(dataset.keys), dtype=np.bool_)
    for i in range(len(flags)):
        path = dataset.image(i).path
        # A reduced decode reads the size without the cost of all pixels.
        small = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION)
        flags[i] = small is not None and small.shape[1] >= small.shape[0]
    return flags


def boxes_of(dataset: Dataset, index: int, image: Image, least: float) -> tuple[FloatArray, FloatArray]:
    """Faces and ignored regions of an image, as the release rounds them: x2 = x1 + w, capped at the image's size.

    A face is ignored where the annotation says so (`all`, or WIDER FACE's `invalid`); one with a side under `least` is
    skipped, or ignored where `least` is over the release's 1 pixel, for it is there all the same.
    """
    found = dataset.faces[index]
    boxes = np.round(found.boxes)
    height, width = image.shape[:2]
    boxes = np.hstack((np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], [width - 1, height - 1])))
    ignored = np.zeros(len(boxes), dtype=np.bool_)
    if "all" in found.ignore:
        ignored |= found.ignore["all"]
    if "invalid" in found.attributes:
        ignored |= found.attributes["invalid"] != 0
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    real = sides >= 1
    small = real & (sides < least)
    return boxes[real & ~ignored & ~small], boxes[real & (ignored | small)]


def flipped(one: Sample) -> Sample:
    """An input and its boxes mirrored: the first column becomes the last."""
    last = one.data.shape[2] - 1

    def mirrored(boxes: FloatArray) -> FloatArray:
        return np.column_stack((last - boxes[:, 2], boxes[:, 1], last - boxes[:, 0], boxes[:, 3]))

    return Sample(np.ascontiguousarray(one.data[:, :, ::-1]), mirrored(one.faces), mirrored(one.ignored))


def mosaic(parts: list[Sample]) -> Sample:
    """Ours: four crops as the quarters of one."""
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
    """Ours: a square crop in which a face of the image has a size drawn evenly over octaves.

    Args:
        image: uint8 (height, width, 3) BGR.
        faces: float64 (m, 4) in inclusive pixels.
        ignored: As the faces.
        rules: Ranges and jitter.
        side: Of the crop in pixels.
        larger: How many times the recipe's face sizes.
        rng: Draws everything.

    Faces whose middle is outside are left out, and become ignored regions where a part of them shows.
    """
    import cv2

    scale = float(np.exp(rng.uniform(*np.log(rules.scales))))
    corner = rng.uniform(0, 1, 2)
    if len(faces):
        face = faces[rng.integers(len(faces))]
        size = float(np.sqrt(np.prod(face[2:] - face[:2] + 1)))
        scale = float(np.exp(rng.uniform(*np.log(rules.face_sizes)))) * larger / size
    # An image that fills little of its crop teaches little.
    least = max(rules.scales[0], _FILLED * side / max(image.shape[:2]))
    scale = min(max(scale, least), max(rules.scales[1], least))
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    factors = np.array([width / image.shape[1], height / image.shape[0]] * 2)
    one = np.array([0, 0, 1, 1])  # ends become exclusive, so that sides scale
    faces, ignored = (faces + one) * factors, (ignored + one) * factors
    # Where the crop begins: anywhere, or such that the face's middle is in it. Beyond the image it is grey.
    slack = np.array([width, height]) - side
    start = np.floor(np.minimum(slack, 0) + np.abs(slack) * corner)
    if len(faces):
        middle = (face[:2] + face[2:] + 1) / 2 * factors[:2]
        low, high = np.maximum(middle - side + 1, np.minimum(slack, 0)), np.minimum(middle, np.maximum(slack, 0))
        start = np.floor(low + np.maximum(high - low, 0) * corner)
    left, top = (int(value) for value in start)
    # Only the part that shows is resized.
    matrix = np.array([[factors[0], 0, -left + 0.5 * factors[0] - 0.5], [0, factors[1], -top + 0.5 * factors[1] - 0.5]])
    source: Image = image
    if scale < 0.5:
        source = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        matrix = np.array([[1.0, 0, -left], [0, 1.0, -top]])
    grey = tuple(float(round(value)) for value in MEAN)
    shown = cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=grey)
    pixels = recoloured(np.asarray(shown, dtype=np.uint8), rules, rng)
    data: Float32Array = np.ascontiguousarray(
        (pixels.astype(np.float32) - np.array(MEAN, dtype=np.float32)).transpose(2, 0, 1)
    )
    shift = np.array([left, top] * 2)
    kept, cut = _within(faces - shift, side, rules.least_face)
    ignored = _within(ignored - shift, side, 0.0)[0]
    ignored = np.concatenate((ignored, cut))
    return Sample(data, kept, ignored)


def _within(boxes: FloatArray, side: int, least: float) -> tuple[FloatArray, FloatArray]:
    """Boxes (exclusive ends) cut to the crop, in inclusive pixels: those that are there, and rests that are not."""
    cut = np.clip(boxes, 0, side) - [0, 0, 1, 1]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    shows = (cut[:, 2:] > cut[:, :2]).all(axis=1)
    there = shows & ((middle >= 0) & (middle < side)).all(axis=1)
    large = (cut[:, 2:] - cut[:, :2] + 1).min(axis=1, initial=np.inf) >= least
    return cut[there & large], cut[shows & ~(there & large)]


def recoloured(pixels: Image, rules: Input, rng: np.random.Generator) -> Image:
    """Ours: jitter of brightness, contrast, saturation and hue, and some crops grey or blurred."""
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
