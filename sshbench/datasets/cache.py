"""Keep ground truth as an npz: plain arrays without pickles, written atomically."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sshbench.errors import SshbenchError
from sshbench.files import write_arrays
from sshbench.records import FaceSet, Region


def save_faces(path: Path, faces: FaceSet) -> None:
    """Write ground truth to `path`; readers see the old file or the whole new one."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "keys": np.frombuffer("\n".join(faces.keys).encode(), dtype=np.uint8),
        "offsets": faces.offsets,
        "boxes": faces.boxes,
        **({} if faces.ellipses is None else {"ellipses": faces.ellipses}),
        **({} if faces.sizes is None else {"sizes": faces.sizes}),
        **{f"ignore/{name}": flags for name, flags in faces.ignore.items()},
        **{f"attribute/{name}": values for name, values in faces.attributes.items()},
    }
    write_arrays(path, {**arrays, "digest": _digest(arrays)})


def _digest(arrays: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.uint8]:
    """Return a sha256 of all arrays, their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def load_faces(path: Path) -> FaceSet | None:
    """Return what `save_faces` wrote; None if the file is missing or damaged, so that the caller makes it again."""
    try:
        # Opened here, because np.load does not close a file that is not an npz.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
            if not np.array_equal(arrays.pop("digest"), _digest(arrays)):
                return None
            names = list(arrays)
            text = arrays["keys"].tobytes().decode()
            return FaceSet(
                keys=tuple(text.split("\n")) if text else (),
                offsets=arrays["offsets"],
                boxes=arrays["boxes"],
                ignore={n.removeprefix("ignore/"): arrays[n] for n in names if n.startswith("ignore/")},
                attributes={n.removeprefix("attribute/"): arrays[n] for n in names if n.startswith("attribute/")},
                ellipses=arrays["ellipses"] if "ellipses" in names else None,
                sizes=arrays["sizes"] if "sizes" in names else None,
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, SshbenchError):
        return None


def save_regions(path: Path, regions: list[list[Region]]) -> None:
    """Write the pixels of faces by image, packed to bits."""
    flat = [region for image in regions for region in image]
    bits = [np.packbits(region.mask.ravel()) for region in flat]
    places = np.array([(r.left, r.top, *r.mask.shape) for r in flat], dtype=np.int32).reshape(-1, 4)
    write_arrays(path, {"places": places, "bits": np.concatenate(bits) if bits else np.empty(0, dtype=np.uint8)})


def load_regions(path: Path, faces: FaceSet) -> list[list[Region]] | None:
    """Read what `save_regions` wrote for these faces; None where it is absent, damaged or of others."""
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
