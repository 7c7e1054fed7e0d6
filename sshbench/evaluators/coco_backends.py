"""The libraries that compute a COCO evaluation: hotcoco, and pycocotools as the reference.

Both give the same arrays to the bit: precision, recall, scores and matches. hotcoco refuses a NaN among the scores and
orders other NaN differently; such sets go to pycocotools (see `backend_for`).

COCO ignores crowds only. A face that a subset ignores besides them must count neither way and can be matched once. Both
libraries treat a face outside the range of areas so. hotcoco is therefore given an area outside every range for such a
face; pycocotools lets the flag be set directly.

Sources: pycocotools, `cocoeval.py`; hotcoco, `COCOeval`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from sshbench.boxes import xywh_of
from sshbench.evaluators.base import Progress
from sshbench.flat import blocks
from sshbench.records import BoolArray, DetectionSet, FaceSet, FloatArray, IntArray

IOU_50 = 0
"""Position of 0.5 among the ten IoU thresholds."""
IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""The ten IoU thresholds .50:.05:.95."""

_FACE = 1
_CATEGORY = {"id": _FACE, "name": "face"}
_RANGES = {"all": (0.0, 1e5**2), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e5**2)}
_OUTSIDE = 2 * 1e5**2  # an area beyond every range
_BLOCK = 1 << 17  # detections that hotcoco is given at a time


