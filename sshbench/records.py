"""The frozen records that cross every boundary: images, detections, ground truth, findings.

Box convention, everywhere in the package: float64 corners `x1, y1, x2, y2` in pixels of the original image with
`x2 = x1 + w` and `y2 = y1 + h` as the benchmark files give `x, y, w, h`. Whether a width is `x2 - x1` (continuous) or
`x2 - x1 + 1` (inclusive) is the evaluator's business and is stated by its protocol.

A whole dataset is held flat (`DetectionSet`, `FaceSet`): one array for all boxes and `offsets` that cut it by image,
because evaluating flat arrays is what makes exactness fast. `set[i]` gives one image's record, without a copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
"""An image as OpenCV gives it: uint8, shape (height, width, 3), channels in B, G, R order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader or a check saw that a user should know.

    Attributes:
        code: Stable short name, for example `missing-file`; machines look at this.
        message: One sentence for people, with the remedy where there is one.
        files: The files it was seen in; all of them, however many.
    """

    code: str
    message: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.files:
            return self.message
        shown = ", ".join(self.files[:3])
        more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
        return f"{self.message} [{shown}{more}]"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Who an image is, where it lies and how large it is.

    Attributes:
        key: Identity within the dataset, for WIDER `<event>/<name without suffix>`.
        path: The image file, or None where only the annotations are at hand.
        width: Pixels, or None where not known without opening the file.
        height: Pixels, or None where not known without opening the file.
    """

    key: str
    path: Path | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The detections of one image.

    Attributes:
        boxes: float64 (n, 4), corners x1, y1, x2, y2 in pixels of the original image (`x2 = x1 + w`).
        scores: float64 (n,), larger is surer; any range.
        ellipses: float64 (n, 5), as in `DetectionSet`, where the detections are ellipses.
        positions: int64 (n,), as in `DetectionSet`.

    >>> Detections.from_xywh([[10, 20, 30, 40]], [0.5]).boxes
    array([[10., 20., 40., 60.]])
    """

    boxes: FloatArray
    scores: FloatArray
    ellipses: FloatArray | None = None
    positions: IntArray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", _as_boxes(self.boxes))
        object.__setattr__(self, "scores", _as_vector(self.scores))
        if len(self.boxes) != len(self.scores):
            raise SshbenchError(f"{len(self.boxes)} boxes but {len(self.scores)} scores in one image's detections")

    @classmethod
    def from_xywh(cls, xywh: npt.ArrayLike, scores: npt.ArrayLike) -> Detections:
        """Make detections from `x, y, w, h` rows, with `x2 = x + w` and `y2 = y + h`."""
        boxes = _as_boxes(xywh).copy()
        boxes[:, 2:] += boxes[:, :2]
        return cls(boxes, np.asarray(scores, dtype=np.float64))

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.empty((0, 4)), np.empty(0))

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The ground truth of one image.

    Attributes:
        boxes: float64 (m, 4), corners as in `Detections`.
        ignore: By subset name, bool (m,): True where the face does not count in that subset.
        attributes: By attribute name (blur, pose, ...), int8 (m,), the dataset's own codes.
    """

    boxes: FloatArray
    ignore: Mapping[str, BoolArray] = field(default_factory=dict)
    attributes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class DetectionSet(Sequence[Detections]):
    """The detections of a whole dataset, flat.

    Attributes:
        keys: Image keys, one an image, in the dataset's order.
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
        boxes: float64 (n, 4), corners as in `Detections`.
        scores: float64 (n,).
        ellipses: float64 (n, 5), major radius, minor radius, angle in radians, centre x, centre y, where the
            detections are ellipses (FDDB); then `boxes` holds their bounding boxes.
        positions: int64 (n,), position of each detection in the file that it was read from, where a protocol breaks
            ties between images by it (PASCAL Faces).
    """

    keys: tuple[str, ...]
    offsets: IntArray
    boxes: FloatArray
    scores: FloatArray
    ellipses: FloatArray | None = None
    positions: IntArray | None = None

    def __post_init__(self) -> None:
        _check_offsets(self.keys, self.offsets, len(self.boxes), "detections")
        if len(self.boxes) != len(self.scores):
            raise SshbenchError(f"{len(self.boxes)} boxes but {len(self.scores)} scores in the detections")

    @classmethod
    def from_images(cls, images: Iterable[tuple[str, Detections]]) -> DetectionSet:
        """Join per-image detections, kept in the order given."""
        pairs = list(images)
        boxes = [d.boxes for _, d in pairs]
        scores = [d.scores for _, d in pairs]
        return cls(
            keys=tuple(key for key, _ in pairs),
            offsets=offsets_of([len(d) for _, d in pairs]),
            boxes=np.concatenate(boxes) if boxes else np.empty((0, 4)),
            scores=np.concatenate(scores) if scores else np.empty(0),
            ellipses=_joined([d.ellipses for _, d in pairs if len(d)]),
            positions=_joined([d.positions for _, d in pairs if len(d)]),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: Any) -> Any:
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return Detections(
            self.boxes[rows],
            self.scores[rows],
            None if self.ellipses is None else self.ellipses[rows],
            None if self.positions is None else self.positions[rows],
        )

    def __iter__(self) -> Iterator[Detections]:
        return (self[i] for i in range(len(self.keys)))

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
        """Return the detections of `keys`, in that order; images without an entry get none."""
        if tuple(keys) == self.keys:
            return self
        where = {key: i for i, key in enumerate(self.keys)}
        images = np.array([where.get(key, -1) for key in keys], dtype=np.int64)
        # One image more, without detections, stands for those that have no entry: index -1 finds it.
        starts = np.append(self.offsets[:-1], 0)
        counts = np.append(np.diff(self.offsets), 0)
        rows = ranges(starts[images], counts[images])
        return DetectionSet(
            keys=tuple(keys),
            offsets=offsets_of(counts[images]),
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            ellipses=None if self.ellipses is None else self.ellipses[rows],
            positions=None if self.positions is None else self.positions[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet(Sequence[Faces]):
    """The ground truth of a whole dataset, flat.

    Attributes:
        keys: Image keys in the dataset's order.
        offsets: int64 (images + 1,); image i owns rows `offsets[i]:offsets[i + 1]`.
        boxes: float64 (m, 4), corners as in `Faces`.
        ignore: By subset name, bool (m,): True where the face does not count.
        attributes: By attribute name, int8 (m,).
        ellipses: float64 (m, 5), as in `DetectionSet`, where faces are annotated so (FDDB).
        sizes: int64 (images, 2), width and height in pixels, where they are known.
        areas: float64 (m,), square pixels, where the annotation gives them (COCO); they need not be those of the boxes.
    """

    keys: tuple[str, ...]
    offsets: IntArray
    boxes: FloatArray
    ignore: Mapping[str, BoolArray]
    attributes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    ellipses: FloatArray | None = None
    sizes: IntArray | None = None
    areas: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_offsets(self.keys, self.offsets, len(self.boxes), "ground truth")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: Any) -> Any:
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return Faces(
            self.boxes[rows],
            {name: flags[rows] for name, flags in self.ignore.items()},
            {name: values[rows] for name, values in self.attributes.items()},
        )

    def __iter__(self) -> Iterator[Faces]:
        return (self[i] for i in range(len(self.keys)))

    @property
    def total(self) -> int:
        """Number of annotated faces over all images, ignored ones included."""
        return len(self.boxes)

    def counted(self, subset: str) -> int:
        """Number of faces that count in `subset`."""
        return int(np.count_nonzero(~self.ignore[subset]))

    def select(self, images: Sequence[int]) -> FaceSet:
        """Return the ground truth of the images at these positions, in that order."""
        counts = np.diff(self.offsets)
        picked = np.asarray(images, dtype=np.int64)
        rows = ranges(self.offsets[picked], counts[picked])
        return FaceSet(
            keys=tuple(self.keys[i] for i in images),
            offsets=offsets_of(counts[picked]),
            boxes=self.boxes[rows],
            ignore={name: flags[rows] for name, flags in self.ignore.items()},
            attributes={name: values[rows] for name, values in self.attributes.items()},
            ellipses=None if self.ellipses is None else self.ellipses[rows],
            sizes=None if self.sizes is None else self.sizes[picked],
            areas=None if self.areas is None else self.areas[rows],
        )


def offsets_of(counts: npt.ArrayLike) -> IntArray:
    """Cumulative offsets of per-image counts: int64 (images + 1,).

    >>> offsets_of([2, 0, 3])
    array([0, 2, 2, 5])
    """
    sizes = np.asarray(counts, dtype=np.int64)
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """Concatenate `arange(start, start + count)` for each pair.

    >>> ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    joined: IntArray = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return joined


def _joined(parts: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    """Arrays of all images in one; None where they do not have any."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present and len(present) == len(parts) else None


def _as_boxes(values: npt.ArrayLike) -> FloatArray:
    boxes = np.asarray(values, dtype=np.float64)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise SshbenchError(f"boxes must have shape (n, 4), not {boxes.shape}")
    return boxes


def _as_vector(values: npt.ArrayLike) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise SshbenchError(f"scores must have shape (n,), not {vector.shape}")
    return vector


def _check_offsets(keys: tuple[str, ...], offsets: IntArray, rows: int, what: str) -> None:
    if len(offsets) != len(keys) + 1 or int(offsets[-1]) != rows:
        raise SshbenchError(f"offsets of the {what} do not fit {len(keys)} images and {rows} rows")
