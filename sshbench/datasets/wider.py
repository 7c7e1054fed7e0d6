"""WIDER FACE: layout on disk, official annotations, and a cache of them.

Annotations are read from the official `.mat` files; parsing them takes a good part of a second, so the result is kept
in the user's cache as an npz under the sha256 of the files: changed files are parsed again by themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sshbench.datasets.base import Dataset
from sshbench.datasets.cache import load_faces, save_faces
from sshbench.datasets.check import CheckItem
from sshbench.errors import MissingDataError, UsageError
from sshbench.files import cache_dir
from sshbench.formats.places import list_places
from sshbench.protocols import Protocol
from sshbench.records import FaceSet

# Where copies of the dataset usually hold their annotations and images, seen from the folder a user names.
ANNOTATION_FOLDERS = (
    "ground_truth",
    "wider_face_split",
    "eval_tools/ground_truth",
    "WIDER_val/ground_truth",
    "annotations",
    ".",
)
IMAGE_FOLDERS = (
    "WIDER_{split}/images",
    "{split}/images",
    "images",
    "WIDER_{split}/WIDER_{split}/images",
    "WIDER_{split}",
)
_PAGE = "http://shuoyang1213.me/WIDERFACE/"
SPLITS = ("train", "val", "test")
_CACHE_VERSION = "1"  # raise it when the cache's content changes


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load a dataset in WIDER FACE's layout from the files that a protocol names; see `load_wider`."""
    files = {subset.name: subset.ground_truth for subset in protocol.subsets if subset.ground_truth is not None}
    return load_wider(
        root,
        subsets=files,
        split=protocol.split,
        name=protocol.dataset,
        annotation=protocol.layout.annotation,
        images=protocol.layout.images,
    )


def load_wider(
    root: str | Path,
    *,
    subsets: dict[str, str] | None = None,
    split: str = "val",
    name: str = "wider",
    annotation: Sequence[str] = (),
    images: Sequence[str] = (),
) -> Dataset:
    """Load WIDER FACE, or a dataset in its layout.

    Args:
        root: The folder that holds `WIDER_val/`, `wider_face_split/` or `ground_truth/`, in the usual arrangements.
        subsets: By subset name, the tool's file that lists the faces that count, for example
            `{"easy": "wider_easy_val.mat"}`; None loads boxes and attributes only.
        split: `train`, `val` or `test`; the test list has images but no faces.
        name: Name of the dataset.
        annotation: Names of the annotation file, tried in order; default: the official ones of the split.
        images: Folders of the images, tried in order; default: the usual ones.

    Returns:
        The dataset, in the official order of events and images.

    Raises:
        MissingDataError: The folder or an annotation file is not there.
        InputError: An annotation file is not what its name says.
        UsageError: There is no such split.
    """
    if split not in SPLITS:
        raise UsageError(f"WIDER FACE has no split '{split}'", remedy=f"Known: {', '.join(SPLITS)}")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise MissingDataError(
            f"there is no folder {folder}", remedy="Name the folder that holds WIDER FACE with --data"
        )
    files = annotation_files(folder, split, subsets or {}, annotation)
    contents = [file.read_bytes() for file in files]
    digest = hashlib.sha256(_CACHE_VERSION.encode())
    for file, content in zip(files, contents, strict=True):
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    source_hash = digest.hexdigest()
    # The flags are cached under the names of the subsets: the same files under other names are another entry.
    names = hashlib.sha256("\n".join(subsets or {}).encode()).hexdigest()
    cached = cache_dir("ground_truth") / f"{name}-{split}-{source_hash[:24]}-{names[:8]}.npz"
    listed = _file_names(files[0]) if files[0].suffix != ".mat" else {}
    faces = load_faces(cached)
    if faces is None:
        faces = _parse(files, list(subsets or {}))
        save_faces(cached, faces)
    return Dataset(
        name=name,
        split=split,
        root=folder,
        faces=faces,
        source_hash=source_hash,
        image_root=_first_folder(folder, images) if images else find_image_folder(folder, split),
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
        file_names=listed,
        sources=tuple(files[:1]),
        locate=partial(list_places, files[:1]),
    )


