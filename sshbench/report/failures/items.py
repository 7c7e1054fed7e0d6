"""Which failures are shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sshbench.analysis.error_types import BACKGROUND, DUPLICATE, FALSE_TYPES, FOUND, REASON_NAMES, RIGHT, TYPE_NAMES
from sshbench.boxes import pairwise_iou
from sshbench.records import BoolArray, IntArray
from sshbench.report.failures.view import RunView

SAME = 0.5
"""IoU from which two runs have the same false detection."""
_RANKED = 50  # images of each ranking
SUSPECTED = "suspected"
MISSED = "missed-"
"""What the names of the kinds of missed faces begin with; a reason follows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of items.

    Attributes:
        name: As in addresses and data.
        title: As on the page.
        meaning: One sentence.
        colour: `right`, `missed` or `false`, as boxes are drawn.
    """

    name: str
    title: str
    meaning: str
    colour: str


KINDS = (
    Kind("background", "background", "False: no face is near.", "false"),
    Kind("localisation", "badly placed", "False: near a face, but not near enough.", "false"),
    Kind("duplicate", "duplicate", "False: its face has a better detection.", "false"),
    Kind("on-ignored", "on an ignored face", "False: near a face that does not count, but not near enough.", "false"),
    Kind("missed-score", "missed: low score", "Missed: a detection below the threshold finds it.", "missed"),
    Kind("missed-taken", "missed: taken", "Missed: a detection overlaps it, but belongs to another face.", "missed"),
    Kind("missed-localisation", "missed: badly placed", "Missed: a detection is near, but not near enough.", "missed"),
    Kind("missed-low", "missed: badly placed, low score", "Missed: such a detection is below the threshold.", "missed"),
    Kind("missed-nothing", "missed: nothing near", "Missed: no detection is near.", "missed"),
    Kind("right", "right, but loose", "Right: those of least IoU.", "right"),
    Kind(SUSPECTED, "suspected missing annotation", "False by the annotation, with a very high score.", "false"),
)
"""All kinds of items, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Item:
    """A false detection, a missed face, or a right detection that is worth a look.

    Attributes:
        kind: Name of its kind.
        rank: Its place among those of its kind and run, from 0.
        image: Position of the image.
        detection: Row of the detection; -1 for a missed face.
        face: Row of the missed face, or of the face that is matched or near; -1 for none.
        score: Of the detection; of a missed face, the best score of a detection near it, or None.
        iou: Of detection and face; None for a missed face.
        cost: What the false detection costs; None for others.
        surprise: Recall of faces that are comparable with a missed one; None for others.
        others: Positions of the other runs that do the same.
    """

    kind: str
    rank: int
    image: int
    detection: int
    face: int
    score: float | None
    iou: float | None = None
    cost: float | None = None
    surprise: float | None = None
    others: tuple[int, ...] = ()


def items_of(views: Sequence[RunView], run: int, most: int) -> list[Item]:
    """Return the items of a run, at most `most` of each kind, by kind and rank.

    - False detections: by falling cost, then score.
    - Missed faces: the most surprising first, then the highest.
    - Right detections: by rising IoU.
    - Suspected missing annotations: background detections from the score of precision .99 on; first those that another
      run has too, then by falling score.

    Args:
        views: All runs of the page.
        run: Position of the run.
        most: How many of each kind.
    """
    found = []
    for kind in KINDS:
        rows = _rows(views, run, kind.name, most)
        of_faces = kind.name.startswith(MISSED)
        make = _missed if of_faces else _detected
        found += [make(views, run, kind.name, rank, row) for rank, row in enumerate(rows.tolist())]
    return found


def kind_counts(views: Sequence[RunView], run: int) -> dict[str, int]:
    """Return how many failures of each kind a run has, shown or not."""
    return {kind.name: int(np.count_nonzero(_chosen(views[run], kind.name))) for kind in KINDS}


