"""Predictions of other libraries: Ultralytics, torchvision, supervision, and COCO results.

None of these libraries is imported. Their objects are read by the attributes that they document; tensors may be on any
device. Numbers become float64; those of float32 and shorter types stay exact.

Each function takes the result of one image and returns `Detections`, or takes the results of several images together
with their keys and returns a `DetectionSet`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError, UsageError, did_you_mean
from sshbench.formats.base import ImageIds
from sshbench.formats.coco import results_in, results_to_detections
from sshbench.formats.coco_fields import image_key_of
from sshbench.records import Detections, DetectionSet, FloatArray

FaceClass = int | str | None
_Result = TypeVar("_Result")
_MAX_LISTED = 10


class _Boxes(Protocol):
    xyxy: object
    conf: object
    cls: object


class UltralyticsResult(Protocol):
    """What is used of `ultralytics.engine.results.Results`."""

    @property
    def boxes(self) -> _Boxes | None: ...  # noqa: D102
    @property
    def names(self) -> Mapping[int, str]: ...  # noqa: D102


class SupervisionDetections(Protocol):
    """What is used of `supervision.Detections`."""

    @property
    def xyxy(self) -> npt.ArrayLike: ...  # noqa: D102
    @property
    def confidence(self) -> npt.ArrayLike | None: ...  # noqa: D102
    @property
    def class_id(self) -> npt.ArrayLike | None: ...  # noqa: D102


@overload
def from_ultralytics(results: UltralyticsResult, *, face_class: FaceClass = None) -> Detections: ...


@overload
def from_ultralytics(
    results: Iterable[UltralyticsResult], *, keys: Iterable[str], face_class: FaceClass = None
) -> DetectionSet: ...


def from_ultralytics(
    results: UltralyticsResult | Iterable[UltralyticsResult],
    *,
    keys: Iterable[str] | None = None,
    face_class: FaceClass = None,
) -> Detections | DetectionSet:
    """Return the boxes and confidences of Ultralytics results.

    Args:
        results: One `Results` object, or with `keys` what `model(images)` returns: a list, or a generator, which is
            read one result at a time. Boxes are in pixels of the original image.
        keys: Image keys of the dataset, one per result.
        face_class: Number or name of the class of faces; needed where the model has several classes, whichever of them
            it found in these images.

    Returns:
        The detections in the order of the results, x1, y1, x2, y2.

    Raises:
        UsageError: A result has no boxes, there is no such class or several and none is chosen, the arrays do not fit
            together, or results and keys differ in number.

    Source: docs of `ultralytics.engine.results`: `boxes.xyxy` (n, 4), `boxes.conf` (n,), `boxes.cls` (n,), `names`.

    >>> from types import SimpleNamespace
    >>> boxes = SimpleNamespace(xyxy=[[10, 20, 50, 70]], conf=[0.9], cls=[0])
    >>> result = SimpleNamespace(boxes=boxes, names={0: "face"})
    >>> from_ultralytics(result).boxes.tolist()
    [[10.0, 20.0, 50.0, 70.0]]
    >>> from_ultralytics([result, result], keys=["a", "b"])
    DetectionSet(2 images, 2 detections)
    """
    return _converted(results, hasattr(results, "boxes"), keys, _of_ultralytics, face_class, "face_class")


@overload
def from_torchvision(output: Mapping[str, object], *, face_label: int | None = None) -> Detections: ...


@overload
def from_torchvision(
    output: Iterable[Mapping[str, object]], *, keys: Iterable[str], face_label: int | None = None
) -> DetectionSet: ...


def from_torchvision(
    output: Mapping[str, object] | Iterable[Mapping[str, object]],
    *,
    keys: Iterable[str] | None = None,
    face_label: int | None = None,
) -> Detections | DetectionSet:
    """Return the boxes and scores of a torchvision detection model.

    Args:
        output: The dictionary of one image, or with `keys` those of several: `boxes` (n, 4), corners x1, y1, x2, y2 in
            pixels of the image that the model got, `scores` (n,) and `labels` (n,).
        keys: Image keys of the dataset, one per dictionary.
        face_label: Label of faces; needed where several labels are present.

    Returns:
        The detections in the order of the output.

    Raises:
        UsageError: A dictionary lacks `boxes` or `scores`, there are several labels and none is chosen, the arrays do
            not fit together, or dictionaries and keys differ in number.

    Source: docs of `torchvision.models.detection`.

    >>> output = {"boxes": [[10, 20, 50, 70]], "scores": [0.9], "labels": [1]}
    >>> from_torchvision(output).scores.tolist()
    [0.9]
    >>> from_torchvision([output], keys=["a"])["a"].boxes.tolist()
    [[10.0, 20.0, 50.0, 70.0]]
    """
    return _converted(output, isinstance(output, Mapping), keys, _of_torchvision, face_label, "face_label")


@overload
def from_supervision(detections: SupervisionDetections, *, face_class: int | None = None) -> Detections: ...


@overload
def from_supervision(
    detections: Iterable[SupervisionDetections], *, keys: Iterable[str], face_class: int | None = None
) -> DetectionSet: ...


def from_supervision(
    detections: SupervisionDetections | Iterable[SupervisionDetections],
    *,
    keys: Iterable[str] | None = None,
    face_class: int | None = None,
) -> Detections | DetectionSet:
    """Return the boxes and confidences of `supervision.Detections`.

    Args:
        detections: Those of one image, or with `keys` those of several: `xyxy` (n, 4) in pixels of the original image,
            `confidence` (n,), `class_id` (n,) or None.
        keys: Image keys of the dataset, one per element.
        face_class: `class_id` of faces; needed where several are present.

    Returns:
        The detections in the order given.

    Raises:
        UsageError: There are no confidences, several classes and none is chosen, the arrays do not fit together, or
            elements and keys differ in number.

    Source: docs of `supervision.Detections`.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(xyxy=[[10, 20, 50, 70]], confidence=[0.9], class_id=None)
    >>> len(from_supervision(found))
    1
    """
    return _converted(detections, hasattr(detections, "xyxy"), keys, _of_supervision, face_class, "face_class")


def from_coco(
    results: str | Path | Iterable[Mapping[str, object]],
    *,
    keys: Sequence[str] | None = None,
    image_ids: ImageIds | None = None,
    face_category: int | None = None,
) -> DetectionSet:
    """Return COCO results as one set.

    Args:
        results: Dictionaries with `bbox` (x, y, w, h in pixels), `score`, `category_id`, and `file_name` or `image_id`;
            or the path of a json file (plain or .gz) that holds a list of them.
        keys: Image keys of the dataset, in order; default: the images of the results, in order of appearance.
        image_ids: Keys by `image_id`; `Dataset.image_ids` has them for a COCO dataset.
        face_category: `category_id` of faces; needed where there are several.

    Returns:
        Detections aligned with `keys`, in the order of the results; x2 = x + w, y2 = y + h.

    Raises:
        UsageError: A result is of an image that is not among the `keys`.
        MissingDataError: There is no such file.
        InputError: A result lacks a field or holds an invalid value, no result is of this category, or there are
            several and none is chosen.

    Source: cocodataset.org, format of results.

    >>> results = [{"file_name": "a.jpg", "category_id": 1, "bbox": [10, 20, 40, 50], "score": 0.9}]
    >>> from_coco(results)["a"].boxes.tolist()
    [[10.0, 20.0, 50.0, 70.0]]
    """
    path = Path(results).expanduser() if isinstance(results, str | Path) else Path("results")
    entries = results_in(path) if isinstance(results, str | Path) else [_plain_result(one) for one in results]
    if keys is None:
        ids = image_ids or {}
        known = frozenset(ids.values())
        names = (image_key_of(one, known, ids, path, n) for n, one in enumerate(entries) if isinstance(one, Mapping))
        keys = tuple(dict.fromkeys(names))
    found, findings = results_to_detections(
        entries, path, keys, image_ids, category=face_category, several="Name the one of faces with face_category="
    )
    if unknown := next((finding for finding in findings if finding.code == "unknown-image"), None):
        raise UsageError(f"{path}: {unknown}", remedy="Leave out keys, or pass image_ids")
    return found


def to_numpy(values: object) -> FloatArray:
    """Return numbers as float64; tensors are taken from their device, and float32 stays exact.

    Raises:
        UsageError: They are not numbers.
    """
    for step in ("detach", "cpu"):
        values = getattr(values, step)() if hasattr(values, step) else values
    if "bfloat16" in str(getattr(values, "dtype", "")) and hasattr(values, "float"):
        values = values.float()  # numpy has no bfloat16
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected numbers, got {type(values).__name__} ({error})") from error


@dataclass(frozen=True, slots=True)
class _Found:
    """What a library found in one image: boxes, scores, classes where it has them, and names of its model's classes."""

    boxes: object
    scores: object
    classes: object | None
    names: Mapping[int, str] = field(default_factory=dict)


