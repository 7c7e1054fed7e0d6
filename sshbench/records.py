"""The frozen records that cross every boundary: images, detections, ground truth, findings.

Box convention, everywhere in the package: float64 corners `x1, y1, x2, y2` in pixels of the original image with
`x2 = x1 + w` and `y2 = y1 + h` as the benchmark files give `x, y, w, h`. Each protocol states whether a width is
`x2 - x1` (continuous) or `x2 - x1 + 1` (inclusive).

A whole dataset is held flat (`DetectionSet`, `FaceSet`): one array for all boxes and `offsets` that cut it by image,
because evaluating flat arrays is fast. `set[i]` gives one image's record, without a copy.

The order of the detections of an image is that of the file or detector they come from, and every step keeps it: the
official matching of FDDB depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError
from sshbench.flat import BoolArray as BoolArray
from sshbench.flat import FloatArray as FloatArray
from sshbench.flat import (
    ImageSet,
    Rows,
    as_columns,
    as_integers,
    as_offsets,
    as_table,
    as_vector,
    counted,
    positions_of,
)
from sshbench.flat import IntArray as IntArray
from sshbench.flat import offsets_of as offsets_of
from sshbench.flat import ranges as ranges
from sshbench.images import Image as Image
from sshbench.items import Finding as Finding
from sshbench.items import ImageRecord as ImageRecord
from sshbench.items import Mask as Mask
from sshbench.items import Region as Region

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detections:
    """The detections of one image.

    Attributes:
        boxes: float64 (n, 4), corners x1, y1, x2, y2 in pixels of the original image (`x2 = x1 + w`).
        scores: float64 (n,), higher is more certain; any range.
        ellipses: float64 (n, 5), as in `DetectionSet`, where the detections are ellipses.
        positions: int64 (n,), as in `DetectionSet`.

    Raises:
        SshbenchError: An array has another shape, or does not hold numbers.

    >>> Detections.from_xywh([[10, 20, 30, 40]], [0.5]).boxes
    array([[10., 20., 40., 60.]])
    """

    boxes: FloatArray
    scores: FloatArray
    ellipses: FloatArray | None = None
    positions: IntArray | None = None

    def __post_init__(self) -> None:
        _set_detections(self)

    @classmethod
    def from_xywh(cls, xywh: npt.ArrayLike, scores: npt.ArrayLike) -> Detections:
        """Make detections from `x, y, w, h` rows, with `x2 = x + w` and `y2 = y + h`."""
        boxes = as_table(xywh, 4, "boxes").copy()
        boxes[:, 2:] += boxes[:, :2]
        return cls(boxes, np.asarray(scores, dtype=np.float64))

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.empty((0, 4)), np.empty(0))

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"Detections({counted(len(self), 'detection')}{_score_range(self.scores)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Faces:
    """The ground truth of one image.

    Attributes:
        boxes: float64 (m, 4), corners as in `Detections`.
        ignore: By subset name, bool (m,): True where the face does not count in that subset.
        attributes: By attribute name (blur, pose, ...), int8 (m,), the dataset's own codes.

    Raises:
        SshbenchError: An array has another shape.

    >>> faces = Faces([[10, 20, 40, 60], [0, 0, 5, 5]], ignore={"easy": [False, True]})
    >>> faces, faces.boxes[~faces.ignore["easy"]].tolist()
    (Faces(2 faces), [[10.0, 20.0, 40.0, 60.0]])
    """

    boxes: FloatArray
    ignore: Mapping[str, BoolArray] = field(default_factory=dict)
    attributes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set_faces(self)

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f"Faces({counted(len(self), 'face')})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DetectionSet(ImageSet[Detections]):
    """The detections of a whole dataset, flat; see `ImageSet` for how to get at its images.

    Attributes:
        keys: Image keys, each once, in the dataset's order.
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
        boxes: float64 (n, 4), corners as in `Detections`.
        scores: float64 (n,).
        ellipses: float64 (n, 5), major radius, minor radius, angle in radians, centre x, centre y, where the
            detections are ellipses (FDDB); then `boxes` holds their bounding boxes.
        positions: int64 (n,), position of each detection in the file that it was read from, where a protocol breaks
            ties between images by it (PASCAL Faces).

    Raises:
        SshbenchError: A key comes twice, the offsets do not rise from 0 to n, or an array has another shape.

    >>> found = DetectionSet.from_images([("e/a", Detections([[1, 2, 3, 4]], [0.5])), ("e/b", Detections.empty())])
    >>> found, len(found[-1]), found["e/a"].scores, found[1:].keys
    (DetectionSet(2 images, 1 detection), 0, array([0.5]), ('e/b',))
    """

    keys: tuple[str, ...]
    offsets: IntArray
    boxes: FloatArray
    scores: FloatArray
    ellipses: FloatArray | None = None
    positions: IntArray | None = None
    _where: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        _set_detections(self)
        _set_keys(self, len(self.boxes), "detections")

    @classmethod
    def from_images(cls, images: Iterable[tuple[str, Detections]]) -> DetectionSet:
        """Join the detections of images, and keep the order given.

        Raises:
            SshbenchError: A key comes twice, or some images have ellipses (or positions) and others have none; images
                without detections do not matter.
        """
        pairs = list(images)
        boxes = [d.boxes for _, d in pairs]
        scores = [d.scores for _, d in pairs]
        return cls(
            keys=tuple(key for key, _ in pairs),
            offsets=offsets_of([len(d) for _, d in pairs]),
            boxes=np.concatenate(boxes) if boxes else np.empty((0, 4)),
            scores=np.concatenate(scores) if scores else np.empty(0),
            ellipses=_joined([(key, d.ellipses) for key, d in pairs if len(d)], "ellipses"),
            positions=_joined([(key, d.positions) for key, d in pairs if len(d)], "positions"),
        )

    def __repr__(self) -> str:
        return f"DetectionSet({counted(len(self), 'image')}, {counted(self.total, 'detection')})"

    def _image(self, index: int) -> Detections:
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return Detections(
            self.boxes[rows],
            self.scores[rows],
            None if self.ellipses is None else self.ellipses[rows],
            None if self.positions is None else self.positions[rows],
        )

    def _part(self, keys: tuple[str, ...], offsets: IntArray, rows: Rows, images: Rows) -> DetectionSet:
        return DetectionSet(
            keys=keys,
            offsets=offsets,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            ellipses=None if self.ellipses is None else self.ellipses[rows],
            positions=None if self.positions is None else self.positions[rows],
        )

    @property
    def total(self) -> int:
        """Number of detections over all images."""
        return len(self.scores)

    @property
    def digest(self) -> str:
        """sha256 of offsets, boxes and scores, and of the ellipses where there are some, as they lie in memory."""
        digest = hashlib.sha256(self.offsets.tobytes())
        digest.update(self.boxes.tobytes())
        digest.update(self.scores.tobytes())
        if self.ellipses is not None:
            digest.update(self.ellipses.tobytes())
        return digest.hexdigest()

    def aligned(self, keys: Sequence[str]) -> DetectionSet:
        """Return the detections of `keys`, in that order; images without an entry get none.

        Raises:
            SshbenchError: A key comes twice.
        """
        if tuple(keys) == self.keys:
            return self
        images = np.array([self._where.get(key, -1) for key in keys], dtype=np.int64)
        # One image more, without detections, stands for those that have no entry: index -1 finds it.
        starts = np.append(self.offsets[:-1], 0)[images]
        counts = np.append(np.diff(self.offsets), 0)[images]
        return self._part(tuple(keys), offsets_of(counts), ranges(starts, counts), images)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceSet(ImageSet[Faces]):
    """The ground truth of a whole dataset, flat; see `ImageSet` for how to get at its images.

    Attributes:
        keys: Image keys in the dataset's order.
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
        boxes: float64 (m, 4), corners as in `Faces`.
        ignore: By subset name, bool (m,): True where the face does not count.
        attributes: By attribute name, int8 (m,).
        ellipses: float64 (m, 5), as in `DetectionSet`, where faces are annotated so (FDDB).
        sizes: int64 (images, 2), width and height in pixels, where they are known.
        areas: float64 (m,), square pixels, where the annotation gives them (COCO); they need not be those of the boxes.
        regions: By image, the pixels of each face, where they are drawn already (FDDB).
        folds: First and last image (exclusive) of the parts that a benchmark divides its images into (FDDB); a set cut
            out of another one has none.

    Raises:
        SshbenchError: A key comes twice, the offsets do not rise from 0 to m, or an array has another shape.

    >>> truth = FaceSet(("a", "b"), [0, 1, 1], [[10, 20, 40, 60]], {"all": [False]})
    >>> truth, truth["a"].boxes.tolist(), len(truth["b"]), truth.counted("all")
    (FaceSet(2 images, 1 face), [[10.0, 20.0, 40.0, 60.0]], 0, 1)
    """

    keys: tuple[str, ...]
    offsets: IntArray
    boxes: FloatArray
    ignore: Mapping[str, BoolArray]
    attributes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    ellipses: FloatArray | None = None
    sizes: IntArray | None = None
    areas: FloatArray | None = None
    regions: Sequence[Sequence[Region]] | None = None
    folds: tuple[tuple[int, int], ...] = ()

    _where: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        _set_faces(self)
        _set_keys(self, len(self.boxes), "ground truth")
        if self.ellipses is not None:
            object.__setattr__(self, "ellipses", as_table(self.ellipses, 5, "ellipses", len(self.boxes)))
        if self.sizes is not None:
            object.__setattr__(self, "sizes", as_integers(self.sizes, "sizes", len(self.keys), 2))
        if self.areas is not None:
            object.__setattr__(self, "areas", as_vector(self.areas, "areas", len(self.boxes)))

    def __repr__(self) -> str:
        return f"FaceSet({counted(len(self), 'image')}, {counted(self.total, 'face')})"

    def _image(self, index: int) -> Faces:
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return Faces(
            self.boxes[rows],
            {name: flags[rows] for name, flags in self.ignore.items()},
            {name: values[rows] for name, values in self.attributes.items()},
        )

    def _part(self, keys: tuple[str, ...], offsets: IntArray, rows: Rows, images: Rows) -> FaceSet:
        return FaceSet(
            keys=keys,
            offsets=offsets,
            boxes=self.boxes[rows],
            ignore={name: flags[rows] for name, flags in self.ignore.items()},
            attributes={name: values[rows] for name, values in self.attributes.items()},
            ellipses=None if self.ellipses is None else self.ellipses[rows],
            sizes=None if self.sizes is None else self.sizes[images],
            areas=None if self.areas is None else self.areas[rows],
            regions=None if self.regions is None else [self.regions[i] for i in np.arange(len(self))[images].tolist()],
        )

    @property
    def total(self) -> int:
        """Number of annotated faces over all images, ignored ones included."""
        return len(self.boxes)

    def counted(self, subset: str) -> int:
        """Return the number of faces that count in `subset`."""
        return int(np.count_nonzero(~self.ignore[subset]))

    def counted_by_image(self, subset: str) -> IntArray:
        """Return how many faces of each image count in `subset`: int64 (images,)."""
        return self.per_image(~self.ignore[subset])

    def per_image(self, chosen: BoolArray) -> IntArray:
        """Return how many of the chosen faces, bool (m,), each image has: int64 (images,)."""
        return np.bincount(self.image_rows[chosen], minlength=len(self))


def _joined(parts: Sequence[tuple[str, npt.NDArray[_Scalar] | None]], what: str) -> npt.NDArray[_Scalar] | None:
    """Arrays of all images in one; None where no image has any."""
    present = [part for _, part in parts if part is not None]
    if present and len(present) < len(parts):
        having = next(key for key, part in parts if part is not None)
        lacking = next(key for key, part in parts if part is None)
        text = f"image {having!r} has {what} and image {lacking!r} has none"
        raise SshbenchError(text, remedy=f"Give {what} for all images with detections, or for none")
    return np.concatenate(present) if present else None


def _set_detections(record: Detections | DetectionSet) -> None:
    """Check the arrays of detections, and keep them as the types that the records promise."""
    boxes = as_table(record.boxes, 4, "boxes")
    object.__setattr__(record, "boxes", boxes)
    object.__setattr__(record, "scores", as_vector(record.scores, "scores", len(boxes)))
    if record.ellipses is not None:
        object.__setattr__(record, "ellipses", as_table(record.ellipses, 5, "ellipses", len(boxes)))
    if record.positions is not None:
        object.__setattr__(record, "positions", as_integers(record.positions, "positions", len(boxes)))


def _set_faces(record: Faces | FaceSet) -> None:
    """Check the arrays that faces have in one image as in a dataset, and keep them as the promised types."""
    boxes = as_table(record.boxes, 4, "boxes")
    object.__setattr__(record, "boxes", boxes)
    object.__setattr__(record, "ignore", as_columns(record.ignore, "ignore flags of subset", len(boxes), np.bool_))
    object.__setattr__(record, "attributes", as_columns(record.attributes, "attribute", len(boxes), np.int8))


def _set_keys(record: DetectionSet | FaceSet, rows: int, what: str) -> None:
    """Check keys and offsets, and keep the position of each key."""
    object.__setattr__(record, "_where", positions_of(record.keys, what))
    object.__setattr__(record, "offsets", as_offsets(record.offsets, len(record.keys), rows, what))


def _score_range(scores: FloatArray) -> str:
    return f", scores {scores.min():g} to {scores.max():g}" if len(scores) else ""
