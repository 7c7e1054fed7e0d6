"""Any dataset in COCO's json format with a category of faces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.datasets.pictures import first_with_images
from sshbench.datasets.yolo_layout import ALIASES
from sshbench.errors import InputError, MissingDataError
from sshbench.files import sha256_of
from sshbench.formats.coco_truth import read_coco
from sshbench.formats.places import coco_places
from sshbench.protocols import Protocol
from sshbench.records import Finding


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load a dataset in COCO's json format from the files that a protocol names; see `load_coco`."""
    layout = protocol.layout
    return load_coco(
        root,
        annotation=layout.annotation,
        images=layout.images,
        category=layout.category,
        split=protocol.split,
        name=protocol.dataset,
    )


def load_coco(
    root: str | Path,
    *,
    annotation: Sequence[str],
    images: Sequence[str],
    category: str = "face",
    split: str = "val",
    name: str = "coco",
) -> Dataset:
    """Load a COCO dataset.

    Args:
        root: Its folder, or the json file itself.
        annotation: Patterns of the json file below the folder, tried in order. Of several files that match, the one
            that is named after the split is meant, and of these one that begins with `instances`.
        images: Folders of the images, tried in order.
        category: Name of the category of faces; a file with one category only needs none of this name.
        split: Name of the split.
        name: Name of the dataset.

    Raises:
        MissingDataError: There is no such file.
        InputError: Several files match, or the file is not ground truth of faces; the text names the field.
    """
    path = find_json(Path(root).expanduser(), annotation, split)
    truth = read_coco(path, category)
    faces, suffix = truth.faces, truth.suffix
    folders = [path.parent, path.parent.parent] if path.parent.name == "annotations" else [path.parent]
    # COCO's own layout names the folder after the json: val2017 of instances_val2017.json.
    stem = path.name.partition(".")[0].rpartition("_")[2]
    parts = dict.fromkeys([*images, stem, f"images/{stem}", split, f"images/{split}"])
    places = [base / part for base in folders for part in parts]
    findings = []
    if truth.orphans:
        text = f"{truth.orphans} annotated faces are of images that the file does not list; they were left out"
        findings.append(Finding("unlisted-image", text))
    return Dataset(
        name=name,
        split=split,
        root=path,
        faces=faces,
        source_hash=sha256_of(path),
        image_root=first_with_images(places, [f"{key}{suffix}" for key in faces.keys]),
        image_places=tuple(places),
        findings=tuple(findings),
        categories=truth.categories,
        suffix=suffix,
        total_images=len(faces),
        all_keys=faces.keys,
        image_ids=truth.image_ids,
        sources=(path,),
        locate=partial(coco_places, path, truth.image_ids, truth.category_id),
    )


def find_json(root: Path, patterns: Sequence[str], split: str) -> Path:
    """Return the json file of the ground truth.

    Raises:
        MissingDataError: There is none.
        InputError: Several match, and their names do not tell which one is of the split.
    """
    if root.is_file():
        return root
    aliases = ALIASES.get(split, (split,))
    # Exports put each split into a folder of its own: valid/_annotations.coco.json.
    for pattern in [*patterns, *(f"{alias}/*.json" for alias in aliases)]:
        found = sorted(root.glob(pattern))
        of_split = [path for path in found if set(re.split(r"[^a-z]+", path.name.lower())) & set(aliases)]
        instances = [path for path in of_split if path.name.startswith("instances")]
        chosen = next((files for files in (found, of_split, instances) if len(files) == 1), None)
        if chosen is not None:
            return chosen[0]
        if found:
            raise InputError(
                f"holds {len(found)} json files: {', '.join(file.name for file in found[:5])}",
                file=root,
                remedy="Name the file of the ground truth with --data FILE.json, or the split with --split",
            )
    raise MissingDataError(f"no ground truth in {root}", remedy="Name a COCO json with --data FILE.json")
