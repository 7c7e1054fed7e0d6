"""A dataset as YOLO's tools have it: images, and beside them one text file per image with numbers relative to its size.

The numbers are turned into pixels with the sizes of the image files. A label file that is empty or not there says that
the image has no face, as in YOLO's tools; images whose header cannot be read are left out, because their size is not
known.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.datasets.yolo_layout import YoloLayout, find_layout, label_files, label_of
from sshbench.errors import InputError, MissingDataError
from sshbench.files import read_plain_or_gz
from sshbench.flat import counted
from sshbench.formats.base import lines_of
from sshbench.formats.names import NameMatcher
from sshbench.formats.places import yolo_places
from sshbench.formats.yolo import pixels
from sshbench.formats.yolo_rows import TRUTH, YoloRows, parse_rows
from sshbench.images import Size, size_of, upright_size_of
from sshbench.protocols import Protocol
from sshbench.records import FaceSet, Finding, offsets_of

_NO_LABELS = parse_rows(Path(), (), TRUTH)


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load a YOLO dataset from the folders that a protocol names; see `load_yolo`."""
    layout = protocol.layout
    return load_yolo(
        root,
        split=protocol.split,
        images=None if layout.image_root is None else Path(layout.image_root),
        face_class=layout.category,
        upright=layout.orientation == "upright",
        name=protocol.dataset,
    )


def load_yolo(
    root: str | Path,
    *,
    split: str = "val",
    images: Path | None = None,
    face_class: str = "face",
    upright: bool = True,
    name: str = "yolo",
) -> Dataset:
    """Load a YOLO dataset.

    Args:
        root: Its folder, its data.yaml, or the folder of its labels.
        split: `train`, `val`, `test`, or a name of its own; data without splits are taken whole.
        images: Folder of the images, where they do not lie beside the labels.
        face_class: Name or number of the class of faces. Where there is only one class, it is that one.
        upright: Whether the labels are of photographs after their EXIF orientation is applied, as YOLO's tools do.
        name: Name of the dataset.

    Returns:
        Images by name, faces in pixels rounded to 8 decimals. Rows of other classes are left out.

    Raises:
        MissingDataError: There is no such folder or split, or no image or label in it.
        InputError: A row or the data.yaml is invalid, or it is not clear which class is the face; the text names it.
    """
    folder = Path(root).expanduser()
    layout = find_layout(folder, split, images)
    if not layout.images:
        raise MissingDataError(f"no image of split '{split}' in {folder}", remedy="Name their folder with --images")
    base = images or Path(os.path.commonpath([file.parent for file in layout.images]))
    names = _names(base, layout.images)
    labels = _labels(layout, names, beside=images is None)
    contents = {key: read_plain_or_gz(file, "Write the file again") for key, file in labels.items()}
    rows = {key: read_label(labels[key], contents[key], layout.landmarks) for key in labels}
    if broken := next((one.problems[0] for one in rows.values() if one.problems), None):
        raise broken
    face = _face_number(rows, layout.names, face_class, folder)
    measure = upright_size_of if upright else size_of
    sizes = {key: measure(base / name) for key, name in names.items()}
    known = {key: size for key, size in sizes.items() if size is not None}
    # A file that is listed and not there has no size either, but is another thing.
    unreadable = tuple(names[key] for key in names if key not in known and (base / names[key]).is_file())
    absent = tuple(names[key] for key in names if key not in known and not (base / names[key]).is_file())
    findings = _findings(layout, names, labels, rows, face)
    if unreadable:
        text = f"{counted(len(unreadable), 'image')} left out: without a readable header, the size is not known"
        findings.append(Finding("unreadable-image", text, unreadable))
    if absent:
        text = f"{counted(len(absent), 'listed image')} without a file left out"
        findings.append(Finding("missing-image", text, absent))
    return Dataset(
        name=name,
        split=split,
        root=folder,
        faces=_faces(known, rows, face),
        source_hash=_hash(known, contents, face),
        image_root=base,
        suffix="",
        total_images=len(names),
        all_keys=tuple(names),
        findings=tuple(findings),
        file_names=names,
        image_places=(base,),
        upright=upright,
        sources=tuple(labels[key] for key in known if key in labels),
        locate=partial(yolo_places, labels, rows, face),
    )


def read_label(file: Path, content: bytes, landmarks: int | None) -> YoloRows:
    """Return the rows of a label file, with its problems."""
    return parse_rows(file, lines_of(content), TRUTH, landmarks)


def label_problems(protocol: Protocol, root: Path) -> list[InputError]:
    """Return all invalid rows of a dataset's label files, of which loading names only the first.

    Raises:
        MissingDataError: There is no such folder or split.
        InputError: The data.yaml is invalid.
    """
    layout = find_layout(
        root, protocol.split, None if protocol.layout.image_root is None else Path(protocol.layout.image_root)
    )
    files = [file for folder in layout.label_folders for file in label_files(folder)]
    read = (read_label(file, read_plain_or_gz(file, "Write the file again"), layout.landmarks) for file in files)
    return [problem for rows in read for problem in rows.problems]


