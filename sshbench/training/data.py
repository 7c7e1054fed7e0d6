"""Training samples: network inputs with their faces.

Every sample is a function of the seed and its position, so that a stopped training resumes exactly.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.errors import MissingDataError
from sshbench.records import BoolArray, FloatArray, Image, IntArray
from sshbench.ssh.preprocess import network_input, pair_scale
from sshbench.training.crops import Sample, cropped, flipped, mosaic
from sshbench.training.recipe import Input

_CACHED_BYTES = 2 * 2**30  # decoded images kept in memory: a small dataset is read once, a large one in part


class TrainingData:
    """The images of a dataset as training samples.

    Args:
        dataset: A dataset with image files.
        rules: Sizes, flips and crops.
        seed: Seed of the order and of all random numbers.

    Raises:
        MissingDataError: The dataset has no images.
    """

    def __init__(self, dataset: Dataset, rules: Input, seed: int) -> None:
        self._dataset, self._rules, self._seed = dataset, rules, seed
        self._cache: dict[int, Image] = {}
        self._cached_bytes = 0
        count = len(dataset.keys)
        if not count:
            raise MissingDataError("the training set has no images", remedy="Check the annotation file and --data")
        # Entries from `count` on are mirrored images: the release doubles its list of images in this way.
        self._entries = count * (2 if rules.flips and not rules.crop else 1)
        self._wide = _are_wide(dataset) if not rules.crop else np.zeros(count, dtype=np.bool_)

    def __len__(self) -> int:
        return self._entries

    def sample(self, position: int, together: int = 1, larger: int = 1) -> Sample:
        """Return the sample at a position of the endless sequence of epochs.

        Args:
            position: Position from 0; the same position always gives the same sample.
            together: Number of consecutive samples with the same orientation (aspect grouping of the images of a step).
            larger: With crops, factor on the recipe's crop side and face sizes.
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
        height, width = pixels.shape[:2]
        scale = pair_scale(height, width, self._rules.size_pair())
        made = Sample(network_input(pixels, scale)[0], faces * scale, ignored * scale)
        return flipped(made) if mirrored else made

    def _image(self, position: int, together: int) -> tuple[Image, FloatArray, FloatArray, bool]:
        """Return pixels, faces, ignored regions, and whether the entry is a mirrored image."""
        epoch, within = divmod(position, self._entries)
        entry = int(self._order(epoch, together)[within])
        count = len(self._dataset.keys)
        pixels = self._read(entry % count)
        return pixels, *boxes_of(self._dataset, entry % count, pixels, self._rules.min_face), entry >= count

    def _read(self, image: int) -> Image:
        """Return the pixels of an image, cached while there is room: in random order, any choice is as good."""
        cached = self._cache.get(image)
        if cached is not None:
            return cached
        pixels = self._dataset.image(image).read()
        if self._cached_bytes + pixels.nbytes <= _CACHED_BYTES:
            self._cache[image] = pixels
            self._cached_bytes += pixels.nbytes
        return pixels

    def _order(self, epoch: int, together: int) -> IntArray:
        return _order(self._seed, epoch, together, self._entries, self._wide.tobytes())


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, together: int, entries: int, wide: bytes) -> IntArray:
    """Return the order of an epoch; with aspect grouping, runs of `together` entries share an orientation."""
    rng = np.random.default_rng([seed, 0, epoch])
    order = rng.permutation(entries)
    if together == 1:
        return order
    flags = np.frombuffer(wide, dtype=np.bool_)
    is_wide = flags[order % len(flags)]
    groups: list[IntArray] = []
    rest: list[IntArray] = []
    for part in (order[is_wide], order[~is_wide]):
        whole = len(part) // together * together
        groups += list(part[:whole].reshape(-1, together))
        rest.append(part[whole:])
    mixed = [groups[i] for i in rng.permutation(len(groups))]
    return np.concatenate([*mixed, *rest])


def _are_wide(dataset: Dataset) -> BoolArray:
    """Return, per image, whether it is at least as wide as high."""
    import cv2

    flags = np.zeros(len(dataset.keys), dtype=np.bool_)
    for i in range(len(flags)):
        path = dataset.image(i).path
        # Decoding at an eighth of the size gives the orientation at a fraction of the cost.
        small = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION)
        flags[i] = small is not None and small.shape[1] >= small.shape[0]
    return flags


def boxes_of(dataset: Dataset, index: int, image: Image, min_face: float) -> tuple[FloatArray, FloatArray]:
    """Return faces and ignored regions of an image, rounded as in the release: x2 = x1 + w, cut at the image's border.

    A face is an ignored region if the annotation says so (`ignore`, or WIDER FACE's `invalid`), or if a side is shorter
    than `min_face` pixels. Faces with a side below one pixel are dropped.

    Args:
        dataset: Dataset of the image.
        index: Number of the image in it.
        image: Its pixels.
        min_face: Minimum side of a face in pixels.

    Returns:
        Two float64 arrays (m, 4) and (k, 4): x1 y1 x2 y2 in inclusive pixels of the image.
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
    small = real & (sides < min_face)
    return boxes[real & ~ignored & ~small], boxes[real & (ignored | small)]
