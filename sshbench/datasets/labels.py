"""Suspicious annotations of a dataset: boxes that cannot be right, and images and labels that do not fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.boxes import pairwise_iou
from sshbench.datasets.base import Dataset
from sshbench.datasets.label_images import ImageFile, image_issues
from sshbench.datasets.label_kinds import LabelIssue
from sshbench.formats.places import Place, Places
from sshbench.records import BoolArray, FloatArray

SAME_BOX = 0.95
"""IoU over which two boxes of one image are taken for the same."""
HUGE = 0.95
"""Share of width and of height of the image that a huge box has at least."""
_EDGE = 1.0  # pixels beyond the edge that are taken for rounding, or for boxes that count their last pixel


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What was found in the annotation of a dataset.

    Attributes:
        dataset: Name.
        root: The folder, or the annotation file.
        images: Number of annotated images.
        read: Number of images whose files were read.
        faces: Number of annotated faces.
        issues: What was found, images first.
    """

    dataset: str
    root: Path
    images: int
    read: int
    faces: int
    issues: tuple[LabelIssue, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be there."""
        return not any(issue.severity == "error" for issue in self.issues)

    def counts(self) -> dict[str, int]:
        """Return how often each kind was found."""
        return dict(Counter(issue.code for issue in self.issues))


def check_labels(dataset: Dataset, progress: Callable[[int], None] | None = None) -> LabelReport:
    """List suspicious annotations of a loaded dataset; every image file that is there is read.

    Boxes are checked against the annotated size of their image, else against that of its file; where there is neither,
    only against the upper and left edge.

    Args:
        dataset: With its images, as far as they are at hand.
        progress: Called with the number of images that were read since the last call.

    >>> import sshbench
    >>> report = check_labels(sshbench.load_dataset("sample"))
    >>> report.ok, report.images, report.read, report.counts()
    (True, 24, 24, {})
    """
    files, about_images = image_issues(dataset, progress)
    places = dataset.locate() if dataset.locate is not None else {}
    issues = [*about_images, *_box_issues(dataset, files, places)]
    read = sum(file.size is not None for file in files)
    return LabelReport(dataset.name, dataset.root, len(dataset), read, dataset.faces.total, tuple(issues))


def _box_issues(dataset: Dataset, files: list[ImageFile], places: Places) -> Iterator[LabelIssue]:
    faces = dataset.faces
    counts = _counts_somewhere(dataset)
    annotated = faces.sizes
    for i, key in enumerate(faces.keys):
        first, last = int(faces.offsets[i]), int(faces.offsets[i + 1])
        boxes = faces.boxes[first:last]
        if not len(boxes):
            continue
        size = files[i].size if annotated is None else (int(annotated[i, 0]), int(annotated[i, 1]))
        own = places.get(key, ())
        for code, n, text in sorted(_of_image(boxes, size), key=lambda found: found[1]):
            place = own[n] if len(own) == len(boxes) else Place(_source(dataset), None, f"{key}, face {n + 1}")
            yield LabelIssue.of(code, place, image=key, value=text, harmless=not counts[first + n])


def _counts_somewhere(dataset: Dataset) -> BoolArray:
    """Return which faces count in some subset; all where the annotation ignores none."""
    flags = list(dataset.faces.ignore.values())
    return ~np.logical_and.reduce(flags) if flags else np.ones(dataset.faces.total, dtype=np.bool_)


def _source(dataset: Dataset) -> Path:
    return dataset.sources[0] if dataset.sources else dataset.root


def _of_image(boxes: FloatArray, size: tuple[int, int] | None) -> Iterator[tuple[str, int, str]]:
    """Yield kind, face and value of what is suspicious about the boxes of one image."""
    sides = boxes[:, 2:] - boxes[:, :2]
    flat: BoolArray = np.asarray((sides <= 0).any(axis=1))
    relative = ~flat & (boxes >= 0).all(axis=1) & (boxes <= 1).all(axis=1) & (boxes % 1 != 0).any(axis=1)
    limit = np.array(size if size is not None else (np.inf, np.inf), dtype=np.float64)
    outside = ~flat & ~relative & ((boxes[:, :2] >= limit) | (boxes[:, 2:] <= 0)).any(axis=1)
    over = np.maximum(-boxes[:, :2], boxes[:, 2:] - limit).max(axis=1)
    beyond = ~flat & ~outside & (over > _EDGE)
    huge = ~outside & (sides >= HUGE * limit).all(axis=1)
    of = "" if size is None else f" of {size[0]}x{size[1]}"
    marks: tuple[tuple[str, BoolArray, str], ...] = (
        ("no-size", flat, ""),
        ("relative-box", relative, ""),
        ("outside", outside, of),
        ("beyond-edge", beyond, of),
        ("huge-box", huge, of),
    )
    for code, chosen, more in marks:
        for n in np.flatnonzero(chosen).tolist():
            yield code, n, _xywh(boxes[n]) + more
    for n, other, iou in _same(boxes, flat):
        yield "duplicate-box", n, f"{_xywh(boxes[n])}, IoU {iou:.3f} with face {other + 1}"


def _same(boxes: FloatArray, flat: BoolArray) -> Iterator[tuple[int, int, float]]:
    """Yield the faces that are nearly equal to an earlier one of their image, with the first such and the IoU."""
    iou = np.triu(pairwise_iou(boxes, boxes), k=1).T
    iou[flat] = iou[:, flat] = 0
    for n in np.flatnonzero((iou > SAME_BOX).any(axis=1)).tolist():
        other = int(np.argmax(iou[n] > SAME_BOX))
        yield n, other, float(iou[n, other])


def _xywh(box: FloatArray) -> str:
    x1, y1, x2, y2 = box.tolist()
    return f"{x1:g} {y1:g} {x2 - x1:g} {y2 - y1:g} (x y w h)"