@dataclass(frozen=True, slots=True, eq=False)
class CocoMatches:
    """Which face each detection was matched with, at each IoU threshold, over the faces of one range of areas.

    Attributes:
        used: bool (n,), by detection: whether it is within the limit of its image.
        faces: int32 (10, n), by IoU threshold and detection: row of the matched face, -1 for none.
        ignored: bool (10, n), by IoU threshold and detection: whether it counts neither way.
    """

    used: BoolArray
    faces: npt.NDArray[np.int32]
    ignored: BoolArray

    @classmethod
    def empty(cls, total: int) -> CocoMatches:
        """Return the matches of detections of which none was looked at."""
        shape = (len(IOU_THRESHOLDS), total)
        return cls(np.zeros(total, np.bool_), np.full(shape, -1, np.int32), np.zeros(shape, np.bool_))

    def add(self, image: dict[str, Any], first_row: int = 0) -> None:
        """Take over the matches of one image from a library's own record of it.

        Args:
            image: An entry of `evalImgs`; its ids of detections and faces count from 1.
            first_row: Row of the detection with the id 1.
        """
        rows = np.asarray(image["dtIds"], dtype=np.int64) - 1 + first_row
        self.used[rows] = True
        self.faces[:, rows] = np.asarray(image["dtMatches"], dtype=np.int32) - 1  # 0 stands for no match
        self.ignored[:, rows] = np.asarray(image["dtIgnore"], dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class CocoArrays:
    """What a library computes, for ten IoU thresholds, 101 recalls and the ranges of areas asked for.

    Attributes:
        precision: float64 (10, 101, areas); -1 where no face counts.
        recall: float64 (10, areas); -1 where no face counts.
        scores: float64 (10, 101, areas), the score at which each recall is reached.
        recalls: float64 (101,).
        matches: Computes what was matched with what, for a range of areas.
    """

    precision: FloatArray
    recall: FloatArray
    scores: FloatArray
    recalls: FloatArray
    matches: Callable[[str], CocoMatches]


class Backend(Interface):
    """A library that evaluates one set of detections, for several choices of ignored faces.

    Args of every backend's constructor:
        detections: One entry per image of `faces`, in the same order.
        faces: Ground truth.
        crowd: bool (m,), the faces that are COCO's crowds.
        limit: Detections per image that take part.
    """

    def run(self, ignored: BoolArray, areas: tuple[str, ...], progress: Progress) -> CocoArrays:
        """Evaluate.

        Args:
            ignored: bool (m,), the faces that count neither way; all crowds are among them.
            areas: Ranges of areas: `all`, `small`, `medium`, `large`; `all` is the first.
            progress: Called with images done, each as 1 / areas.
        """


class Hotcoco:
    """Evaluation with hotcoco, which works in compiled code on all cores; see `Backend`.

    Images are handed over block by block: hotcoco's own form of boxes takes hundreds of bytes for each.
    """

    def __init__(self, detections: DetectionSet, faces: FaceSet, crowd: BoolArray, limit: int) -> None:
        self._detections, self._faces, self._crowd, self._limit = detections, faces, crowd, limit

    def run(self, ignored: BoolArray, areas: tuple[str, ...], progress: Progress) -> CocoArrays:
        """Evaluate; see `Backend`."""
        # Imported here: evaluations of other kinds do without it.
        import hotcoco

        params = hotcoco.Params("bbox")
        params.max_dets = [self._limit]
        params.area_rng, params.area_rng_lbl = [list(_RANGES[area]) for area in areas], list(areas)
        stream = hotcoco.StreamingEval([_CATEGORY], params=params)
        for first, last in blocks(self._detections.offsets, _BLOCK):
            stream.update(_images(first, last), self._annotations(first, last, ignored), self._results(first, last))
            progress(last - first)
        evaluation = stream.finalize()
        evaluation.accumulate()
        return _arrays(evaluation, lambda area: self._matches(ignored, area))

    def _matches(self, ignored: BoolArray, area: str) -> CocoMatches:
        """Match again: the evaluation of blocks lists no matches."""
        import hotcoco

        matches = CocoMatches.empty(self._detections.total)
        for first, last in blocks(self._detections.offsets, _BLOCK):
            annotations = self._annotations(first, last, ignored)
            content = {"images": _images(first, last), "categories": [_CATEGORY], "annotations": annotations}
            truth = hotcoco.COCO(content)
            evaluation = hotcoco.COCOeval(truth, truth.load_res(self._results(first, last)), "bbox")
            evaluation.params.max_dets = [self._limit]
            evaluation.params.area_rng, evaluation.params.area_rng_lbl = [list(_RANGES[area])], [area]
            evaluation.evaluate()
            for image in evaluation.eval_imgs:
                if image is not None:
                    matches.add(image, int(self._detections.offsets[first]))
        return matches

    def _annotations(self, first: int, last: int, ignored: BoolArray) -> list[dict[str, Any]]:
        start, end = self._faces.offsets[[first, last]].tolist()
        faces, crowd = self._faces[first:last], self._crowd[start:end]
        areas = np.where(ignored[start:end] & ~crowd, _OUTSIDE, _areas(faces))
        return _annotations(faces, crowd, areas, first_image=first, first_face=start)

    def _results(self, first: int, last: int) -> FloatArray:
        """Return rows of image, x, y, w, h, score and category."""
        found = self._detections[first:last]
        category = np.full(found.total, float(_FACE))
        return np.column_stack((_image_ids(found) + first, xywh_of(found.boxes), found.scores, category))


class Pycocotools:
    """Evaluation with pycocotools, the reference; see `Backend`."""

    def __init__(self, detections: DetectionSet, faces: FaceSet, crowd: BoolArray, limit: int) -> None:
        self._total, self._limit, self._crowd = detections.total, limit, crowd
        annotations = _annotations(faces, crowd, _areas(faces))
        self._truth = _coco({"images": _images(0, len(faces)), "categories": [_CATEGORY], "annotations": annotations})
        with contextlib.redirect_stdout(io.StringIO()):
            # pycocotools raises on an empty list of results.
            self._found = (
                self._truth.loadRes(_results(detections))
                if detections.total
                else _coco({**self._truth.dataset, "annotations": []})
            )

    def run(self, ignored: BoolArray, areas: tuple[str, ...], progress: Progress) -> CocoArrays:
        """Evaluate; see `Backend`."""
        from pycocotools.cocoeval import COCOeval

        evaluation: Any = COCOeval(self._truth, self._found, "bbox")  # not every version of pycocotools has types
        prepare, evaluate_image = evaluation._prepare, evaluation.evaluateImg

        def prepare_and_ignore() -> None:
            prepare()
            for faces in evaluation._gts.values():
                for face in faces:
                    face["ignore"] = bool(ignored[face["id"] - 1])

        def evaluate_and_say(*arguments: Any) -> Any:
            progress(1 / len(areas))
            return evaluate_image(*arguments)

        # pycocotools ignores crowds only; it looks at the flags after this step, and nowhere before.
        evaluation._prepare = prepare_and_ignore
        evaluation.evaluateImg = evaluate_and_say
        evaluation.params.maxDets = [self._limit]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(_RANGES[area]) for area in areas], list(areas)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()
        matches = self._matches(evaluation.evalImgs, areas)  # now, so that its own lists are not kept
        return _arrays(evaluation, matches.__getitem__)

    def _matches(self, images: list[dict[str, Any] | None], areas: tuple[str, ...]) -> dict[str, CocoMatches]:
        matches = {area: CocoMatches.empty(self._total) for area in areas}
        named = {_RANGES[area]: matches[area] for area in areas}
        for image in images:
            if image is not None:
                low, high = image["aRng"]
                named[low, high].add(image)
        return matches


