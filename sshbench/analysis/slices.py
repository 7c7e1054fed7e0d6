"""Slices: how well parts of a dataset do, by height, attributes, events, crowds and divisions of the user's own.

The headline of a part is its recall at one operating point, because it means the same in every part; `slice_ap` says
what the average precisions of a part mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from sshbench.analysis.axes import HEIGHT, JOINT, Axis, axes_of, crossed, face_heights, height_class, height_parts
from sshbench.analysis.intervals import LEAST_FACES, LEAST_IMAGES, MANY_UNDEFINED, spread
from sshbench.analysis.pvalues import max_t_p, two_sided_p
from sshbench.analysis.record import Slice, Spread
from sshbench.analysis.resample import Resampling
from sshbench.analysis.slice_ap import SliceAps, SliceCurves
from sshbench.analysis.subject import Subject
from sshbench.evaluators.base import Fates
from sshbench.protocols import CocoEvaluation
from sshbench.records import BoolArray, FloatArray, IntArray

_Pair = tuple[float | None, float | None]
_NONE: _Pair = (None, None)
_LEAST_STANDARD = 30
"""Faces of a height from which their recall enters the standardised one."""


def slices(
    subject: Subject,
    threshold: float,
    *,
    own: Mapping[str, Mapping[str, str]] | None = None,
    cross: tuple[str, str] | None = None,
) -> tuple[Slice, ...]:
    """Compute the figures of all parts of all axes.

    Args:
        subject: The evaluation, and the curve whose counted faces are divided.
        threshold: Raw score of the operating point: detections with it or a higher one are kept.
        own: By axis and image key, the name of the image's part; images that are not in it form the part `unassigned`.
        cross: Names of two axes whose joint parts are listed too.

    Returns:
        One per part, parts without faces included, in the order of the axes. FDDB has no AP.

    Raises:
        UsageError: `own` has the name of another axis or an image that the dataset does not have; `cross` names an
            unknown axis, or has too many joint parts.
    """
    faces = subject.faces
    fates = subject.fates(threshold)
    counted = fates.found | fates.missed
    axes = axes_of(faces, counted, areas=isinstance(subject.protocol.evaluation, CocoEvaluation), own=own)
    if cross is not None:
        axes = (*axes, crossed(axes, cross))
    whole = _Whole(subject, fates, counted, face_heights(faces))
    recalls = _recalls(whole, axes, subject.resampling)
    curves = SliceCurves.of(subject)
    listed: list[Slice] = []
    for axis, of_parts in zip(axes, recalls, strict=True):
        listed += _slices_of(axis, whole, curves, of_parts)
    return tuple(listed)


@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """What all axes share: the evaluation at the operating point, and heights of faces, float64 (m,)."""

    subject: Subject
    fates: Fates
    counted: BoolArray
    heights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Recalls:
    """Counts and recalls of the parts of one axis.

    Attributes:
        faces: int64 (parts,), counted.
        images: int64 (parts,), images with counted faces.
        found: int64 (parts,).
        recall: By part.
        difference: By part, to the other parts together; None where one side has no face.
        p_adjusted: By part; None where there is no interval.
    """

    faces: IntArray
    images: IntArray
    found: IntArray
    recall: list[Spread]
    difference: list[Spread | None]
    p_adjusted: list[float | None]


def _slices_of(axis: Axis, whole: _Whole, curves: SliceCurves | None, recalls: _Recalls) -> Iterator[Slice]:
    part = axis.part_of_faces(whole.subject.faces.image_rows)
    sizes = np.bincount(axis.image_class, minlength=axis.image_classes)
    parts = len(axis.parts)
    medians = _medians(whole.heights[whole.counted], part[whole.counted], parts)
    precision = standard = [_NONE] * parts
    if axis.of == "images":
        precision = _precision(axis, whole, sizes)
    if HEIGHT not in axis.name.split(JOINT):
        standard = _standardised(part, whole, parts)
    figures: Sequence[SliceAps] = [SliceAps()] * parts
    if curves is not None:
        figures = curves.figures(axis, part, recalls.faces)
    for number, name in enumerate(axis.parts):
        yield Slice(
            axis=axis.name,
            part=name,
            of=axis.of,
            faces=int(recalls.faces[number]),
            images=int(sizes[number] if axis.of == "images" else recalls.images[number]),
            median_height=medians[number],
            found=int(recalls.found[number]),
            recall=recalls.recall[number],
            precision=precision[number][0],
            fppi=precision[number][1],
            normalised_ap=figures[number].normalised,
            ap=figures[number].raw,
            ap_own=figures[number].own,
            standardised=standard[number][0],
            covered=standard[number][1],
            difference=recalls.difference[number],
            p_adjusted=recalls.p_adjusted[number],
        )


def _medians(heights: FloatArray, part: IntArray, parts: int) -> list[float | None]:
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(parts + 1))
    cut = [heights[order[first:last]] for first, last in pairwise(bounds)]
    return [float(np.median(one)) if len(one) else None for one in cut]


def _precision(axis: Axis, whole: _Whole, sizes: IntArray) -> list[_Pair]:
    """Return precision and false detections per image of the parts of an axis of images."""
    images = whole.subject.detections.image_rows
    known = images < len(whole.subject.faces)
    right, false = (
        np.bincount(axis.image_class[images[known & role]], minlength=len(axis.parts))
        for role in (whole.fates.right, whole.fates.false)
    )
    rows = zip(right.tolist(), false.tolist(), sizes.tolist(), strict=True)
    return [(r / (r + f) if r + f else None, f / size if size else None) for r, f, size in rows]


def _standardised(part: IntArray, whole: _Whole, parts: int) -> list[_Pair]:
    """Return the recall with the heights of all counted faces, and the share of heights that it rests on."""
    heights = len(height_parts())
    place = part * heights + height_class(whole.heights)
    faces, found = (
        np.bincount(place[chosen], minlength=parts * heights).reshape(parts, heights)
        for chosen in (whole.counted, whole.fates.found)
    )
    total = int(faces.sum())
    if not total:
        return [_NONE] * parts
    used = np.where(faces >= _LEAST_STANDARD, faces.sum(axis=0) / total, 0.0)
    covered = used.sum(axis=1)
    summed = (used * found / np.maximum(faces, 1)).sum(axis=1)
    return [(s / c if c else None, c) for s, c in zip(summed.tolist(), covered.tolist(), strict=True)]


def _recalls(whole: _Whole, axes: Sequence[Axis], resampling: Resampling) -> list[_Recalls]:
    """Count faces and compute intervals, of all axes with the same resampled datasets."""
    rows, n = whole.subject.faces.image_rows, len(whole.subject.faces)
    parts = [len(axis.parts) for axis in axes]
    starts = np.cumsum([0, *parts])
    place = [axis.part_of_faces(rows) + start for axis, start in zip(axes, starts, strict=False)]

    def matrix(chosen: BoolArray) -> sparse.csr_matrix:
        where = (np.concatenate([one[chosen] for one in place]), np.tile(rows[chosen], len(axes)))
        return sparse.coo_matrix((np.ones(len(where[0])), where), (int(starts[-1]), n)).tocsr()

    counted, found = matrix(whole.counted), matrix(whole.fates.found)
    faces, hits = (np.empty((int(starts[-1]), resampling.replicates)) for _ in range(2))
    for batch, weights in resampling.batches():
        doubles = weights.astype(np.float64)
        faces[:, batch], hits[:, batch] = counted @ doubles, found @ doubles
    listed = []
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        one = slice(first, last)
        listed.append(_recalls_of(counted[one], found[one], faces[one], hits[one], resampling))
    return listed


def _recalls_of(
    counted: sparse.csr_matrix,
    found: sparse.csr_matrix,
    faces: FloatArray,
    hits: FloatArray,
    resampling: Resampling,
) -> _Recalls:
    """Compute the recalls of one axis from counts by part and image, and by part and resampled dataset."""
    total, right = (np.asarray(matrix.sum(axis=1)).ravel() for matrix in (counted, found))
    by_image = np.asarray(counted.sum(axis=0)).ravel()
    images = np.diff(counted.indptr)
    # Images with counted faces of other parts: all that have some, but those whose faces are all of this part.
    entries = counted.tocoo()
    alone = np.bincount(entries.row[entries.data == by_image[entries.col]], minlength=len(total))
    other_images = np.count_nonzero(by_image) - alone
    with np.errstate(divide="ignore", invalid="ignore"):
        point, rest = right / total, (right.sum() - right) / (total.sum() - total)
        recall = hits / faces
        recall_of_rest = (hits.sum(axis=0) - hits) / (faces.sum(axis=0) - faces)
    difference, differences = point - rest, recall - recall_of_rest
    enough = (total >= LEAST_FACES) & (images >= LEAST_IMAGES)
    tested = enough & (total.sum() - total >= LEAST_FACES) & (other_images >= LEAST_IMAGES)
    tested &= np.isnan(differences).mean(axis=1) <= MANY_UNDEFINED
    # Where only two parts have faces, their differences mirror each other: a family of one.
    if np.count_nonzero(total) > 2:
        p_values = max_t_p(difference[tested], differences[tested])
    else:
        p_values = [two_sided_p(row) for row in differences[tested]]
    p_adjusted: list[float | None] = [None] * len(total)
    for number, p in zip(np.flatnonzero(tested).tolist(), p_values, strict=True):
        p_adjusted[number] = p
    parts = range(len(total))
    recalls = [spread(point[i], recall[i] if enough[i] else None, resampling) for i in parts]
    between = [spread(difference[i], differences[i] if tested[i] else None, resampling) for i in parts]
    return _Recalls(
        faces=total.astype(np.int64),
        images=images,
        found=right.astype(np.int64),
        recall=recalls,
        difference=[None if one.value is None else one for one in between],
        p_adjusted=p_adjusted,
    )
