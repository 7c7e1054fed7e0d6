"""COCO json: ground truth (images, annotations with their attributes, a category of faces), and conversion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.boxes import xywh_of
from sshbench.errors import InputError, UsageError
from sshbench.files import write_atomic
from sshbench.formats.base import read_json, strip_suffix, with_suffix
from sshbench.formats.coco import read_coco_results
from sshbench.formats.coco_fields import box_of, number_of
from sshbench.formats.content import Content, Format, Found, Known, Losses, Truth, ellipse_losses, empty_image_losses
from sshbench.records import FaceSet, FloatArray, IntArray, offsets_of

_REMEDY = "Ground truth is an object with 'images', 'annotations' and 'categories'"


# All other fields of an annotation, such as WIDER FACE's attributes, are kept for subsets by rule.
_OWN_FIELDS = frozenset({"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "ellipse"})


@dataclass(frozen=True, slots=True, eq=False)
class CocoTruth:
    """Ground truth of a COCO json.

    Attributes:
        faces: Images in the order of their ids; crowds are ignored under `all`.
        suffix: The suffix of all file names; "" where they differ, and then the keys keep their suffixes.
        image_ids: Keys by image id.
        category_id: The category of faces.
        categories: Names of all categories by id, first that of faces.
        orphans: Number of faces of images that the file does not list; they were left out.
    """

    faces: FaceSet
    suffix: str
    image_ids: dict[int | str, str]
    category_id: Any
    categories: dict[int | str, str]
    orphans: int = 0


def read_coco(path: Path, category: str = "face") -> CocoTruth:
    """Read ground truth.

    Args:
        path: The json file, plain or .gz, with the fields of COCO's own annotations (cocodataset.org/#format-data);
            `bbox` is x y w h in pixels.
        category: Name of the category of faces, in any case, or its id; a category that is the only one may have any
            name.

    Returns:
        The faces of this category, with corners as boxes, and the ids of images.

    Raises:
        MissingDataError: There is no such file.
        InputError: A field is missing or invalid; the text names it.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError("expected ground truth", file=path, remedy=_REMEDY)
    images = _images(content, path)
    names = [str(image["file_name"]) for image in images]
    suffixes = {Path(name).suffix for name in names}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    keys = [name[: len(name) - len(suffix)] for name in names]
    if len(set(keys)) < len(keys):
        raise InputError("two images share one file_name", file=path, field="images", remedy="Name each image once")
    wanted, categories = _category(content, path, category)
    rows, where, orphans = _annotations(content, path, {image["id"]: i for i, image in enumerate(images)}, wanted)
    boxes = np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    faces = FaceSet(
        keys=tuple(keys),
        offsets=offsets_of(np.bincount(where, minlength=len(keys))),
        boxes=boxes,
        ignore={"all": np.array([bool(row["iscrowd"]) for row in rows], dtype=np.bool_)},
        attributes=_attributes(rows),
        sizes=_sizes(images),
        ellipses=_ellipses(rows, path),
        areas=np.array([row["area"] for row in rows], dtype=np.float64),
    )
    ids = {image["id"]: key for image, key in zip(images, keys, strict=True)}
    return CocoTruth(faces, suffix, ids, wanted, categories, orphans)


def _annotations(
    content: dict[str, Any], path: Path, index: dict[int | str, int], category: Any
) -> tuple[list[dict[str, Any]], IntArray, int]:
    """Return the checked annotations of a category in the order of the images, and the position of each one's image.

    The third value is the number of annotations of images that are not listed; pycocotools passes over them, too.
    """
    rows: list[dict[str, Any]] = []
    where: list[int] = []
    orphans = 0
    for n, entry in enumerate(_list(content, "annotations", path)):
        field = f"annotations[{n}]"
        if not isinstance(entry, dict):
            raise InputError("invalid annotation", file=path, field=field, value=entry, remedy=_REMEDY)
        if entry.get("category_id") != category:
            continue
        if not isinstance(entry.get("image_id"), int | str):
            value = entry.get("image_id")
            raise InputError("invalid image id", file=path, field=f"{field}.image_id", value=value, remedy=_REMEDY)
        image = index.get(entry["image_id"])
        if image is None:
            orphans += 1
            continue
        # Official annotations have faces of negative width (one in WIDER FACE val): they stay what they are.
        box = box_of(entry.get("bbox"), path, f"{field}.bbox", inside_out=True)
        area = number_of(entry.get("area", box[2] * box[3]), path, f"{field}.area")
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise InputError(
                "expected 0 or 1",
                file=path,
                field=f"{field}.iscrowd",
                value=crowd,
                remedy="Write 1 for a crowd, else 0",
            )
        rows.append({**entry, "bbox": box, "area": area, "iscrowd": crowd})
        where.append(image)
    images = np.array(where, dtype=np.int64)
    order = np.argsort(images, kind="stable")
    if orphans and not rows:
        text = "no annotation is of an image in 'images'"
        raise InputError(text, file=path, field="annotations", value=entry["image_id"], remedy=_REMEDY)
    return [rows[i] for i in order.tolist()], images[order], orphans


def _images(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    images = _list(content, "images", path)
    seen: set[int | str] = set()
    for n, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("id"), int | str):
            raise InputError("missing or invalid id", file=path, field=f"images[{n}].id", value=image, remedy=_REMEDY)
        if not isinstance(image.get("file_name"), str) or not image["file_name"]:
            raise InputError("missing file name", file=path, field=f"images[{n}].file_name", remedy=_REMEDY)
        if image["id"] in seen:
            raise InputError("duplicate id", file=path, field=f"images[{n}].id", value=image["id"], remedy=_REMEDY)
        seen.add(image["id"])
    # pycocotools goes through images by rising id: equal scores keep that order. Numbers before names.
    return sorted(images, key=lambda image: (isinstance(image["id"], str), image["id"]))


