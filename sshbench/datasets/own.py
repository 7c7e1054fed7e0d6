"""Your own images: a YOLO dataset, a COCO folder, or one annotation file of any format beside a folder of images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from sshbench.datasets import coco, yolo
from sshbench.datasets.base import Dataset
from sshbench.datasets.pictures import first_with_images
from sshbench.datasets.yolo_layout import is_yolo_folder
from sshbench.errors import InputError, MissingDataError
from sshbench.files import FileTree, sha256_of
from sshbench.formats.base import strip_suffix
from sshbench.formats.content import Known
from sshbench.formats.convert import FORMATS, truth_format_of
from sshbench.formats.places import list_places
from sshbench.formats.yolo import is_yolo
from sshbench.protocols import Protocol
from sshbench.records import Finding

_JSON = ("annotations/*.json", "*.json")
_LISTS = ("*_bbx_gt.txt", "*.txt", "*.csv", "*.mat")
_IMAGES = ("images", "JPEGImages", ".")


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load whatever annotation lies in a folder, or in a file.

    In turn: a YOLO dataset (see `load_yolo`), a COCO json (see `load_coco`), a list of WIDER FACE, FDDB or PASCAL
    Faces. Boxes of YOLO are of upright photographs, those of the others of photographs as they are stored, unless the
    sizes of the annotation tell.

    Args:
        protocol: Its layout may name the folder of the images, and the class of faces.
        root: The folder, or the annotation file.

    Raises:
        MissingDataError: There is no annotation.
        InputError: It is invalid, or several files may be meant; the text names them.
    """
    if _is_yolo(protocol, root):
        return yolo.load(_for_yolo(protocol), root)
    if not root.exists():
        raise MissingDataError(f"there is no {root}", remedy="Name the annotation, or its folder, with --data")
    layout = protocol.layout
    if root.is_file() and truth_format_of(root) != "coco":
        return _of_list(protocol, root)
    patterns = layout.annotation or _JSON
    if root.is_dir() and not any(match for pattern in patterns for match in root.glob(pattern)):
        found = next((files for pattern in _LISTS if (files := sorted(root.glob(pattern)))), [])
        if len(found) > 1:
            listed = ", ".join(file.name for file in found[:5])
            raise InputError(f"may mean any of {listed}", file=root, remedy="Name the annotation with --data FILE")
        if found:
            return _of_list(protocol, found[0])
    images = layout.images or _IMAGES
    return coco.load(
        protocol.model_copy(update={"layout": layout.model_copy(update={"annotation": patterns, "images": images})}),
        root,
    )


def label_problems(protocol: Protocol, root: Path) -> list[InputError]:
    """Return all invalid rows of YOLO's label files; none for other formats, whose readers name the first."""
    return yolo.label_problems(_for_yolo(protocol), root) if _is_yolo(protocol, root) else []


def _is_yolo(protocol: Protocol, root: Path) -> bool:
    if not root.exists():
        return False
    if is_yolo_folder(root):
        return True
    return root.is_dir() and protocol.layout.image_root is not None and is_yolo(FileTree(root))


def _for_yolo(protocol: Protocol) -> Protocol:
    """Return the protocol with YOLO's rule for photographs, unless it says another one itself."""
    if "orientation" in protocol.layout.model_fields_set:
        return protocol
    layout = protocol.layout.model_copy(update={"orientation": "upright"})
    return protocol.model_copy(update={"layout": layout})


def _of_list(protocol: Protocol, path: Path) -> Dataset:
    """Load an annotation that is one file: its images lie beside it, in a folder `images`, or where the user says."""
    format_ = FORMATS[truth_format_of(path)]
    content = format_.read_truth(path, Known())
    names = dict(zip(content.keys, content.names, strict=True))
    places = [path.parent / part for part in protocol.layout.images or _IMAGES]
    faces = content.rows if content.sizes is None else replace(content.rows, sizes=content.sizes)
    return Dataset(
        name=protocol.dataset,
        split=protocol.split,
        root=path,
        faces=faces,
        source_hash=sha256_of(path),
        image_root=first_with_images(places, names.values()),
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
        findings=tuple(Finding("annotation", note) for note in content.notes),
        file_names={key: name for key, name in names.items() if strip_suffix(name) != name},
        image_places=tuple(places),
        sources=(path,),
        locate=partial(list_places, (path,)),
    )
