"""Where the files of a YOLO dataset lie: data.yaml, or folders images/ and labels/ side by side; splits and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshbench.datasets.pictures import holds_images, image_files
from sshbench.errors import InputError, MissingDataError
from sshbench.formats.base import is_image_name, read_lines
from sshbench.formats.yolo import is_label_file

ALIASES = {"val": ("val", "valid", "validation"), "train": ("train", "training"), "test": ("test", "testing")}
"""Names of the folders of a split, by the split's name."""

_YAML = (".yaml", ".yml")
_REMEDY = "A data.yaml has 'path', 'train', 'val' and 'names'"
_EXPECTED = "images/ and labels/ side by side, or a data.yaml"


@dataclass(frozen=True, slots=True)
class YoloLayout:
    """The files of one split.

    Attributes:
        images: Image files, sorted.
        label_folders: Folders whose label files are of this split, for finding labels without an image.
        names: Names of the classes by number; None where no file gives them.
        landmarks: How many numbers of landmarks follow each box; None where no file says so.
        sources: data.yaml or the list of classes, where there is one.
    """

    images: tuple[Path, ...]
    label_folders: tuple[Path, ...]
    names: Mapping[int, str] | None = None
    landmarks: int | None = None
    sources: tuple[Path, ...] = field(default=())


def find_layout(root: Path, split: str, images: Path | None = None) -> YoloLayout:
    """Find the files of a split.

    Args:
        root: The dataset's folder, a data.yaml, a text file with one image per line, or a folder of label files.
        split: `train`, `val`, `test` or a name of one's own.
        images: Folder of the images, where they do not lie beside the labels.

    Raises:
        MissingDataError: There is no such folder or split.
        InputError: The data.yaml is invalid, or there are several.
    """
    if not root.exists():
        raise MissingDataError(f"there is no folder {root}", remedy="Name the dataset's folder with --data")
    root = root.absolute()  # lists of images may hold absolute paths beside relative ones
    yaml = root if root.suffix.lower() in _YAML else _only_yaml(root) if root.is_dir() else None
    if root.is_file() and yaml is None and root.suffix != ".txt":
        raise InputError("not a YOLO dataset", file=root, remedy=f"Name a folder with {_EXPECTED}, or a list of images")
    content = {} if yaml is None else _read_yaml(yaml)
    names = None if yaml is None else _names(content, yaml)
    landmarks = None if yaml is None else _landmarks(content, yaml)
    folder = root if root.is_dir() else root.parent
    sources = () if yaml is None else (yaml,)
    if names is None and (listed := _class_list(folder)) is not None:
        names, sources = {i: name.strip() for i, name in enumerate(read_lines(listed))}, (*sources, listed)
    if images is not None:
        if not images.is_dir():
            raise MissingDataError(f"there is no folder {images}", remedy="Name the folder of the images with --images")
        labels = folder / "labels"
        found = tuple(images / name for name in image_files(images))
        return YoloLayout(found, (labels if labels.is_dir() else folder,), names, landmarks, sources)
    if yaml is not None and any(name in content for aliases in ALIASES.values() for name in aliases):
        places = _places_of_yaml(content, yaml, split)
    elif root.is_file() and yaml is None:
        places = [root]
    else:
        places = [_split_folder(folder, split)]
    found = tuple(dict.fromkeys(file for place in places for file in _images_of(place)))
    folders = tuple(dict.fromkeys(label_of(file).parent for file in found))
    tops = tuple(folder for folder in folders if not any(other in folder.parents for other in folders))
    return YoloLayout(found, tops, names, landmarks, sources)


def label_of(image: Path) -> Path:
    """Return the label file of an image: below `labels` for the last `images` in its path, or beside the image.

    >>> label_of(Path("d/images/val/a.jpg")).as_posix(), label_of(Path("d/val/a.jpg")).as_posix()
    ('d/labels/val/a.txt', 'd/val/a.txt')
    """
    beside = image.with_suffix(".txt")
    swapped = _swapped(image.parent, "images", "labels")
    if swapped is None or (not swapped.is_dir() and beside.is_file()):
        return beside
    return swapped / beside.name


def _swapped(folder: Path, old: str, new: str) -> Path | None:
    parts = list(folder.parts)
    at = next((i for i in reversed(range(len(parts))) if parts[i] == old), None)
    return None if at is None else Path(*parts[:at], new, *parts[at + 1 :])


def _only_yaml(root: Path) -> Path | None:
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (root / name).is_file():
            return root / name
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in _YAML and path.is_file())
    found = [path for path in found if {"names", "train", "val"} & set(_read_yaml(path, lenient=True))]
    if len(found) > 1:
        listed = ", ".join(path.name for path in found[:5])
        raise InputError(
            f"holds {len(found)} descriptions of a dataset: {listed}",
            file=root,
            remedy="Name one with --data FILE.yaml",
        )
    return found[0] if found else None