def _category(content: dict[str, Any], path: Path, name: str) -> tuple[Any, dict[int | str, str]]:
    """Return the id of the category of faces, and the names of all categories by id, the faces' first."""
    categories = [c for c in _list(content, "categories", path) if isinstance(c, dict) and "id" in c]
    named = [c for c in categories if str(c.get("name", "")).lower() == name.lower()]
    named = named or [c for c in categories if str(c["id"]) == name]
    if not named and len(categories) == 1:
        named = categories
    if len(named) != 1:
        raise InputError(
            f"no single category '{name}'",
            file=path,
            field="categories",
            value=[c.get("name") for c in categories],
            remedy="Name the category of faces with --face-class NAME, or [layout] category in a protocol of your own",
        )
    wanted = named[0]["id"]
    if not isinstance(wanted, int | str):
        raise InputError("invalid id", file=path, field="categories", value=wanted, remedy="Write a number")
    names = {c["id"]: str(c.get("name", "")) for c in categories if isinstance(c["id"], int | str)}
    return wanted, {wanted: names[wanted], **names}


def _list(content: dict[str, Any], name: str, path: Path) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list):
        raise InputError("expected a list", file=path, field=name, remedy=_REMEDY)
    return value


def _attributes(rows: list[dict[str, Any]]) -> dict[str, npt.NDArray[np.int8]]:
    """Return the fields that every annotation has and that hold small whole numbers, for example blur."""
    names = [name for name in rows[0] if name not in _OWN_FIELDS] if rows else []
    return {
        name: np.array([row[name] for row in rows], dtype=np.int8)
        for name in names
        if all(type(row.get(name)) is int and -128 <= row[name] < 128 for row in rows)
    }


def _ellipses(rows: list[dict[str, Any]], path: Path) -> FloatArray | None:
    """Return the ellipses that a conversion from FDDB kept beside the boxes."""
    if not rows or not all(isinstance(row.get("ellipse"), list) and len(row["ellipse"]) == 5 for row in rows):
        return None
    return np.array([[number_of(number, path, "ellipse") for number in row["ellipse"]] for row in rows])


def _sizes(images: list[dict[str, Any]]) -> npt.NDArray[np.int64] | None:
    sizes = [(image.get("width"), image.get("height")) for image in images]
    if not all(type(number) is int and 0 < number < 2**31 for size in sizes for number in size):
        return None
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _read_truth(path: Path, known: Known) -> Truth:
    """Read the images in the order of their ids."""
    truth = read_coco(path)
    content = Content(
        names=tuple(f"{key}{truth.suffix}" for key in truth.faces.keys),
        rows=truth.faces,
        sizes=truth.faces.sizes,
        image_ids=tuple(truth.image_ids),
        category_id=truth.category_id,
    )
    return known.complete(content)


def _read_detections(path: Path, known: Known) -> Found:
    """Read results; ids are those of the ground truth, without which every result needs a `file_name`."""
    truth = known.truth
    if truth is not None:
        ids = dict(zip(truth.image_ids, truth.keys, strict=True)) if truth.image_ids is not None else None
        detections, _ = read_coco_results(path, truth.keys, ids)
        return known.complete(Content(truth.names, detections))
    content = read_json(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    listed = entries if isinstance(entries, list) else []
    names = dict.fromkeys(str(e["file_name"]) for e in listed if isinstance(e, dict) and "file_name" in e)
    if listed and not names:
        raise UsageError("the results name their images by id only", remedy="Give the ground truth's json with --truth")
    keys = tuple(strip_suffix(name) for name in names)
    detections, _ = read_coco_results(path, keys, None)
    return known.complete(Content(tuple(names), detections))


def _write_truth(content: Truth, path: Path) -> Losses:
    """Write attributes and ellipses as fields of the annotations, and ignored faces as crowds."""
    faces = content.rows
    ids = content.image_ids or tuple(range(1, len(faces) + 1))
    xywh = xywh_of(faces.boxes)
    areas = xywh[:, 2] * xywh[:, 3] if faces.areas is None else faces.areas
    crowd = faces.ignore.get("all", np.zeros(faces.total, dtype=np.bool_))
    fields: dict[str, list[Any]] = {
        "image_id": [ids[i] for i in faces.image_rows.tolist()],
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


def _write_detections(content: Found, path: Path) -> Losses:
    """Write results as COCO's own tool reads them, with the image's name beside its id."""
    detections = content.rows
    ids = content.image_ids or tuple(range(1, len(detections) + 1))
    xywh = plain(xywh_of(detections.boxes))
    image = detections.image_rows.tolist()
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
    # With ids of its own, the ground truth names every image.
    return [*ellipse_losses(content), *(empty_image_losses(content) if content.image_ids is None else [])]


def plain(values: FloatArray) -> Any:
    """Return nested lists, of ints where all numbers are whole, so that files stay short."""
    if values.size and np.all(values == np.rint(values)) and np.all(np.abs(values) < 2**53):
        return values.astype(np.int64).tolist()
    return values.tolist()


FORMAT = Format(("coco",), "COCO json", ("*.json",), _read_truth, _read_detections, _write_truth, _write_detections)