def _file_names(annotation: Path) -> dict[str, str]:
    """Return the names of images in a text list that do not end with `.jpg`, by key."""
    from sshbench.formats.base import strip_suffix
    from sshbench.formats.wider_truth import image_names

    return {strip_suffix(name): name for name in image_names(annotation) if not name.endswith(".jpg")}


def annotation_files(root: Path, split: str, subsets: dict[str, str], names: Sequence[str] = ()) -> list[Path]:
    """Return the files that hold boxes (first) and subsets (after it, in order).

    Raises:
        MissingDataError: One is not there; the text names the places looked in and where to get it.
    """
    boxes = tuple(names) or tuple(f"wider_face_{split}{end}" for end in (".mat", "_bbx_gt.txt", "_filelist.txt"))
    found = find_annotation(root, *boxes)
    files = [found if found is not None else _missing(root, boxes[0])]
    files += [find_annotation(root, file) or _missing(root, file) for file in subsets.values()]
    return files


def find_annotation(root: Path, *names: str) -> Path | None:
    """Return the first of these files in the usual folders below `root` (or beside it); None where there is none."""
    for name in names:
        for folder in (root / part for part in ANNOTATION_FOLDERS):
            if (folder / name).is_file():
                return folder / name
    return None


def find_image_folder(root: Path, split: str) -> Path | None:
    """Return the folder that holds the event folders of a split; None where there is none."""
    for part in IMAGE_FOLDERS:
        folder = root / part.format(split=split)
        if folder.is_dir() and any("--" in child.name for child in folder.iterdir()):
            return folder
    return None


def check_files(protocol: Protocol, root: Path) -> list[CheckItem]:
    """Return which annotation files of a dataset in WIDER FACE's layout are there."""
    subsets = [s.ground_truth for s in protocol.subsets if s.ground_truth]
    text = f"wider_face_{protocol.split}_bbx_gt.txt"
    # The boxes may come from the text list, unless a subset lists faces of the .mat.
    has_text = not subsets and find_annotation(root, *(protocol.layout.annotation or (text,))) is not None
    items = [_file_item(root, protocol, name, "eval_tools.zip", needed=True) for name in subsets]
    boxes = _file_item(root, protocol, f"wider_face_{protocol.split}.mat", "eval_tools.zip", needed=not has_text)
    return [boxes, *items, _file_item(root, protocol, text, "wider_face_split.zip", needed=False)]


def _file_item(root: Path, protocol: Protocol, name: str, archive: str, *, needed: bool) -> CheckItem:
    found = find_annotation(root, name)
    if found is not None:
        return CheckItem(name, True, needed, str(found))
    remedy = f"`sshbench data fetch {protocol.dataset} --data {root}`, or {archive} from {_PAGE}"
    return CheckItem(name, False, needed, "not found", remedy)


def _first_folder(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _missing(root: Path, name: str) -> Path:
    places = ", ".join(str(root / part) for part in ANNOTATION_FOLDERS[:3])
    raise MissingDataError(
        f"{name} was not found below {root} (looked in {places} and others)",
        remedy=f"`sshbench data fetch wider --data {root}` gets it; "
        "it is part of wider_face_split.zip and eval_tools.zip of the dataset's page",
    )


def _parse(files: Sequence[Path], subsets: Sequence[str]) -> FaceSet:
    # Imported here: scipy.io alone takes longer than a whole evaluation from the cache.
    from sshbench.formats.wider_truth import read_mat, read_text

    if files[0].suffix == ".mat":
        return read_mat(files[0], dict(zip(subsets, files[1:], strict=True)))
    if subsets:
        raise MissingDataError(
            f"{files[0].name} holds no subsets",
            remedy="The easy, medium and hard faces are listed for wider_face_val.mat, which is in the same archives",
        )
    return read_text(files[0])
