"""Where in its file each annotated face is written, for messages; the files were read before, and are valid."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshbench.formats.base import is_image_name, read_json, read_lines, strip_suffix, whole_number
from sshbench.formats.yolo_rows import YoloRows


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an annotation file.

    Attributes:
        file: The file.
        line: From 1, where the file has lines.
        field: Name of the entry, where it has not.
    """

    file: Path
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{self.file}{line}" + ("" if self.field is None else f", {self.field}")


Places = Mapping[str, Sequence[Place]]
"""By image key, the place of each face."""


def list_places(paths: Sequence[Path]) -> Places:
    r"""Return places in lists of WIDER FACE, FDDB or PASCAL Faces; none in MATLAB files, which have no lines.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "own_bbx_gt.txt")
    ...     _ = path.write_text("a.jpg\n2\n1 2 3 4\n5 6 7 8\nb.jpg\n0\n0 0 0 0\n")
    ...     [place.line for place in list_places([path])["a"]]
    [3, 4]
    """
    found: defaultdict[str, list[Place]] = defaultdict(list)
    for path in paths:
        name = path.name.removesuffix(".gz")
        if name.endswith(".csv"):
            reader = csv.DictReader(read_lines(path))
            for row in reader:
                found[strip_suffix(row["image"])].append(Place(path, reader.line_num))
        elif not name.endswith(".mat"):
            for key, line in _block_rows(read_lines(path)):
                found[key].append(Place(path, line))
    return found


def _block_rows(lines: Sequence[str]) -> list[tuple[str, int]]:
    """Return image and line of each row of blocks: a name, a count (not in RetinaFace's lists), and the rows."""
    if lines and lines[0].startswith("# "):
        rows, key = [], ""
        for number, line in enumerate(lines, start=1):
            if line.startswith("# "):
                key = strip_suffix(line[2:].strip())
            elif line.strip():
                rows.append((key, number))
        return rows
    rows, at = [], 0
    while at < len(lines):
        name = lines[at].strip()
        at += 1
        if not name or (count := whole_number(lines[at].strip()) if at < len(lines) else None) is None:
            continue
        key = strip_suffix(name) if is_image_name(name) else name
        rows += [(key, at + 2 + i) for i in range(count)]
        at += 1 + count
        if count == 0 and at < len(lines) and lines[at].strip() and not lines[at].replace("0", "").strip():
            at += 1  # the official lists have a row of zeros where there is no face
    return rows


def coco_places(path: Path, image_ids: Mapping[int | str, str], category: object) -> Places:
    """Return places in a COCO json, by the position in `annotations`."""
    content: Any = read_json(path)
    found: defaultdict[str, list[Place]] = defaultdict(list)
    for n, entry in enumerate(content["annotations"]):
        if entry.get("category_id") == category and entry["image_id"] in image_ids:
            found[image_ids[entry["image_id"]]].append(Place(path, None, f"annotations[{n}]"))
    return found


def yolo_places(files: Mapping[str, Path], rows: Mapping[str, YoloRows], face: int) -> Places:
    """Return places in YOLO's label files: the rows of faces."""
    return {key: [Place(files[key], int(line)) for line in one.lines[one.classes == face]] for key, one in rows.items()}