BACKENDS: dict[str, type[Hotcoco | Pycocotools]] = {"hotcoco": Hotcoco, "pycocotools": Pycocotools}
"""Known backends by name, the default one first."""


def backend_for(name: str, detections: DetectionSet, faces: FaceSet) -> str:
    """Return the name of the backend that can evaluate the data as pycocotools does: `name`, if no number is NaN."""
    numbers = (detections.boxes, detections.scores, faces.boxes, _areas(faces))
    return "pycocotools" if any(np.isnan(values).any() for values in numbers) else name


def counted_in(ignored: BoolArray, faces: FaceSet, area: str) -> BoolArray:
    """Return which faces count in a range of areas: bool (m,)."""
    low, high = _RANGES[area]
    areas = _areas(faces)
    return np.asarray(~ignored & (areas >= low) & (areas <= high))


def _arrays(evaluation: Any, matches: Callable[[str], CocoMatches]) -> CocoArrays:
    """Take the arrays of a library's result, whose axes for the category and the limit have one entry each."""
    result = evaluation.eval
    return CocoArrays(
        precision=np.asarray(result["precision"])[:, :, 0, :, 0],
        recall=np.asarray(result["recall"])[:, 0, :, 0],
        scores=np.asarray(result["scores"])[:, :, 0, :, 0],
        recalls=np.asarray(evaluation.params.recThrs, dtype=np.float64),
        matches=matches,
    )


def _image_ids(data: DetectionSet | FaceSet) -> IntArray:
    """Return the number of each row's image, from 1."""
    return data.image_rows + 1


def _areas(faces: FaceSet) -> FloatArray:
    if faces.areas is not None:
        return faces.areas
    xywh = xywh_of(faces.boxes)
    return np.asarray(xywh[:, 2] * xywh[:, 3])


def _images(first: int, last: int) -> list[dict[str, Any]]:
    return [{"id": image} for image in range(first + 1, last + 1)]


def _annotations(
    faces: FaceSet, crowd: BoolArray, areas: FloatArray, *, first_image: int = 0, first_face: int = 0
) -> list[dict[str, Any]]:
    images = _image_ids(faces) + first_image
    rows = zip(images.tolist(), xywh_of(faces.boxes).tolist(), areas.tolist(), crowd.tolist(), strict=True)
    # Ids from 1: pycocotools takes a match with annotation 0 for no match.
    return [
        {"id": n, "image_id": image, "category_id": _FACE, "bbox": box, "area": area, "iscrowd": int(is_crowd)}
        for n, (image, box, area, is_crowd) in enumerate(rows, start=first_face + 1)
    ]


def _results(detections: DetectionSet) -> list[dict[str, Any]]:
    rows = zip(
        _image_ids(detections).tolist(), xywh_of(detections.boxes).tolist(), detections.scores.tolist(), strict=True
    )
    return [{"image_id": image, "category_id": _FACE, "bbox": box, "score": score} for image, box, score in rows]


def _coco(content: Any) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