def ranked_images(view: RunView) -> list[int]:
    """Return the images of both rankings in turn: most missed and false, and most harmful to the figure."""
    _, false, missed = view.image_counts()
    errors = missed + false
    most = [i for i in np.argsort(-errors, kind="stable")[:_RANKED].tolist() if errors[i]]
    harmful = [i for i in np.argsort(view.influence, kind="stable")[:_RANKED].tolist() if view.influence[i] < 0]
    both = [i for turn in range(_RANKED) for ranking in (most, harmful) for i in ranking[turn : turn + 1]]
    return list(dict.fromkeys(both))


def _chosen(view: RunView, kind: str) -> BoolArray:
    """Return the rows of a kind, of detections or of faces."""
    if kind.startswith(MISSED):
        return np.asarray(view.reasons == REASON_NAMES.index(kind.removeprefix(MISSED)))
    known = view.subject.detections.image_rows < len(view.subject.faces)
    if kind == "right":
        return np.asarray(known & (view.kept.types == RIGHT))
    background = known & (view.whole.types == BACKGROUND)
    if kind == SUSPECTED:
        return np.asarray(background & (view.subject.detections.scores >= view.sure))
    return np.asarray(known & (view.whole.types == _FALSE_BY_NAME[kind]))


_FALSE_BY_NAME = {TYPE_NAMES[code]: code for code in FALSE_TYPES}


def _rows(views: Sequence[RunView], run: int, kind: str, most: int) -> IntArray:
    view = views[run]
    rows = np.flatnonzero(_chosen(view, kind))
    if kind.startswith(MISSED):
        boxes = view.subject.faces.boxes[rows]
        order = np.lexsort((rows, boxes[:, 1] - boxes[:, 3], -view.surprise[rows]))
    elif kind == "right":
        order = np.lexsort((rows, view.kept.iou[rows]))
    elif kind == SUSPECTED:
        alone = np.array([not any(_same_false(views, run, row)) for row in rows.tolist()], dtype=np.bool_)
        order = np.lexsort((rows, -view.subject.detections.scores[rows], alone))
    else:
        order = np.lexsort((rows, -view.subject.detections.scores[rows], -view.costs[rows]))
    return rows[order[:most]]


def _same_false(views: Sequence[RunView], run: int, row: int) -> Iterator[bool]:
    """Yield for every run whether it has the same false detection at its threshold, or, for its own, False."""
    detections = views[run].subject.detections
    image = int(detections.image_rows[row])
    for number, other in enumerate(views):
        theirs = other.subject.detections
        part = slice(int(theirs.offsets[image]), int(theirs.offsets[image + 1]))
        boxes = theirs.boxes[part][other.kept.types[part] >= DUPLICATE]
        with np.errstate(invalid="ignore", over="ignore"):  # boxes that are not finite or far out are legal
            same = pairwise_iou(detections.boxes[row], boxes) >= SAME
        yield number != run and bool(same.any())


def _detected(views: Sequence[RunView], run: int, kind: str, rank: int, row: int) -> Item:
    view = views[run]
    types = view.kept if kind == "right" else view.whole
    face = int(types.near[row])
    if kind == "right":
        same = [number != run and bool(other.kept.found[face]) for number, other in enumerate(views)]
    else:
        same = list(_same_false(views, run, row))
    return Item(
        kind=kind,
        rank=rank,
        image=int(view.subject.detections.image_rows[row]),
        detection=row,
        face=face,
        score=float(view.subject.detections.scores[row]),
        iou=float(types.iou[row]),
        cost=None if kind == "right" else float(view.costs[row]),
        others=tuple(number for number, is_same in enumerate(same) if is_same),
    )


def _missed(views: Sequence[RunView], run: int, kind: str, rank: int, row: int) -> Item:
    view = views[run]
    image = int(view.subject.faces.image_rows[row])
    part = slice(int(view.subject.detections.offsets[image]), int(view.subject.detections.offsets[image + 1]))
    near = view.subject.detections.scores[part][view.whole.near[part] == row]
    return Item(
        kind=kind,
        rank=rank,
        image=image,
        detection=-1,
        face=row,
        score=float(near.max()) if len(near) else None,
        surprise=float(view.surprise[row]),
        others=tuple(number for number, other in enumerate(views) if number != run and other.reasons[row] != FOUND),
    )
