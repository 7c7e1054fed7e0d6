"""FDDB evaluation: discrete and continuous ROC, byte for byte as the official C++ tool prints them.

For each image and each of its own distinct scores, the detections down to that score are matched one to one with the
faces so that the summed overlap is largest. The data set's curve adds up, at each threshold, every image's result at
its smallest own score that is not below the threshold.

Source: description of the official FDDB evaluation code (Jain and Learned-Miller, UMass, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sshbench.curves import ROCCurve
from sshbench.errors import SshbenchError
from sshbench.evaluators.base import FALSE, RIGHT, UNUSED, Fates, fates_of
from sshbench.evaluators.kuhn import official_assignment
from sshbench.evaluators.regions import Region, ellipse_region, rectangle_overlaps, region_overlaps
from sshbench.records import DetectionSet, FaceSet, FloatArray, IntArray

Matching = Literal["official", "optimal"]
_NO_THRESHOLD = 1.7976931348623157e308  # what the tool prints for an image without detections
_TIE = 1e-9  # sums of overlaps that are closer than this may come out equal in the tool


@dataclass(frozen=True, slots=True, eq=False)
class FddbResult:
    """Outcome of an FDDB evaluation.

    Attributes:
        discrete: ROC that counts a match with IoU over 0.5 as one face.
        continuous: ROC that counts a match by its IoU; its false positives are the discrete ones.
        faces: Number of annotated faces.
        images_without_detections: How many images have none.
        folds: The same of parts of the images, where they were asked for.
    """

    discrete: ROCCurve
    continuous: ROCCurve
    faces: int
    images_without_detections: int
    folds: tuple[FddbResult, ...] = ()


def evaluate_fddb(
    detections: DetectionSet,
    faces: FaceSet,
    *,
    matching: Matching = "official",
    discrete_iou: float = 0.5,
    regions: Sequence[Sequence[Region]] | None = None,
    folds: Sequence[tuple[int, int]] = (),
) -> FddbResult:
    """Evaluate detections by the FDDB protocol.

    Args:
        detections: One entry per image of `faces`, in the same order; rectangles, or ellipses where it has them.
            Keep the detections of each image in the order of their file: the result of the official solver depends
            on it, because it does not always find the best assignment.
        faces: Ground truth with ellipses and image sizes.
        matching: `official` follows the tool's solver, `optimal` takes the best assignment.
        discrete_iou: A match counts as one face at IoU strictly over this.
        regions: The faces' pixels by image, where they are at hand (see `face_regions`).
        folds: First and last image (exclusive) of parts to sum up apart, from the same matching.

    Raises:
        SshbenchError: The images differ, or the ground truth has no ellipses or sizes.
    """
    if detections.keys != faces.keys:
        raise SshbenchError("detections and ground truth are of different images", remedy="Use DetectionSet.aligned")
    if faces.ellipses is None or faces.sizes is None:
        raise SshbenchError("FDDB needs faces as ellipses, and the images' sizes")
    drawn = face_regions(faces) if regions is None else regions
    steps: list[_Steps | None] = []
    for i in range(len(faces)):
        first, last = detections.offsets[i], detections.offsets[i + 1]
        if first == last:
            steps.append(None)
            continue
        overlaps = _overlaps(detections, faces, drawn, i)
        steps.append(_image_steps(overlaps, detections.scores[first:last], matching, discrete_iou))
    parts = tuple(_curves(steps[first:last], int(faces.offsets[last] - faces.offsets[first])) for first, last in folds)
    return replace(_curves(steps, faces.total), folds=parts)


def _overlaps(detections: DetectionSet, faces: FaceSet, drawn: Sequence[Sequence[Region]], image: int) -> FloatArray:
    """Return the IoU of an image's detections, in file order, with its faces: float64 (d, f)."""
    assert faces.sizes is not None
    rows = slice(detections.offsets[image], detections.offsets[image + 1])
    width, height = faces.sizes[image].tolist()
    if detections.ellipses is None:
        return rectangle_overlaps(detections.boxes[rows], list(drawn[image]), width, height)
    found = [ellipse_region(ellipse, width, height) for ellipse in detections.ellipses[rows]]
    return region_overlaps(found, list(drawn[image]))


