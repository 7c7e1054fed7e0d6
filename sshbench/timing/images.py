"""Images to time on: a folder's, a dataset's, or the bundled sample's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sshbench.errors import UsageError
from sshbench.files import sample_dir
from sshbench.images import find_images, read_image


@dataclass(frozen=True, slots=True)
class TimedImage:
    """An image file, its name, and its number of annotated faces (-1 if unknown)."""

    path: Path
    name: str
    faces: int = -1


def images_from(source: Path | None, count: int) -> tuple[list[TimedImage], str]:
    """Return `count` images spread evenly over a folder, and their description for a record.

    Args:
        source: A folder or file; None for the bundled sample.
        count: Number of images; all if there are fewer.

    Raises:
        UsageError: `count` is not positive.
        MissingDataError: The folder has no image.
    """
    if count < 1:
        raise UsageError(f"the number of images must be at least 1, not {count}", remedy="Give --count N")
    if source is None:
        from sshbench.evaluation.loading import load_dataset

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


def at_size(images: list[TimedImage], size: tuple[int, int], folder: Path) -> list[TimedImage]:
    """Crop images around their centre and resize them, so that every detector gets the same pixels.

    Args:
        images: Images of any size.
        size: Width and height in pixels.
        folder: Folder for the copies, written as PNG.

    Returns:
        The copies; their number of faces is unknown.
    """
    import cv2

    copies = []
    for i, image in enumerate(images):
        pixels = read_image(image.path)
        height, width = pixels.shape[:2]
        scale = min(width / size[0], height / size[1])
        cut = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        left, top = (width - cut[0]) // 2, (height - cut[1]) // 2
        part = np.ascontiguousarray(pixels[top : top + cut[1], left : left + cut[0]])
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), cv2.resize(part, size, interpolation=cv2.INTER_AREA))
        copies.append(replace(image, path=path, faces=-1))
    return copies