def _read_yaml(path: Path, *, lenient: bool = False) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load("\n".join(read_lines(path)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if lenient:
            return {}
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        reason = getattr(error, "problem", None) or type(error).__name__
        raise InputError(f"not valid YAML ({reason})", file=path, line=line, remedy="Fix the syntax") from error
    if isinstance(content, dict):
        return content
    if lenient:
        return {}
    raise InputError("expected a table", file=path, value=content, remedy=_REMEDY)


def _names(content: Mapping[str, Any], path: Path) -> dict[int, str] | None:
    names = content.get("names")
    if names is None:
        return None
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    if not pairs or not all(str(number).isdecimal() for number, _ in pairs):
        raise InputError(
            "expected a list, or a table by number", file=path, field="names", value=names, remedy="names: [face]"
        )
    return {int(number): str(name) for number, name in pairs}


def _landmarks(content: Mapping[str, Any], path: Path) -> int | None:
    shape = content.get("kpt_shape")
    if shape is None:
        return None
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int and 0 < n < 10_000 for n in shape)):
        raise InputError(
            "expected two whole numbers", file=path, field="kpt_shape", value=shape, remedy="kpt_shape: [5, 3]"
        )
    return int(shape[0] * shape[1])


def _class_list(folder: Path) -> Path | None:
    places = [folder / part for part in (".", "labels")] + [folder.parent]
    return next((place / "classes.txt" for place in places if (place / "classes.txt").is_file()), None)


def _places_of_yaml(content: Mapping[str, Any], path: Path, split: str) -> list[Path]:
    """Return the folders and lists of images of a split, as a data.yaml names them."""
    name = next((name for name in ALIASES.get(split, (split,)) if content.get(name)), None)
    known = [key for aliases in ALIASES.values() for key in aliases if content.get(key)]
    if name is None:
        remedy = f"Choose another with --split: {', '.join(known)}"
        raise MissingDataError(f"{path} names no split '{split}'", remedy=remedy)
    given = content[name] if isinstance(content[name], list) else [content[name]]
    if not all(isinstance(one, str) and "\0" not in one for one in given):
        raise InputError("expected a folder, or a list of them", file=path, field=name, value=given, remedy=_REMEDY)
    base = Path(str(content.get("path") or ".")).expanduser()
    # 'path' is often that of the machine on which the file was written; exports write ../valid for valid.
    bases = [path.parent / base, path.parent, path.parent / base.name]
    found = []
    for one in given:
        written = [one, *([one.removeprefix("../")] if one.startswith("../") else [])]
        places = [start / text for start in bases for text in written]
        place = next((place for place in places if place.exists()), None)
        if place is None:
            raise MissingDataError(
                f"{path}, field '{name}': there is no {one}", remedy=f"Looked for {', '.join(map(str, places[:3]))}"
            )
        found.append(_with_images(place))
    return found


def _with_images(place: Path) -> Path:
    """Return the folder `images` in a folder without images of its own, else the place itself."""
    inside = place / "images"
    return inside if place.is_dir() and not holds_images(place) and inside.is_dir() else place


def _split_folder(root: Path, split: str) -> Path:
    """Return the folder of a split's images, where there is no data.yaml."""
    found = next(_candidates(root, ALIASES.get(split, (split,))), None)
    if found is not None:
        return found
    others = [other for other, aliases in ALIASES.items() if next(_candidates(root, aliases), None) is not None]
    if others:
        raise MissingDataError(
            f"{root} has no split '{split}'", remedy=f"Choose another with --split: {', '.join(others)}"
        )
    if (beside := _swapped(root, "labels", "images")) is not None and beside.is_dir():
        return beside
    for place in (root / "images", root):
        if holds_images(place) or (place.name == "images" and place.is_dir() and image_files(place)):
            return place
    raise MissingDataError(f"no images in {root} (expected {_EXPECTED})", remedy="Name their folder with --images")


def _candidates(root: Path, aliases: Sequence[str]) -> Iterator[Path]:
    for alias in aliases:
        for place in (root / "images" / alias, root / alias / "images", root / "images" / f"{alias}2017", root / alias):
            if place.is_dir() and image_files(place):
                yield place


def _images_of(place: Path) -> list[Path]:
    """Return the images below a folder, or those that a text file lists."""
    if place.is_dir():
        return [place / name for name in image_files(place)]
    lines = [line.strip() for line in read_lines(place)]
    found = []
    for number, line in enumerate(lines, start=1):
        if line and not is_image_name(line):
            raise InputError("invalid image name", file=place, line=number, value=line, remedy="One image per line")
        if line:
            found.append(place.parent / line)
    return found


def label_files(folder: Path) -> list[Path]:
    """Return the label files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*.txt") if is_label_file(path.name) and path.is_file())


def is_yolo_folder(root: Path) -> bool:
    """Return whether a folder, or a .yaml, looks like a YOLO dataset."""
    if root.suffix.lower() in _YAML:
        return True
    return root.is_dir() and (
        _only_yaml(root) is not None
        or (root / "labels").is_dir()
        or any((root / alias / "labels").is_dir() for aliases in ALIASES.values() for alias in aliases)
    )
