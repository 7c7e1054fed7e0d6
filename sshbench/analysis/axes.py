"""Axes along which a dataset is cut into parts: height, attributes, events, crowds, and divisions of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from sshbench.analysis.intervals import events_of
from sshbench.boxes import sides_of
from sshbench.display import short_repr
from sshbench.errors import UsageError, did_you_mean
from sshbench.records import BoolArray, FaceSet, FloatArray, IntArray

MAX_CODES = 12
"""Codes beyond which an attribute is no axis."""
MAX_JOINT = 256
"""Joint parts of two axes beyond which there is no table."""
UNASSIGNED = "unassigned"
"""The part of the images that a division of the user's own leaves out."""
HEIGHT, AREA = "height", "area"
JOINT = " x "
"""Between the names of two axes, and of two parts, that are crossed."""

_HEIGHTS = (10.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_AREAS = (32.0**2, 96.0**2)
_CROWDS = {"0": 0, "1": 1, "2-5": 5, "6-20": 20, "21-50": 50, "51+": np.inf}
_NAMES = {
    "blur": ("clear", "normal", "heavy"),
    "occlusion": ("none", "partial", "heavy"),
    "pose": ("typical", "atypical"),
    "illumination": ("normal", "extreme"),
    "expression": ("typical", "exaggerate"),
}
"""What the codes 0, 1, ... of WIDER FACE's attributes mean. Source: the dataset's readme."""
_LEFT_OUT = frozenset({"invalid"})  # WIDER FACE: faces that no subset counts

Of = Literal["faces", "images"]


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A division of faces, of images, or of both at once.

    A part is a pair of a class of faces and a class of images; an axis of faces has one class of images, and an axis of
    images one class of faces. A false detection belongs to the class of its image.

    Attributes:
        name: For example `height`.
        of: What is divided: `images`, or `faces` where the classes of faces matter.
        parts: Names; part number = class of faces * `image_classes` + class of images.
        face_class: int64 (m,), the class of each face, ignored ones included.
        image_class: int64 (n,), the class of each image.
        image_classes: How many classes of images there are.
    """

    __repr__ = short_repr

    name: str
    of: Of
    parts: tuple[str, ...]
    face_class: IntArray
    image_class: IntArray
    image_classes: int

    @property
    def face_classes(self) -> int:
        """How many classes of faces there are."""
        return len(self.parts) // self.image_classes

    def part_of_faces(self, image_rows: IntArray) -> IntArray:
        """Return the number of each face's part: int64 (m,).

        Args:
            image_rows: int64 (m,), position of each face's image.
        """
        return self.face_class * self.image_classes + self.image_class[image_rows]


def axes_of(
    faces: FaceSet, counted: BoolArray, *, areas: bool = False, own: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Axis, ...]:
    """Return all axes of a dataset: of faces, then of images, then those of the user's own.

    Args:
        faces: The ground truth.
        counted: bool (m,), the faces that count.
        areas: Whether COCO's three ranges of areas are an axis.
        own: By axis and image key, the name of the image's part.

    Raises:
        UsageError: An axis of the user's own has the name of another one, or names an image that the dataset does not
            have.
    """
    axes = [_of_faces(faces, HEIGHT, height_parts(), height_class(face_heights(faces)))]
    if areas:
        small_to_large = np.searchsorted(_AREAS, _areas_of(faces), side="left")
        axes.append(_of_faces(faces, AREA, ("small", "medium", "large"), small_to_large))
    axes += _attributes(faces)
    events = events_of(faces.keys)
    if events is not None:
        names = tuple(dict.fromkeys(key.partition("/")[0] for key in faces.keys))
        axes.append(_of_images(faces, "event", names, events))
    crowds = np.searchsorted(list(_CROWDS.values()), faces.per_image(counted), side="left")
    axes.append(_of_images(faces, "crowd", tuple(_CROWDS), crowds))
    for name, value_of in (own or {}).items():
        if name in {axis.name for axis in axes}:
            raise UsageError(f"there is already an axis '{name}'", remedy="Give your own axis another name")
        axes.append(_own(faces, name, value_of))
    return tuple(axes)


def crossed(axes: Sequence[Axis], names: tuple[str, str]) -> Axis:
    """Return the axis of the joint parts of two axes.

    Raises:
        UsageError: There is no such axis, both are the same, or there are over `MAX_JOINT` joint parts.
    """
    known = {axis.name: axis for axis in axes}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no axis '{name}'", remedy=did_you_mean(name, known))
    if names[0] == names[1]:
        raise UsageError(f"the axis '{names[0]}' cannot be crossed with itself", remedy="Name two axes")
    a, b = known[names[0]], known[names[1]]
    joint = len(a.parts) * len(b.parts)
    if joint > MAX_JOINT:
        text = f"'{a.name}' and '{b.name}' have {len(a.parts)} * {len(b.parts)} = {joint} joint parts"
        raise UsageError(text, remedy=f"Cross axes with at most {MAX_JOINT} joint parts")
    return Axis(
        name=f"{a.name}{JOINT}{b.name}",
        of="images" if a.of == b.of == "images" else "faces",
        parts=tuple(f"{one}{JOINT}{other}" for one, other in _joint_parts(a, b)),
        face_class=a.face_class * b.face_classes + b.face_class,
        image_class=a.image_class * b.image_classes + b.image_class,
        image_classes=a.image_classes * b.image_classes,
    )


def _joint_parts(a: Axis, b: Axis) -> Iterator[tuple[str, str]]:
    for face in range(a.face_classes * b.face_classes):
        of_a, of_b = divmod(face, b.face_classes)
        for image in range(a.image_classes * b.image_classes):
            in_a, in_b = divmod(image, b.image_classes)
            yield a.parts[of_a * a.image_classes + in_a], b.parts[of_b * b.image_classes + in_b]


def face_heights(faces: FaceSet) -> FloatArray:
    """Return the height of each annotated box in pixels, h as the annotation gives it (no + 1): float64 (m,).

    FDDB: the height of the ellipse's bounding box.
    """
    return sides_of(faces.boxes)[:, 1]


def height_class(heights: FloatArray) -> IntArray:
    """Return the number of the part of the axis `height`: int64 (k,); NaN is in the last one.

    >>> height_class(np.array([9.9, 10.0, 255.0, 256.0])).tolist()
    [0, 1, 5, 6]
    """
    return np.searchsorted(_HEIGHTS, heights, side="right")


def height_parts() -> tuple[str, ...]:
    """Return the names of the parts of the axis `height`.

    >>> height_parts()
    ('[0,10)', '[10,16)', '[16,32)', '[32,64)', '[64,128)', '[128,256)', '[256,inf)')
    """
    edges = (0.0, *_HEIGHTS, np.inf)
    return tuple(f"[{low:g},{high:g})" for low, high in pairwise(edges))


def _areas_of(faces: FaceSet) -> FloatArray:
    """Return the annotated areas, else those of the boxes. An area on a limit counts as the smaller range's alone."""
    return sides_of(faces.boxes).prod(axis=1) if faces.areas is None else faces.areas


def _attributes(faces: FaceSet) -> Iterator[Axis]:
    """Yield the axes of the attributes: those of WIDER FACE with names, in its order, then the others by code."""
    ordered = [name for name in _NAMES if name in faces.attributes]
    for name in dict.fromkeys((*ordered, *faces.attributes)):
        values = faces.attributes[name].astype(np.int64)
        named = dict(enumerate(_NAMES.get(name, ())))
        codes = sorted({*named, *np.unique(values).tolist()})
        if name not in _LEFT_OUT and 0 < len(codes) <= MAX_CODES:
            parts = tuple(named.get(code, str(code)) for code in codes)
            yield _of_faces(faces, name, parts, np.searchsorted(codes, values))


def _own(faces: FaceSet, name: str, value_of: Mapping[str, str]) -> Axis:
    known = set(faces.keys)
    if unknown := [key for key in value_of if key not in known]:
        raise UsageError(f"the axis '{name}' names {images_named(unknown)} not in the dataset", remedy=KEYS_REMEDY)
    values = [value_of.get(key, UNASSIGNED) for key in faces.keys]
    # In the order of the user's file; what is left over comes last.
    numbers = {part: number for number, part in enumerate(dict.fromkeys(value_of.values()))}
    if UNASSIGNED in values:
        numbers.setdefault(UNASSIGNED, len(numbers))
    return _of_images(faces, name, tuple(numbers), np.array([numbers[value] for value in values], dtype=np.int64))


KEYS_REMEDY = "Write image keys as the dataset has them"


def images_named(keys: Iterable[str], shown: int = 3) -> str:
    """Return the number of images and the first keys, for an error.

    >>> images_named(["a", "b"]), images_named("abcd")
    ("2 images ('a', 'b')", "4 images ('a', 'b', 'c', ...)")
    """
    listed = list(keys)
    names = ", ".join([*(repr(key) for key in listed[:shown]), *(["..."] if len(listed) > shown else [])])
    return f"{len(listed)} image{'' if len(listed) == 1 else 's'} ({names})"


def _of_faces(faces: FaceSet, name: str, parts: tuple[str, ...], face_class: IntArray) -> Axis:
    return Axis(name, "faces", parts, face_class, np.zeros(len(faces), dtype=np.int64), 1)


def _of_images(faces: FaceSet, name: str, parts: tuple[str, ...], image_class: IntArray) -> Axis:
    return Axis(name, "images", parts, np.zeros(faces.total, dtype=np.int64), image_class, len(parts))
