"""Predictions of other libraries: Ultralytics, torchvision, supervision, and COCO results.

None of these libraries is imported. Their objects are read by the attributes that they document; tensors may be on any
device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from sshbench.errors import UsageError
from sshbench.formats.base import ImageIds, strip_suffix
from sshbench.formats.coco import results_to_detections
from sshbench.records import Detections, DetectionSet, FloatArray

FaceClass = int | str | None


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


def from_ultralytics(result: UltralyticsResult, *, face_class: FaceClass = None) -> Detections:
    """Return the boxes and confidences of one Ultralytics result.

    Args:
        result: One element of what `model(images)` returns. Its boxes are in pixels of the original image.
        face_class: Number or name of the class of faces; needed where the result has several classes.

    Raises:
        UsageError: The result has no boxes, or several classes and none is chosen.

    Source: docs of `ultralytics.engine.results`: `boxes.xyxy` (n, 4), `boxes.conf` (n,), `boxes.cls` (n,), `names`.

    >>> from types import SimpleNamespace
    >>> boxes = SimpleNamespace(xyxy=[[10, 20, 50, 70]], conf=[0.9], cls=[0])
    >>> from_ultralytics(SimpleNamespace(boxes=boxes, names={0: "face"})).boxes.tolist()
    [[10.0, 20.0, 50.0, 70.0]]
    """
    if result.boxes is None:
        raise UsageError("the Ultralytics result has no boxes", remedy="Use a model for detection")
    return _chosen(
        result.boxes.xyxy, result.boxes.conf, result.boxes.cls, face_class, "face_class", dict(result.names or {})
    )


def from_torchvision(output: Mapping[str, object], *, face_label: int | None = None) -> Detections:
    """Return the boxes and scores that a torchvision detection model gives for one image.

    Args:
        output: A dictionary with `boxes` (n, 4), corners x1, y1, x2, y2, `scores` (n,) and `labels` (n,).
        face_label: Label of faces; needed where several labels are present.

    Raises:
        UsageError: A key is missing, or there are several labels and none is chosen.

    Source: docs of `torchvision.models.detection`.

    >>> from_torchvision({"boxes": [[10, 20, 50, 70]], "scores": [0.9], "labels": [1]}).scores.tolist()
    [0.9]
    """
    if missing := [name for name in ("boxes", "scores") if name not in output]:
        raise UsageError(f"the output has no '{missing[0]}'", remedy="Pass the dictionary of one image")
    return _chosen(output["boxes"], output["scores"], output.get("labels"), face_label, "face_label", {})


def from_supervision(detections: SupervisionDetections, *, face_class: int | None = None) -> Detections:
    """Return the boxes and confidences of `supervision.Detections`.

    Args:
        detections: Of one image, `xyxy` (n, 4) in pixels of the original image.
        face_class: `class_id` of faces; needed where several are present.

    Raises:
        UsageError: There are no confidences, or several classes and none is chosen.

    Source: docs of `supervision.Detections`.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(xyxy=[[10, 20, 50, 70]], confidence=[0.9], class_id=None)
    >>> len(from_supervision(found))
    1
    """
    if detections.confidence is None and len(to_numpy(detections.xyxy)):
        raise UsageError("the detections have no confidence", remedy="Make them with the scores of the model")
    return _chosen(
        detections.xyxy,
        () if detections.confidence is None else detections.confidence,
        detections.class_id,
        face_class,
        "face_class",
        {},
    )


def from_coco(
    results: Iterable[Mapping[str, object]], *, keys: Sequence[str] | None = None, image_ids: ImageIds | None = None
) -> DetectionSet:
    """Return COCO results, a list of dictionaries, as one set.

    Args:
        results: Each with `bbox` (x, y, w, h in pixels), `score`, and `file_name` or `image_id`.
        keys: Image keys of the dataset, in order; default: the images of the results, in order of appearance.
        image_ids: Keys by `image_id`; `Dataset.image_ids` has them for a COCO dataset.

    Returns:
        Detections aligned with `keys`, in the order of the results; x2 = x + w, y2 = y + h.

    Raises:
        InputError: A result lacks a field or holds an invalid value, or there are several categories.

    Source: cocodataset.org, format of results.

    >>> results = [{"file_name": "a.jpg", "category_id": 1, "bbox": [10, 20, 40, 50], "score": 0.9}]
    >>> from_coco(results)["a"].boxes.tolist()
    [[10.0, 20.0, 50.0, 70.0]]
    """
    entries = list(results)
    if keys is None:
        ids = image_ids or {}
        names = (
            strip_suffix(str(entry["file_name"]))
            if "file_name" in entry
            else ids.get(cast("int | str", entry.get("image_id")), str(entry.get("image_id")))
            for entry in entries
        )
        keys = tuple(dict.fromkeys(names))
    return results_to_detections(entries, Path("results"), keys, image_ids)[0]


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


def _chosen(
    boxes: object, scores: object, classes: object, wanted: FaceClass, argument: str, names: Mapping[int, str]
) -> Detections:
    corners, certainty = to_numpy(boxes).reshape(-1, 4), to_numpy(scores).reshape(-1)
    if classes is None:
        return Detections(corners, certainty)
    labels = to_numpy(classes).reshape(-1).astype(np.int64)
    present = sorted(set(labels.tolist()))
    if wanted is None:
        if len(present) > 1:
            listed = ", ".join(f"{label} {names[label]}" if label in names else str(label) for label in present)
            raise UsageError(f"the predictions are of several classes: {listed}", remedy=f"Name one with {argument}=")
        return Detections(corners, certainty)
    if isinstance(wanted, str):
        numbers = [label for label, name in names.items() if name == wanted]
        if not numbers:
            known = ", ".join(names.values()) or "none"
            raise UsageError(f"{argument}: there is no class '{wanted}'", remedy=f"Known: {known}")
        wanted = numbers[0]
    kept = labels == wanted
    return Detections(corners[kept], certainty[kept])