def _of_ultralytics(result: UltralyticsResult) -> _Found:
    if result.boxes is None:
        raise UsageError("the Ultralytics result has no boxes", remedy="Use a model for detection")
    return _Found(result.boxes.xyxy, result.boxes.conf, result.boxes.cls, dict(result.names or {}))


def _of_torchvision(output: Mapping[str, object]) -> _Found:
    if missing := [name for name in ("boxes", "scores") if name not in output]:
        raise UsageError(f"the output has no '{missing[0]}'", remedy="Pass the dictionary of one image")
    return _Found(output["boxes"], output["scores"], output.get("labels"))


def _of_supervision(detections: SupervisionDetections) -> _Found:
    if detections.confidence is None and len(to_numpy(detections.xyxy)):
        raise UsageError("the detections have no confidence", remedy="Make them with the scores of the model")
    return _Found(detections.xyxy, () if detections.confidence is None else detections.confidence, detections.class_id)


def _converted(
    results: _Result | Iterable[_Result],
    is_one: bool,
    keys: Iterable[str] | None,
    read: Callable[[_Result], _Found],
    wanted: FaceClass,
    argument: str,
) -> Detections | DetectionSet:
    """Return the detections of one result, or of several by key."""
    if keys is None:
        if not is_one and isinstance(results, Iterable):
            raise UsageError("results of several images need the keys of these images", remedy="Pass keys=")
        return _detections([read(cast("_Result", results))], [""], wanted, argument)[0]
    if is_one:
        raise UsageError("keys= goes with the results of several images", remedy="Leave it out, or pass a list")
    found = [read(one) for one in cast("Iterable[_Result]", results)]
    names = list(keys)
    if len(names) != len(found):
        raise UsageError(f"{len(found)} results do not fit {len(names)} keys", remedy="Pass one key per result")
    return DetectionSet.from_images(zip(names, _detections(found, names, wanted, argument), strict=True))