def fddb_fates(
    detections: DetectionSet,
    faces: FaceSet,
    min_score: float,
    *,
    matching: Matching = "official",
    discrete_iou: float = 0.5,
    regions: Sequence[Sequence[Region]] | None = None,
) -> Fates:
    """Return what became of every detection and face in the discrete score, at one threshold.

    FDDB matches anew at every threshold, so that a detection's role may change with it. A detection is right where it
    is matched with a face at an IoU strictly over `discrete_iou`, and false otherwise; every face counts.

    Args:
        detections: As for `evaluate_fddb`.
        faces: As for `evaluate_fddb`.
        min_score: Detections with a lower score take no part.
        matching: As for `evaluate_fddb`.
        discrete_iou: As for `evaluate_fddb`.
        regions: As for `evaluate_fddb`.
    """
    drawn = face_regions(faces) if regions is None else regions
    roles = np.where(detections.scores >= min_score, FALSE, UNUSED).astype(np.int8)
    face = np.full(detections.total, -1, dtype=np.int64)
    for i in range(len(faces)):
        first = int(detections.offsets[i])
        kept = np.flatnonzero(roles[first : detections.offsets[i + 1]] == FALSE)
        if not len(kept):
            continue
        overlaps = _overlaps(detections, faces, drawn, i)[kept]
        for row, column in _match(overlaps, matching, discrete_iou):
            if overlaps[row, column] > discrete_iou:
                roles[first + kept[row]] = RIGHT
                face[first + kept[row]] = faces.offsets[i] + column
    return fates_of(roles, face, np.ones(faces.total, dtype=np.bool_))


def face_regions(faces: FaceSet) -> list[list[Region]]:
    """Draw every face, and return the pixels by image."""
    assert faces.ellipses is not None
    assert faces.sizes is not None
    drawn = []
    for i, (width, height) in enumerate(faces.sizes.tolist()):
        rows = faces.ellipses[faces.offsets[i] : faces.offsets[i + 1]]
        drawn.append([ellipse_region(row, width, height) for row in rows])
    return drawn


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """One image's results at each of its distinct scores, descending."""

    scores: FloatArray
    kept: IntArray
    discrete: IntArray
    continuous: FloatArray


