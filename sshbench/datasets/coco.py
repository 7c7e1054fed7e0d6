"""Any dataset in COCO's json format with a category of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.errors import InputError, MissingDataError
from sshbench.files import sha256_of
from sshbench.formats.coco_truth import read_coco
from sshbench.protocols import Protocol
from sshbench.records import Finding


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load a dataset in COCO's json format from the files that a protocol names; see `load_coco`."""
    layout = protocol.layout
    return load_coco(
        root, annotation=layout.annotation, images=layout.images, category=layout.category, split=protocol.split
    )


def load_coco(
    root: str | Path, *, annotation: Sequence[str], images: Sequence[str], category: str = "face", split: str = "val"
) -> Dataset:
    """Load a COCO dataset.

    Args:
        root: Its folder, or the json file itself.
        annotation: Patterns of the json file below the folder, tried in order.
        images: Folders of the images, tried in order.
        category: Name of the category of faces; a file with one category only needs none of this name.
        split: Name of the split.

    Raises:
        MissingDataError: There is no such file.
        InputError: Several files match, or the file is not ground truth of faces; the text names the field.
    """
    path = _find(Path(root).expanduser(), annotation)
    truth = read_coco(path, category)
    faces, suffix = truth.faces, truth.suffix
    folders = [path.parent, path.parent.parent] if path.parent.name == "annotations" else [path.parent]
    # COCO's own layout names the folder after the json: val2017 of instances_val2017.json.
    stem = path.name.partition(".")[0].rpartition("_")[2]
    parts = dict.fromkeys([*images, stem, f"images/{stem}", split, f"images/{split}"])
    places = [base / part for base in folders for part in parts]
    found = (place for place in places if any((place / f"{key}{suffix}").is_file() for key in faces.keys))
    findings = []
    if truth.orphans:
        text = f"{truth.orphans} annotated faces are of images that the file does not list; they were left out"
        findings.append(Finding("unlisted-image", text))
    return Dataset(
        name="coco",
        split=split,
        root=path,
        faces=faces,
        source_hash=sha256_of(path),
        image_root=next(found, None),
        image_places=tuple(places),
        findings=tuple(findings),
        categories=truth.categories,
        suffix=suffix,
        total_images=len(faces),
        all_keys=faces.keys,
        image_ids=truth.image_ids,
    )


def _find(root: Path, patterns: Sequence[str]) -> Path:
    if root.is_file():
        return root
    for pattern in patterns:
        found = sorted(root.glob(pattern))
        if len(found) > 1:
            raise InputError(
                f"holds {len(found)} json files: {', '.join(file.name for file in found[:5])}",
                file=root,
                remedy="Name the file of the ground truth with --data FILE.json",
            )
        if found:
            return found[0]
    raise MissingDataError(f"no ground truth in {root}", remedy="Name a COCO json with --data FILE.json")
