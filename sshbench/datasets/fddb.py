"""FDDB: ten fold files or the merged one, image sizes from the images or from a list, and a cache of both.

The cache also keeps the faces' pixels: drawing 5 171 ellipses takes longer than evaluating a detector on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.datasets.cache import load_faces, load_regions, save_faces, save_regions
from sshbench.errors import MissingDataError
from sshbench.evaluators.regions import face_regions
from sshbench.files import cache_dir
from sshbench.formats.fddb import read_annotation, read_sizes
from sshbench.formats.places import list_places
from sshbench.protocols import Protocol
from sshbench.records import FaceSet, IntArray, Region

_CACHE_VERSION = "1"
_PAGE = "http://vis-www.cs.umass.edu/fddb/"


def load(protocol: Protocol, root: Path) -> Dataset:
    """Load FDDB from the files that a protocol names; see `load_fddb`."""
    layout = protocol.layout
    return load_fddb(root, annotation=layout.annotation, images=layout.images, sizes=layout.sizes)


def load_fddb(
    root: str | Path, *, annotation: Sequence[str], images: Sequence[str], sizes: Sequence[str], name: str = "fddb"
) -> Dataset:
    """Load FDDB.

    Args:
        root: The folder that holds the annotation, the images or a list of their sizes.
        annotation: Files or patterns, tried in order; a pattern gives the folds in order of their names.
        images: Folders of the images, tried in order.
        sizes: Lists `name width height`, tried in order before the images are opened.
        name: Name of the dataset.

    Raises:
        MissingDataError: The annotation is not there, or neither images nor a list of sizes.
        InputError: A file is damaged.
    """
    folder = Path(root).expanduser()
    files = _annotation_files(folder, annotation)
    size_list = next((folder / part for part in sizes if (folder / part).is_file()), None)
    image_root = next((folder / part for part in images if (folder / part / "2002").is_dir()), None)
    digest = hashlib.sha256(_CACHE_VERSION.encode())
    for file in [*files, *([size_list] if size_list else [])]:
        digest.update(file.read_bytes())
    source_hash = digest.hexdigest()
    cached = cache_dir("ground_truth") / f"{name}-{source_hash[:24]}-{'list' if size_list else 'images'}.npz"
    faces = load_faces(cached)
    if faces is None:
        faces = read_annotation(files)
        faces = replace(faces, sizes=_sizes(faces, size_list, image_root, folder))
        save_faces(cached, faces)
    faces = replace(faces, regions=_regions(cached, faces), folds=fold_bounds(folder, faces))
    return Dataset(
        name=name,
        split="all",
        root=folder,
        faces=faces,
        source_hash=source_hash,
        image_root=image_root,
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
        sources=tuple(files),
        locate=partial(list_places, files),
    )


def fold_bounds(root: Path, faces: FaceSet) -> tuple[tuple[int, int], ...]:
    """Return first and last image (exclusive) of each fold, where the ten fold files are there; none otherwise."""
    files = sorted(root.glob("FDDB-fold-??-ellipseList.txt")) or sorted(root.glob("FDDB-folds/*-ellipseList.txt"))
    bounds, first = [], 0
    for file in files:
        names = read_annotation([file]).keys
        if faces.keys[first : first + len(names)] != names:
            return ()
        bounds.append((first, first + len(names)))
        first += len(names)
    return tuple(bounds) if first == len(faces) else ()


def _regions(cached_faces: Path, faces: FaceSet) -> list[list[Region]]:
    """Return the pixels of the faces by image, from the cache where they are there."""
    path = cached_faces.with_name(f"{cached_faces.stem}-regions.npz")
    regions = load_regions(path, faces)
    if regions is None:
        regions = face_regions(faces)
        save_regions(path, regions)
    return regions


def _annotation_files(folder: Path, names: Sequence[str]) -> list[Path]:
    for name in names:
        found = sorted(folder.glob(name))
        if found:
            return found
    raise MissingDataError(
        f"no annotation of FDDB in {folder} (looked for {', '.join(names)})", remedy=f"Get FDDB-folds.tgz from {_PAGE}"
    )


def _sizes(faces: FaceSet, size_list: Path | None, image_root: Path | None, folder: Path) -> IntArray:
    if size_list is not None:
        return read_sizes(size_list, faces.keys)
    if image_root is None:
        raise MissingDataError(
            f"FDDB needs the sizes of its images, and {folder} holds neither images nor a list of sizes",
            remedy=f"Get originalPics.tar.gz from {_PAGE}, or write image_sizes.txt: 'name width height' per image",
        )
    from sshbench.images import read_image

    sizes = [read_image(image_root / f"{key}.jpg").shape[1::-1] for key in faces.keys]
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)