def _image_steps(overlaps: FloatArray, scores: FloatArray, matching: Matching, min_iou: float) -> _Steps:
    """Match at every distinct score.

    Args:
        overlaps: float64 (d, f), IoU of the detections, in file order, with the faces.
        scores: float64 (d,), of the same detections.
        matching: As for `evaluate_fddb`.
        min_iou: A match counts as one face over this IoU.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))  # the last detection of each distinct score
    faces = overlaps.shape[1]
    if faces == 0:
        none = np.zeros(len(last))
        return _Steps(falling[last], last + 1, none.astype(np.int64), none)
    ranked = overlaps[order]
    best = np.maximum.accumulate(ranked, axis=0)[last]
    summed = best.sum(axis=1)
    discrete = np.count_nonzero(best > min_iou, axis=1)
    touching = np.cumsum(ranked.any(axis=1))[last]
    seen, matched = -1, (0.0, 0)
    for step in _contested(ranked, last, best, matching):
        if touching[step] != seen:  # detections that touch no face change nothing
            seen = touching[step]
            kept = np.sort(order[: last[step] + 1])  # back in file order, as the official solver gets them
            chosen = overlaps[kept]
            values = [float(chosen[pair]) for pair in _match(chosen, matching, min_iou)]
            matched = sum(values), sum(value > min_iou for value in values)
        summed[step], discrete[step] = matched
    return _Steps(falling[last], last + 1, discrete, summed)


def _contested(overlaps: FloatArray, last: IntArray, best: FloatArray, matching: Matching) -> list[int]:
    """Return the steps at which each face's best overlap is not simply the answer.

    It is the answer where no two faces have the same best detection (no larger sum is possible) and the official solver
    finds the optimum. The solver may miss it only where the matrix is not square and the maxima of the shorter side
    add up to more than those of the longer side. Neither condition depends on the order of the rows.

    Args:
        overlaps: float64 (d, f), the detections by falling score.
        last: The last detection of each step.
        best: float64 (steps, f), each face's best overlap at each step.
        matching: As for `evaluate_fddb`.
    """
    rows, faces = overlaps.shape
    touching = overlaps.max(axis=1)
    contested = np.zeros(len(last), dtype=np.bool_)
    if faces > 1:
        before = np.vstack((np.zeros((1, faces)), np.maximum.accumulate(overlaps, axis=0)[:-1]))
        owner = np.maximum.accumulate(np.where(overlaps > before, np.arange(1, rows + 1)[:, None], 0), axis=0)[last]
        owner.sort(axis=1)
        contested = ((owner[:, 1:] == owner[:, :-1]) & (owner[:, 1:] > 0)).any(axis=1)
    if matching == "official":
        face_count = np.count_nonzero(best > 0, axis=1)
        detection_count = np.cumsum(touching > 0)[last]
        face_sum, detection_sum = best.sum(axis=1), np.cumsum(touching)[last]
        # The tool adds in file order, this by falling score: the last bits may differ, so near ties count as well.
        contested |= (face_count < detection_count) & (face_sum > detection_sum - _TIE) & (face_count > 1)
        contested |= (detection_count < face_count) & (detection_sum > face_sum - _TIE) & (detection_count > 1)
    return np.flatnonzero(contested).tolist()


def _match(overlaps: FloatArray, matching: Matching, min_iou: float) -> list[tuple[int, int]]:
    """Return the matched pairs (detection, face) that overlap, in the solver's order.

    Args:
        overlaps: float64 (d, f), the kept detections in file order.
        matching: As for `evaluate_fddb`.
        min_iou: A match counts as one face over this IoU.
    """
    rows, columns = np.flatnonzero(overlaps.any(axis=1)), np.flatnonzero(overlaps.any(axis=0))
    used = overlaps[np.ix_(rows, columns)]
    if used.size == 0:
        return []
    turned = used.shape[0] > used.shape[1]
    if turned:
        used = used.T
    pairs = [(i, j) for i, j in _solve(used, matching, min_iou) if used[i, j] > 0]
    if turned:
        pairs = [(j, i) for i, j in pairs]
    return [(int(rows[i]), int(columns[j])) for i, j in pairs]


def _solve(used: FloatArray, matching: Matching, min_iou: float) -> list[tuple[int, int]]:
    """Return the pairs of a matrix with no more rows than columns; pairs that do not overlap may be among them."""
    if matching == "optimal":
        return _optimum(used)
    if used.shape[0] == used.shape[1] or not _may_stop_early(used):
        # The official solver finds the optimum here. Where several assignments share it (or nearly), one of them with
        # the most faces and one with the fewest are found, and if they differ, the solver itself must choose.
        bonus = _TIE * (used > min_iou)
        most, fewest = _optimum(used + bonus), _optimum(used - bonus)
        if sum(used[pair] > min_iou for pair in most) == sum(used[pair] > min_iou for pair in fewest):
            return most
    return official_assignment(used)


def _optimum(profit: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs whose profits add up to the most."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(profit, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _may_stop_early(used: FloatArray) -> bool:
    return bool(sum(used.max(axis=1).tolist()) > sum(used.max(axis=0).tolist()))


def _curves(images: Sequence[_Steps | None], faces: int) -> FddbResult:
    """Add up the images (None for one without detections) at every distinct score, ascending."""
    steps = [step for step in images if step is not None]
    without = len(images) - len(steps)
    if steps:
        scores = np.concatenate([step.scores for step in steps])
        # What an image adds when the threshold falls to one of its scores is the difference to the score above.
        changes = np.vstack([_changes(step) for step in steps])
        order = np.argsort(-scores, kind="stable")
        running = np.cumsum(changes[order], axis=0)
        last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
        thresholds = scores[order][last][::-1]
        kept, discrete, continuous = running[last][::-1].T
    else:
        thresholds = kept = discrete = continuous = np.empty(0)
    false = kept - discrete
    if without:
        thresholds, false = np.append(thresholds, _NO_THRESHOLD), np.append(false, 0.0)
        discrete, continuous = np.append(discrete, 0.0), np.append(continuous, 0.0)
    total = np.float64(faces)
    with np.errstate(invalid="ignore"):
        return FddbResult(
            discrete=ROCCurve(false, discrete / total, thresholds),
            continuous=ROCCurve(false, continuous / total, thresholds),
            faces=faces,
            images_without_detections=without,
        )


def _changes(step: _Steps) -> FloatArray:
    table = np.column_stack((step.kept, step.discrete, step.continuous)).astype(np.float64)
    return np.diff(table, axis=0, prepend=np.zeros((1, 3)))


def roc_text(curve: ROCCurve, *, with_thresholds: bool) -> str:
    """Return a curve as the official tool writes it: `TPR FP threshold` (DiscROC) or `TPR FP` (ContROC), ascending."""
    columns = [curve.true_positive_rate.tolist(), curve.false_positives.tolist()]
    if with_thresholds:
        columns.append(curve.thresholds.tolist())
        return "".join(f"{a:g} {b:g} {c:g}\n" for a, b, c in zip(*columns, strict=True))
    return "".join(f"{a:g} {b:g}\n" for a, b in zip(*columns, strict=True))
