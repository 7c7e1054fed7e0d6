"""A loaded dataset: images, ground truth, and a fingerprint of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import SupportsIndex, overload

from sshbench.errors import MissingDataError, UsageError, shorten
from sshbench.formats.places import Places
from sshbench.records import FaceSet, Finding, ImageRecord


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """A loaded dataset, or a part of one.

    Attributes:
        name: For example `wider`.
        split: `train`, `val` or `test`.
        root: The folder it was loaded from.
        faces: Ground truth of all its images.
        source_hash: sha256 of the annotation files it was read from.
        image_root: Folder of the images, or None where none was found.
        suffix: What follows an image's key in its file name.
        total_images: How many images the whole dataset has; more than `len(faces)` in a part of it.
        all_keys: Keys of the whole dataset.
        findings: What loading found.
        image_ids: Keys by the ids of a COCO json, for reading results.
        categories: Names of the categories of a COCO json by id, first that of faces.
        file_names: Names of image files by key, for those that are not the key with `suffix`.
        image_places: Folders in which the images were looked for.
        upright: Whether an EXIF orientation is applied where the annotated sizes do not tell.
        sources: The files that hold the boxes, in order.
        locate: Reads where in these files each face is written; None where nothing better than their names is known.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> image = sample[0]
    >>> image.key, image.read().shape, len(sample.faces[image.key])
    ('0--Portrait/0_Portrait_sample_0_1', (500, 500, 3), 1)
    """

    name: str
    split: str
    root: Path
    faces: FaceSet
    source_hash: str
    image_root: Path | None
    suffix: str
    total_images: int
    all_keys: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    image_ids: Mapping[int | str, str] | None = None
    categories: Mapping[int | str, str] | None = None
    file_names: Mapping[str, str] = field(default_factory=dict)
    image_places: tuple[Path, ...] = ()
    upright: bool = False
    sources: tuple[Path, ...] = ()
    locate: Callable[[], Places] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.faces)

    def __iter__(self) -> Iterator[ImageRecord]:
        """Iterate over the images: key and path of each."""
        return map(self.image, range(len(self)))

    def __contains__(self, key: object) -> bool:
        """Return whether there is an image with this key."""
        return key in self.faces

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> ImageRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: SupportsIndex | str | slice) -> ImageRecord | Dataset:
        """Return one image by key or position, or the part of the dataset of a slice.

        Raises:
            KeyError: There is no image with this key; the text names a similar one.
            IndexError: There is no image at this position.

        >>> import sshbench
        >>> sample = sshbench.load_dataset("sample")
        >>> len(sample), sample[0].key, len(sample[:5])
        (24, '0--Portrait/0_Portrait_sample_0_1', 5)
        >>> [image.path.suffix for image in sample][:2]
        ['.jpg', '.jpg']
        """
        if isinstance(index, slice):
            return self._part(list(range(len(self))[index]), ())
        return self.image(self.faces.position(index))

    def __repr__(self) -> str:
        part = f" of {self.total_images}" if self.is_part else ""
        name, where = shorten(f"{self.name} {self.split}"), shorten(str(self.root), 150)
        return f"Dataset({name}: {len(self)}{part} images, {self.faces.total} faces, in {where})"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

    @property
    def keys(self) -> tuple[str, ...]:
        """Image keys in order."""
        return self.faces.keys

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of a sha256 over the annotations and the images that take part."""
        digest = hashlib.sha256(f"{self.name}/{self.split}/{self.source_hash}\n".encode())
        digest.update("\n".join(self.keys).encode())
        return digest.hexdigest()[:16]

    @property
    def is_part(self) -> bool:
        """Whether this is only a part of the dataset, so that its metrics are not the benchmark's."""
        return len(self.faces) < self.total_images

    def image(self, index: int) -> ImageRecord:
        """Return the record of the index-th image; its path is None where there is no image folder."""
        key = self.keys[index]
        path = None if self.image_root is None else self.image_root / self.file_name(key)
        if self.faces.sizes is None:
            return ImageRecord(key, path, upright=self.upright)
        width, height = self.faces.sizes[index].tolist()
        return ImageRecord(key, path, width, height, self.upright)

    def file_name(self, key: str) -> str:
        """Return the name of an image's file below `image_root`."""
        return self.file_names.get(key, f"{key}{self.suffix}")

    def limited(self, count: int) -> Dataset:
        """Return the part with the first `count` images.

        Raises:
            UsageError: `count` is not positive.
        """
        if count < 1:
            raise UsageError(f"--limit must be at least 1, not {count}")
        return self if count >= len(self.faces) else self._part(list(range(count)), ())

    def restricted(self, keys: set[str]) -> Dataset:
        """Return the part with these images, in the dataset's order."""
        if len(keys) == len(self.keys) and keys == set(self.keys):
            return self
        return self._part([i for i, key in enumerate(self.keys) if key in keys], ())

    def with_images(self) -> Dataset:
        """Return the part of the images whose files exist.

        Raises:
            MissingDataError: There is no image folder, or no image in it.
        """
        present = self.images_present()
        if not present:
            looked = ", ".join(map(str, self.image_places)) or str(self.image_root or self.root)
            example = f"; the first is {self.file_name(self.keys[0])}" if self.keys else ""
            raise MissingDataError(
                f"no image of {self.name} {self.split} was found in {looked}{example}",
                remedy=f"`sshbench data check {self.name} --data {self.root}` says where to get them; if they are in "
                "another folder, name it with --images DIR",
            )
        if len(present) == len(self.faces):
            return self
        note = Finding(
            "part-of-dataset",
            f"only {len(present)} of {len(self.faces)} images exist: these figures are of this part "
            "and compare with no published ones",
        )
        return self._part(present, (note,))

    def images_present(self) -> list[int]:
        """Return the positions of the images whose files exist."""
        if self.image_root is None:
            return []
        there: dict[str, set[str]] = {}
        present: list[int] = []
        for i, key in enumerate(self.keys):
            # One listing per folder instead of one look-up per image.
            folder, _, name = self.file_name(key).rpartition("/")
            if folder not in there:
                path = self.image_root / folder
                there[folder] = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
            if name in there[folder]:
                present.append(i)
        return present

    def _part(self, images: list[int], findings: tuple[Finding, ...]) -> Dataset:
        return replace(self, faces=self.faces.select(images), findings=(*self.findings, *findings))


def attribute_counts(faces: FaceSet) -> Mapping[str, dict[int, int]]:
    """Count the faces with each code of each attribute."""
    counts: dict[str, dict[int, int]] = {}
    for name, values in faces.attributes.items():
        codes = sorted({int(v) for v in values})
        counts[name] = {code: int((values == code).sum()) for code in codes}
    return counts