def _names(base: Path, images: Sequence[Path]) -> dict[str, str]:
    """Return relative names of image files by key, the name without suffix.

    Raises:
        InputError: Two images differ in their suffix only, and so share a label file.
    """
    names: dict[str, str] = {}
    for file in images:
        name = file.relative_to(base).as_posix()
        key = name.removesuffix(file.suffix)
        if key in names:
            text = f"two images share one label file: {names[key]} and {name}"
            raise InputError(text, file=base, remedy="Rename one of them")
        names[key] = name
    return names


def _labels(layout: YoloLayout, names: Mapping[str, str], *, beside: bool) -> dict[str, Path]:
    """Return the label files that are there, by image key."""
    if beside:
        files = dict(zip(names, map(label_of, layout.images), strict=True))
        found = {key: file for key, file in files.items() if file.is_file()}
    else:
        matcher = NameMatcher(names)
        found = {}
        for folder in layout.label_folders:
            for file in label_files(folder):
                key = matcher.match(file.relative_to(folder).as_posix().removesuffix(".txt"))
                if key is not None and found.setdefault(key, file) != file:
                    raise InputError("a second file of this image", file=file, value=key, remedy="Keep one of them")
    if not found:
        raise MissingDataError(
            f"no label file of the {counted(len(names), 'image')} was found, for example {label_of(layout.images[0])}",
            remedy="Put the labels into labels/ beside images/, or name the labels with --data and the images with "
            "--images",
        )
    return {key: found[key] for key in names if key in found}


def _face_number(rows: Mapping[str, YoloRows], names: Mapping[int, str] | None, wanted: str, root: Path) -> int:
    """Return the number of the class of faces.

    Raises:
        InputError: It is not clear which one it is.
    """
    used = sorted({int(number) for one in rows.values() for number in set(one.classes.tolist())})
    known = dict(names) if names is not None else {number: str(number) for number in used or [0]}
    if wanted.isdecimal() and (int(wanted) in known or int(wanted) in used):
        return int(wanted)
    named = [number for number, name in known.items() if name.lower() == wanted.lower()]
    if len(named) == 1:
        return named[0]
    if len(known) == 1 and wanted == "face":
        return next(iter(known))
    listed = [f"{number}: {name}" if names is not None else str(number) for number, name in known.items()]
    raise InputError(
        f"which class is the face? There is none named '{wanted}'",
        file=root,
        field="names",
        value=", ".join(listed[:20]),
        remedy="Name it with --face-class NAME or NUMBER",
    )


def _findings(
    layout: YoloLayout, names: Mapping[str, str], labels: Mapping[str, Path], rows: Mapping[str, YoloRows], face: int
) -> list[Finding]:
    found = [Finding("label-rows", note) for note in dict.fromkeys(one.note for one in rows.values() if one.note)]
    others = {key: int(np.count_nonzero(one.classes != face)) for key, one in rows.items()}
    if total := sum(others.values()):
        files = tuple(names[key] for key, count in others.items() if count)
        found.append(Finding("other-class", f"{counted(total, 'row')} of other classes than {face} left out", files))
    if without := tuple(names[key] for key in names if key not in labels):
        text = f"{counted(len(without), 'image')} without a label file: counted as images without faces"
        found.append(Finding("unlabelled-image", text, without))
    used = set(labels.values())
    strange = [file for folder in layout.label_folders for file in label_files(folder) if file not in used]
    if strange:
        text = f"{counted(len(strange), 'label file')} without an image left out"
        found.append(Finding("unmatched-label", text, tuple(map(str, strange))))
    return found


def _faces(sizes: Mapping[str, Size], rows: Mapping[str, YoloRows], face: int) -> FaceSet:
    parts = [rows.get(key, _NO_LABELS) for key in sizes]
    relative = [one.boxes[one.classes == face] for one in parts]
    counts = [len(boxes) for boxes in relative]
    table = np.array(list(sizes.values()), dtype=np.int64).reshape(-1, 2)
    scale = np.repeat(table, counts, axis=0).astype(np.float64)
    boxes = pixels(np.concatenate([*relative, np.empty((0, 4))]), scale)
    ignore = {"all": np.zeros(len(boxes), dtype=np.bool_)}
    return FaceSet(tuple(sizes), offsets_of(counts), boxes, ignore, sizes=table)


def _hash(sizes: Mapping[str, Size], contents: Mapping[str, bytes], face: int) -> str:
    """Return a sha256 of the labels and of all else that the boxes come from."""
    digest = hashlib.sha256(f"{face}\n".encode())
    for key, (width, height) in sizes.items():
        content = contents.get(key, b"")
        digest.update(f"{key} {width} {height} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
