"""The data of the page as scripts that assign one value each: pages from disk may not fetch files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sshbench.analysis.axes import Axis, height_class
from sshbench.analysis.error_types import UNUSED
from sshbench.boxes import sides_of
from sshbench.records import FloatArray
from sshbench.report.failures.items import Item
from sshbench.report.failures.view import RunView

NO_FACE = "no face"
"""Part of items that have no face, in axes of faces."""
_FAR = 1e6  # boxes that are not finite, or further out, are drawn there

_LARGE = 1e308
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def script(number: int, content: Mapping[str, str]) -> str:
    """Return the script that assigns the data of a run.

    Args:
        number: Position of the run, from 0.
        content: By name, text of `dumps`.
    """
    members = ",\n".join(f"{dumps(name)}: {text}" for name, text in content.items())
    return f"var sshbenchRun{number} = {{\n{members}\n}};\n"


def dumps(value: object) -> str:
    r"""Return JSON in ASCII in which nothing ends a script or begins markup.

    >>> dumps("</script>&\u2028")
    '"\\u003c/script\\u003e\\u0026\\u2028"'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


@dataclass(frozen=True, slots=True, eq=False)
class Facet:
    """A filter of the page.

    Attributes:
        name: For example `height`.
        parts: Names of what can be chosen.
    """

    name: str
    parts: tuple[str, ...]


class Facets:
    """The filters that all runs share: subset, axes of faces, axes of images."""

    def __init__(self, view: RunView, axes: Sequence[Axis]) -> None:
        """Take the axes of a run's dataset."""
        self._view, self._axes = view, axes
        ignore = view.subject.faces.ignore
        self._subsets = tuple(ignore) if len(ignore) > 1 else ()
        self.all: tuple[Facet, ...] = (
            *([Facet("subset", (*self._subsets, NO_FACE))] if self._subsets else []),
            *(Facet(axis.name, axis.parts if self._of_image(axis) else (*axis.parts, NO_FACE)) for axis in axes),
        )

    def _of_image(self, axis: Axis) -> bool:
        return axis.of == "images" or axis.name == "height"  # a detection has a height of its own

    def parts(self, item: Item, box: FloatArray) -> list[list[int]]:
        """Return by filter which of its parts an item belongs to."""
        faces, row = self._view.subject.faces, item.face
        found = []
        if self._subsets:
            counted = [i for i, name in enumerate(self._subsets) if row >= 0 and not faces.ignore[name][row]]
            found.append(counted if row >= 0 else [len(self._subsets)])
        for axis in self._axes:
            if axis.of == "images":
                found.append([int(axis.image_class[item.image])])
            elif row >= 0:
                found.append([int(axis.face_class[row])])
            elif axis.name == "height":
                found.append([int(height_class(np.array([box[3] - box[1]]))[0])])
            else:
                found.append([len(axis.parts)])
        return found


def box_of(view: RunView, item: Item) -> FloatArray:
    """Return the box of an item: the detection's, or the missed face's."""
    subject = view.subject
    boxes, row = (subject.detections.boxes, item.detection) if item.detection >= 0 else (subject.faces.boxes, item.face)
    return np.asarray(boxes[row])


def height_of(view: RunView, item: Item) -> float:
    """Return the height of an item's face, else of its detection."""
    if item.face >= 0:
        return float(sides_of(view.subject.faces.boxes[item.face : item.face + 1])[0, 1])
    box = box_of(view, item)
    return float(box[3] - box[1])


def item_data(view: RunView, item: Item, facets: Facets) -> dict[str, Any]:
    """Return an item as the page's script reads it; its image and crop are added where they are numbered."""
    box, subject = box_of(view, item), view.subject
    return {
        "kind": item.kind,
        "rank": item.rank,
        "box": _rounded(box[None])[0],
        "near": _rounded(subject.faces.boxes[item.face][None])[0] if item.face >= 0 and item.detection >= 0 else None,
        "score": figure(item.score),
        "iou": figure(item.iou),
        "cost": figure(item.cost),
        "surprise": figure(item.surprise),
        "height": figure(height_of(view, item)),
        "others": item.others,
        "parts": facets.parts(item, box),
    }


def image_data(view: RunView, image: int) -> str:
    """Return the geometry of an image: its key, faces with whether they count, detections by falling score."""
    subject, types = view.subject, view.whole
    first = int(subject.faces.offsets[image])
    faces = slice(first, int(subject.faces.offsets[image + 1]))
    rows = np.arange(int(subject.detections.offsets[image]), int(subject.detections.offsets[image + 1]))
    rows = rows[types.types[rows] != UNUSED]
    rows = rows[np.argsort(-subject.detections.scores[rows], kind="stable")]
    near = np.where(types.near[rows] >= 0, types.near[rows] - first, -1).tolist()
    described = zip(
        _rounded(subject.detections.boxes[rows]),
        subject.detections.scores[rows].tolist(),
        types.types[rows].tolist(),
        near,
        strict=True,
    )
    counted = types.counted[faces].astype(int).tolist()
    return dumps(
        {
            "key": subject.faces.keys[image],
            "faces": [[*box, flag] for box, flag in zip(_rounded(subject.faces.boxes[faces]), counted, strict=True)],
            "detections": [[*box, figure(score), code, face] for box, score, code, face in described],
        }
    )


class Geometry(dict[int, str]):
    """The geometry of images by position, made when asked for."""

    def __init__(self, view: RunView) -> None:
        """Take a run."""
        super().__init__()
        self._view = view

    def __missing__(self, image: int) -> str:
        """Make the geometry of an image and keep it."""
        self[image] = image_data(self._view, image)
        return self[image]


def figure(value: float | None) -> float | None:
    """Return a number with seven digits; infinite ones as the largest that JSON can hold, None for NaN.

    >>> figure(0.123456789), figure(float("inf")), figure(float("nan"))
    (0.1234568, 1e+308, None)
    """
    return None if value is None or np.isnan(value) else float(f"{min(max(value, -_LARGE), _LARGE):.7g}")


def _rounded(boxes: FloatArray) -> list[list[float]]:
    """Return boxes with one decimal; whole numbers without one."""
    near = np.clip(np.nan_to_num(boxes, nan=_FAR, posinf=_FAR, neginf=-_FAR), -_FAR, _FAR).round(1)
    return [[int(v) if v == int(v) else v for v in box] for box in near.tolist()]
