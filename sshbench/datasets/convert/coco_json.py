"""COCO json: ground truth with every attribute, and results that name their images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sshbench.boxes import xywh_of
from sshbench.datasets.coco import read_coco
from sshbench.datasets.convert.content import (
    Content,
    Format,
    Known,
    Losses,
    ellipse_losses,
    strip_suffix,
    with_suffix,
)
from sshbench.errors import UsageError
from sshbench.predictions.coco import read_coco_results, read_json
from sshbench.records import FloatArray
from sshbench.runs import write_atomic


def read_truth(path: Path, known: Known) -> Content:
    """Images by rising id."""
    truth = read_coco(path)
    content = Content(
        names=tuple(f"{key}{truth.suffix}" for key in truth.faces.keys),
        faces=truth.faces,
        sizes=truth.faces.sizes,
        image_ids=tuple(truth.image_ids),
        category_id=truth.category_id,
    )
    return known.complete(content)


def read_detections(path: Path, known: Known) -> Content:
    """Ids are those of the ground truth; without it every result must hold a `file_name`."""
    truth = known.truth
    if truth is not None:
        ids = dict(zip(truth.image_ids, truth.keys, strict=True)) if truth.image_ids is not None else None
        detections, _ = read_coco_results(path, truth.keys, ids)
        return known.complete(Content(truth.names, detections=detections))
    content = read_json(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    listed = entries if isinstance(entries, list) else []
    names = dict.fromkeys(str(e["file_name"]) for e in listed if isinstance(e, dict) and "file_name" in e)
    if listed and not names:
        raise UsageError("the results name their images by id only", remedy="Give the ground truth's json by --truth")
    keys = tuple(strip_suffix(name) for name in names)
    detections, _ = read_coco_results(path, keys, None)
    return known.complete(Content(tuple(names), detections=detections))


def write_truth(content: Content, path: Path) -> Losses:
    """Attributes and ellipses become fields of the annotations; ignored faces become crowds."""
    faces = content.faces
    assert faces is not None
    ids = content.image_ids or tuple(range(1, len(faces) + 1))
    xywh = xywh_of(faces.boxes)
    areas = xywh[:, 2] * xywh[:, 3] if faces.areas is None else faces.areas
    crowd = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    fields: dict[str, list[Any]] = {
        "image_id": [ids[i] for i in np.repeat(np.arange(len(faces)), np.diff(faces.offsets)).tolist()],
        "category_id": [content.category_id] * faces.total,
        "bbox": plain(xywh),
        "area": plain(areas),
        "iscrowd": crowd.astype(int).tolist(),
        **{name: values.tolist() for name, values in faces.attributes.items()},
    }
    if faces.ellipses is not None:
        fields["ellipse"] = plain(faces.ellipses)
    images: list[dict[str, Any]] = []
    for i, name in enumerate(content.names):
        image: dict[str, Any] = {"id": ids[i], "file_name": with_suffix(name)}
        if content.sizes is not None:
            image["width"], image["height"] = content.sizes[i].tolist()
        images.append(image)
    annotations = [
        {"id": n, **dict(zip(fields, row, strict=True))}
        for n, row in enumerate(zip(*fields.values(), strict=True), start=1)
    ]
    categories = [{"id": content.category_id, "name": "face", "supercategory": "person"}]
    write_atomic(path, json.dumps({"images": images, "annotations": annotations, "categories": categories}) + "\n")
    return []


def write_detections(content: Content, path: Path) -> Losses:
    """Results as COCO's own tool reads them, with the image's name beside its id."""
    detections = content.detections
    assert detections is not None
    ids = content.image_ids or tuple(range(1, len(detections) + 1))
    xywh = plain(xywh_of(detections.boxes))
    image = np.repeat(np.arange(len(detections)), np.diff(detections.offsets)).tolist()
    results = [
        {
            "image_id": ids[i],
            "file_name": with_suffix(content.names[i]),
            "category_id": content.category_id,
            "bbox": box,
            "score": score,
        }
        for i, box, score in zip(image, xywh, detections.scores.tolist(), strict=True)
    ]
    write_atomic(path, json.dumps(results) + "\n")
    empty = len(detections) - len(set(image))
    losses = [f"{empty} images without detections were left out"] if empty and content.image_ids is None else []
    return [*ellipse_losses(content), *losses]


def plain(values: FloatArray) -> Any:
    """Nested lists in which whole numbers are ints, so that files stay short."""
    if values.size and np.all(values == np.rint(values)) and np.all(np.abs(values) < 2**53):
        return values.astype(np.int64).tolist()
    return values.tolist()


FORMAT = Format("COCO json", read_truth, read_detections, write_truth, write_detections)
