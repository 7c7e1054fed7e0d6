"""FDDB's matching of the detections of one image with its faces, at each of the image's scores.

For each of its own distinct scores, the detections down to that score are matched one to one with the faces so that the
summed overlap is largest; the official solver does not always find that largest sum.

Source: description of the official FDDB evaluation code (Jain and Learned-Miller, UMass, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sshbench.evaluators.kuhn import official_assignment
from sshbench.records import FloatArray, IntArray

Matching = Literal["official", "optimal"]
"""`official` follows the tool's solver, `optimal` takes the best assignment."""
_TIE = 1e-9  # sums of overlaps that are closer than this may come out equal in the tool


@dataclass(frozen=True, slots=True, eq=False)
class ImageSteps:
    """One image's results at each of its distinct scores, descending.

    Attributes:
        scores: float64 (steps,).
        kept: int64 (steps,), detections.
        discrete: int64 (steps,), matches that count as one face.
        continuous: float64 (steps,), summed IoU of all matches.
        overlap: float64 (steps,), summed IoU of those that count as one face.
    """

    scores: FloatArray
    kept: IntArray
    discrete: IntArray
    continuous: FloatArray
    overlap: FloatArray


def image_steps(overlaps: FloatArray, scores: FloatArray, matching: Matching, min_iou: float) -> ImageSteps:
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
        return ImageSteps(falling[last], last + 1, none.astype(np.int64), none, none)
    ranked = overlaps[order]
    best = np.maximum.accumulate(ranked, axis=0)[last]
    summed = best.sum(axis=1)
    discrete = np.count_nonzero(best > min_iou, axis=1)
    overlap = np.sum(best, axis=1, where=best > min_iou)
    touching = np.cumsum(ranked.any(axis=1))[last]
    seen, matched = -1, (0.0, 0, 0.0)
    for step in _contested(ranked, last, best, matching):
        if touching[step] != seen:  # detections that touch no face change nothing
            seen = touching[step]
            kept = np.sort(order[: last[step] + 1])  # back in file order, as the official solver gets them
            chosen = overlaps[kept]
            values = [float(chosen[pair]) for pair in match(chosen, matching, min_iou)]
            over = [value for value in values if value > min_iou]
            matched = sum(values), len(over), sum(over)
        summed[step], discrete[step], overlap[step] = matched
    return ImageSteps(falling[last], last + 1, discrete, summed, overlap)


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


def match(overlaps: FloatArray, matching: Matching, min_iou: float) -> list[tuple[int, int]]:
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
