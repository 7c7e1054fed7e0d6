"""Types of errors: what went wrong with each false detection, and why each missed face was missed.

After TIDE, for one class and by the protocol's own matching. Detections that count neither way are never errors.

Source: Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sshbench.analysis.nearest import Nearest, nearest, overlapped
from sshbench.analysis.subject import Subject
from sshbench.display import short_repr
from sshbench.evaluators import base
from sshbench.protocols import FddbEvaluation
from sshbench.records import BoolArray, FloatArray, IntArray

Codes = npt.NDArray[np.int8]

UNUSED, RIGHT, NEUTRAL, DUPLICATE, LOCALISATION, ON_IGNORED, BACKGROUND = range(7)
TYPE_NAMES = ("unused", "right", "neutral", "duplicate", "localisation", "on-ignored", "background")
"""Names of the types of a detection, by code."""
FALSE_TYPES = (DUPLICATE, LOCALISATION, ON_IGNORED, BACKGROUND)
"""Types of the false detections, in the order of the definition."""

FOUND, SCORE, TAKEN, BADLY_PLACED, LOW, NOTHING = range(6)
REASON_NAMES = ("", "score", "taken", "localisation", "low", "nothing")
"""Names of the reasons why a face is missed, by code; the first one stands for a face that is not missed."""


@dataclass(frozen=True, slots=True, eq=False)
class ErrorTypes:
    """The type of every detection, and what becomes of every face.

    Attributes:
        types: int8 (n,), by detection; `TYPE_NAMES` names the codes.
        near: int64 (n,), by detection: row of the matched face, else of the one near it; -1 for none.
        iou: float64 (n,), by detection: IoU with that face, as the protocol computes it; 0 for none.
        fixes: bool (n,), by detection: the best-ranked localisation error near a face that no detection finds. Placed
            better, it would be right.
        counted: bool (m,), by face: whether it counts.
        found: bool (m,), by face: whether it counts and a detection is right for it.
        missed: bool (m,), by face: whether it counts, no detection finds it and none would if it were placed better.
    """

    __repr__ = short_repr

    types: Codes
    near: IntArray
    iou: FloatArray
    fixes: BoolArray
    counted: BoolArray
    found: BoolArray
    missed: BoolArray

    @property
    def false(self) -> BoolArray:
        """Bool (n,), false detections."""
        return np.asarray(self.types >= DUPLICATE)


def classify(subject: Subject, min_score: float = -np.inf) -> ErrorTypes:
    """Give every detection a type, the first one that fits.

    - unused: takes no part in the curve;
    - right: the detection that finds a counted face;
    - neutral: counts neither way;
    - duplicate: hits a counted face that a better one hits;
    - localisation: hits nothing, and a counted face is near it;
    - on-ignored: hits nothing, and an ignored face is near it;
    - background: no face is near it.

    FDDB matches anew at each threshold: its types are those of the matching at `min_score`. A pair that it matches at
    an IoU of 0.5 or less is a localisation error.

    Args:
        subject: One evaluation and one of its curves.
        min_score: Detections with a lower raw score take no part; default: all take part.

    Raises:
        UsageError: See `nearest`.
    """
    return _classified(subject, min_score, nearest(subject, min_score))


def classify_both(subject: Subject, threshold: float) -> tuple[ErrorTypes, ErrorTypes]:
    """Return the types of all detections, and of those down to a raw score; see `classify`.

    Only FDDB, which matches anew at every threshold, looks for the near faces twice.
    """
    near = nearest(subject)
    anew = isinstance(subject.protocol.evaluation, FddbEvaluation)
    near_kept = nearest(subject, threshold) if anew else near
    return _classified(subject, -np.inf, near), _classified(subject, threshold, near_kept)


def _classified(subject: Subject, min_score: float, near: Nearest) -> ErrorTypes:
    fates = subject.fates(min_score)
    counted = np.asarray(fates.found | fates.missed)
    on_counted = near.face >= 0
    on_counted[on_counted] = counted[near.face[on_counted]]
    wrong = np.where(
        near.face < 0,
        BACKGROUND,
        np.where(~on_counted, ON_IGNORED, np.where(near.hits, DUPLICATE, LOCALISATION)),
    )
    plain = np.array([UNUSED, -1, NEUTRAL, RIGHT])[fates.roles]
    types = np.where(fates.roles == base.FALSE, wrong, plain).astype(np.int8)

    rank = np.lexsort((-subject.detections.scores, subject.ledger.detection_step))
    open_ = rank[types[rank] == LOCALISATION]
    open_ = open_[~fates.found[near.face[open_]]]
    fixes = np.zeros(len(types), dtype=np.bool_)
    fixes[open_[np.unique(near.face[open_], return_index=True)[1]]] = True
    missed = fates.missed.copy()
    missed[near.face[fixes]] = False
    return ErrorTypes(types, near.face, near.iou, fixes, counted, fates.found, missed)


def missed_reasons(subject: Subject, whole: ErrorTypes, kept: ErrorTypes) -> Codes:
    """Give every face that is missed at a threshold a reason, the first one that fits.

    - score: a detection below the threshold finds it;
    - taken: a kept detection overlaps it as much as a hit must, but another face is nearer to it (crowds);
    - localisation: a kept detection that hits nothing is near it;
    - low: such a detection below the threshold is near it;
    - nothing: no detection is near it.

    Args:
        subject: One evaluation and one of its curves.
        whole: The types of all detections.
        kept: The types of the detections down to the threshold.

    Returns:
        int8 (m,), by face; `REASON_NAMES` names the codes. `FOUND` for faces that are found or do not count.
    """
    missed = kept.counted & ~kept.found
    reasons = np.where(missed, NOTHING, FOUND).astype(np.int8)
    for code, types in ((LOW, whole), (BADLY_PLACED, kept)):  # the first reason that fits is written last
        reasons[types.near[types.types == LOCALISATION]] = code
    reasons[overlapped(subject, missed, kept.types != UNUSED, kept.near)] = TAKEN
    reasons[whole.found] = SCORE
    reasons[~missed] = FOUND
    return reasons
