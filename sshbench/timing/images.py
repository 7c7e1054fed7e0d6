"""Images to time on: a folder's, a dataset's, or the bundled sample's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.errors import UsageError
from sshbench.imagefiles import find_images
from sshbench.resources import sample_dir


@dataclass(frozen=True, slots=True)
class TimedImage:
    """An image file, its name, and how many faces it has where that is known (-1 where not)."""

    path: Path
    name: str
    faces: int = -1


def images_from(source: Path | None, count: int) -> tuple[list[TimedImage], str]:
    """`count` images spread over a folder, and what to call them in a record.

    Args:
        source: A folder or file; None for the bundled sample.
        count: How many; all where there are fewer.

    Raises:
        UsageError: `count` is not positive.
        MissingDataError: There is no image.
    """
    if count < 1:
        raise UsageError(f"the number of images must be at least 1, not {count}", remedy="Give --count N")
    if source is None:
        from sshbench.datasets import load_dataset

        sample = load_dataset("sample")
        folder = sample_dir()
        records = [sample.image(i) for i in range(len(sample.keys))]
        faces = np.diff(sample.faces.offsets).tolist()
        found = [TimedImage(r.path or folder, r.key, n) for r, n in zip(records, faces, strict=True)]
        title = "bundled sample"
    else:
        found = [TimedImage(image.path, image.name) for image in find_images([str(source)])]
        title = source.name
    picked = np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)).tolist()
    return [found[i] for i in picked], f"{len(picked)} of {title}"