def _detections(found: Sequence[_Found], keys: Sequence[str], wanted: FaceClass, argument: str) -> list[Detections]:
    """Return the faces among what was found, with one choice of the class for all images."""
    images: list[tuple[Detections, FloatArray | None]] = []
    for key, one in zip(keys, found, strict=True):
        where = f"image '{key}': " if key else ""
        try:
            detections = Detections(to_numpy(one.boxes), to_numpy(one.scores))
            classes = None if one.classes is None else to_numpy(one.classes)
        except SshbenchError as error:
            raise UsageError(f"{where}{error.message}", remedy=error.remedy) from error
        if classes is not None and classes.shape != detections.scores.shape:
            raise UsageError(f"{where}{len(detections)} detections do not fit classes of shape {classes.shape}")
        if classes is not None and not np.isfinite(classes).all():
            raise UsageError(f"{where}expected numbers of classes, got {classes[~np.isfinite(classes)][0]}")
        images.append((detections, classes))
    names = {number: name for one in found for number, name in one.names.items()}
    present = {number for _, classes in images if classes is not None for number in np.unique(classes).tolist()}
    number = _number_of(wanted, names, present, argument)
    if number is None:
        return [detections for detections, _ in images]
    if any(classes is None and len(detections) for detections, classes in images):
        raise UsageError(f"{argument}={wanted!r}, but the detections have no classes", remedy=f"Leave out {argument}")
    return [
        detections if classes is None else Detections(detections.boxes[kept], detections.scores[kept])
        for detections, classes in images
        for kept in [classes == number]
    ]


def _number_of(wanted: FaceClass, names: Mapping[int, str], present: set[float], argument: str) -> int | None:
    """Return the number of the class of faces; None where there is one class only and none was chosen."""
    if wanted is None:
        classes = sorted(present | set(names))
        if len(classes) < 2:
            return None
        shown = ", ".join(f"{number:g} {names.get(int(number), '')}".strip() for number in classes[:_MAX_LISTED])
        more = f" and {len(classes) - _MAX_LISTED} more" if len(classes) > _MAX_LISTED else ""
        raise UsageError(
            f"the predictions are of several classes: {shown}{more}", remedy=f"Name the one of faces with {argument}="
        )
    if isinstance(wanted, str):
        numbers = [number for number, name in names.items() if name == wanted]
        if not numbers:
            remedy = did_you_mean(wanted, names.values(), listed="Known") if names else "Give its number"
            raise UsageError(f"{argument}: there is no class '{wanted}'", remedy=remedy)
        return numbers[0]
    if names and wanted not in names:
        known = ", ".join(f"{number} {name}" for number, name in list(names.items())[:_MAX_LISTED])
        raise UsageError(f"{argument}: there is no class {wanted}", remedy=f"Known: {known}")
    return wanted


def _plain_result(result: Mapping[str, object]) -> object:
    """Return a COCO result with plain numbers, as a json file has them; anything else as it is."""
    return {name: _plain(value) for name, value in result.items()} if isinstance(result, Mapping) else result


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):  # an array, a tensor or one of their numbers
        return value.tolist()
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
