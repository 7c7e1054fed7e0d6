"""Image files of a dataset: found by the names that its annotation gives them, whatever suffix or case they have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sshbench.datasets.base import Dataset
from sshbench.errors import MissingDataError
from sshbench.flat import counted
from sshbench.formats.base import is_image_name, strip_suffix
from sshbench.formats.names import is_litter
from sshbench.records import Finding


def image_files(folder: Path) -> list[str]:
    """Return the image files below a folder, sorted relative names with `/`; none where there is no such folder."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if is_image_name(path.name))
    return sorted(name for name in found if not is_litter(name) and (folder / name).is_file())


def holds_images(folder: Path) -> bool:
    """Return whether a folder itself holds an image file."""
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.iterdir())


def near_files(root: Path, names: Iterable[str]) -> list[str]:
    """Return the image files in the folders of these names, and in those that lack leading parts: relative names."""
    folders = {parts[i:] for parts in {_written_folders(name) for name in names} for i in range(len(parts) + 1)}
    found = []
    for folder in sorted("/".join(parts) for parts in folders):
        place = root / folder
        if place.is_dir():
            listed = sorted(path.name for path in place.iterdir() if is_image_name(path.name) and path.is_file())
            found += [f"{folder}/{name}" if folder else name for name in listed if not is_litter(name)]
    return found


def first_with_images(places: Iterable[Path], names: Iterable[str]) -> Path | None:
    """Return the first folder that holds one of these images, exactly so named if possible; None if there is none."""
    places, names = [place for place in places if place.is_dir()], list(names)
    exact = next((place for place in places if any((place / name).is_file() for name in names)), None)
    if exact is not None:
        return exact
    wanted = {name: name for name in names}
    return next((place for place in places if match_files(wanted, near_files(place, names))), None)


def match_files(wanted: Mapping[str, str], files: Iterable[str]) -> dict[str, str]:
    r"""Find image files whose names are written in another way than the annotation's.

    Suffix and case may differ, and one of the names may lack leading folders. A name that fits several files fits the
    one of its own suffix, or none; a file that fits several names fits none.

    Args:
        wanted: By image key, the name in the annotation; its suffix may be absent, and `\` may stand for `/`.
        files: Relative names of the files that no image has yet.

    Returns:
        By image key, the file, for those that were found.

    >>> match_files({"a": "a.jpg", "b": "val\\b", "c": "x/c.png"}, ["a.JPG", "b.webp", "y/c.png"])
    {'a': 'a.JPG', 'b': 'b.webp'}
    """
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        by_stem[strip_suffix(PurePosixPath(file).name).casefold()].append(file)
    found: dict[str, str] = {}
    for key, written in wanted.items():
        name = written.replace("\\", "/")
        stem = strip_suffix(name.rpartition("/")[2]).casefold()
        fitting = [file for file in by_stem.get(stem, ()) if _one_is_tail(_folders(file), _folders(name))]
        if len(fitting) > 1:
            fitting = [file for file in fitting if file.casefold().endswith(name.casefold())]
        if len(fitting) == 1:
            found[key] = fitting[0]
    uses = Counter(found.values())
    return {key: file for key, file in found.items() if uses[file] == 1}


def _written_folders(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/")[:-1] if part not in ("", ".", ".."))


def _folders(name: str) -> tuple[str, ...]:
    return tuple(part.casefold() for part in _written_folders(name))


def _one_is_tail(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    short, long = sorted((first, second), key=len)
    return not short or long[-len(short) :] == short


def with_files(dataset: Dataset, *, deep: bool = False) -> Dataset:
    """Return a dataset whose images have the names of their files, where these differ from the annotation's.

    Nothing is looked for where all images are there; what was found under another name is a finding.

    Args:
        dataset: With or without a folder of images.
        deep: Look into all folders below that of the images, not only into those that the annotation names.
    """
    if dataset.image_root is None:
        return dataset
    present = set(dataset.images_present())
    absent = {key: dataset.file_name(key) for i, key in enumerate(dataset.keys) if i not in present}
    if not absent:
        return dataset
    taken = {dataset.file_name(dataset.keys[i]) for i in present}
    files = image_files(dataset.image_root) if deep else near_files(dataset.image_root, absent.values())
    free = [file for file in files if file not in taken]
    found = match_files(absent, free)
    if not found:
        return dataset
    key, file = next(iter(found.items()))
    text = (
        f"{counted(len(found), 'image file')} with another name than the annotation gives, for example '{file}' for "
        f"'{absent[key]}'"
    )
    findings = (*dataset.findings, Finding("renamed-image", text, tuple(found.values())))
    return replace(dataset, file_names={**dataset.file_names, **found}, findings=findings)


def in_folder(dataset: Dataset, folder: Path) -> Dataset:
    """Return a dataset with its images in a folder that the user names.

    Raises:
        MissingDataError: There is no such folder.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}", remedy="Name the folder of the images with --images")
    return replace(dataset, image_root=folder, image_places=(folder,))


def unlisted_images(dataset: Dataset) -> list[str]:
    """Return the image files beside a dataset's images that its annotation does not name: sorted relative names."""
    if dataset.image_root is None:
        return []
    listed = {dataset.file_name(key) for key in (*dataset.all_keys, *dataset.keys)}
    folders = {name.rpartition("/")[0] for name in listed}
    found = [
        f"{folder}/{path.name}" if folder else path.name
        for folder in folders
        if (dataset.image_root / folder).is_dir()
        for path in (dataset.image_root / folder).iterdir()
        if is_image_name(path.name) and not is_litter(path.name) and path.is_file()
    ]
    return sorted(set(found) - listed)
