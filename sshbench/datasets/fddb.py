"""FDDB: ten fold files or the merged one, image sizes from the images or from a list, and a cache of both.

The cache also keeps the faces' pixels: drawing 5 171 ellipses takes longer than evaluating a detector on them.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sshbench.datasets.base import Dataset
from sshbench.datasets.cache import load_faces, save_faces
from sshbench.errors import MissingDataError
from sshbench.evaluators.regions import Region
from sshbench.files import cache_dir, write_arrays
from sshbench.formats.fddb import read_annotation, read_sizes
from sshbench.records import FaceSet, IntArray

_CACHE_VERSION = "1"
_PAGE = "http://vis-www.cs.umass.edu/fddb/"


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
    )


def fold_bounds(root: Path, faces: FaceSet) -> list[tuple[int, int]]:
    """First and last image of each fold, where the ten fold files are there; none otherwise."""
    files = sorted(root.glob("FDDB-fold-??-ellipseList.txt")) or sorted(root.glob("FDDB-folds/*-ellipseList.txt"))
    bounds, first = [], 0
    for file in files:
        names = read_annotation([file]).keys
        if faces.keys[first : first + len(names)] != names:
            return []
        bounds.append((first, first + len(names)))
        first += len(names)
    return bounds if first == len(faces) else []


def cached_regions(dataset: Dataset) -> list[list[Region]]:
    """The faces' pixels by image, from the cache where they are there."""
    from sshbench.evaluators.fddb import face_regions

    path = cache_dir("ground_truth") / f"{dataset.name}-regions-{dataset.fingerprint}.npz"
    regions = _load_regions(path, dataset.faces)
    if regions is None:
        regions = face_regions(dataset.faces)
        _save_regions(path, regions)
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
            remedy=f"Get originalPics.tar.gz from {_PAGE}, or write image_sizes.txt: 'name width height' a line",
        )
    from sshbench.images import read_image

    sizes = [read_image(image_root / f"{key}.jpg").shape[1::-1] for key in faces.keys]
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _save_regions(path: Path, regions: list[list[Region]]) -> None:
    flat = [region for image in regions for region in image]
    bits = [np.packbits(region.mask.ravel()) for region in flat]
    places = np.array([(r.left, r.top, *r.mask.shape) for r in flat], dtype=np.int32).reshape(-1, 4)
    write_arrays(path, {"places": places, "bits": np.concatenate(bits) if bits else np.empty(0, dtype=np.uint8)})


def _load_regions(path: Path, faces: FaceSet) -> list[list[Region]] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            places, bits = arrays["places"], arrays["bits"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if len(places) != faces.total:
        return None
    flat: list[Region] = []
    at = 0
    for left, top, height, width in places.tolist():
        size = (height * width + 7) // 8
        pixels = np.unpackbits(bits[at : at + size], count=height * width).reshape(height, width)
        flat.append(Region(left, top, pixels))
        at += size
    return [flat[first:last] for first, last in pairwise(faces.offsets.tolist())]
