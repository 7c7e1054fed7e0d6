"""Check a submission for a benchmark's server: WIDER FACE's zip of one text file per image.

A server does not say what it made of a file that it could not read, so a submission is held to more than evaluation is:
nothing is repaired, no name is guessed, and nothing may be there that the list does not ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sshbench.datasets.check import CheckItem
from sshbench.datasets.wider import load_wider
from sshbench.display import short_repr
from sshbench.files import FileTree
from sshbench.flat import counted
from sshbench.formats.base import strip_suffix
from sshbench.formats.wider import check_name, read_wider
from sshbench.formats.wider_official import COLUMNS
from sshbench.records import DetectionSet, Finding

_SHOWN = 3
_ROWS = (
    ("counts equal the rows", ("empty-file", "bad-count", "too-few-rows", "extra-rows")),
    ("rows are numbers that every reader takes alike", ("bad-row", "odd-text", "decimal-commas")),
    ("numbers are finite", ("not-finite",)),
    ("rows are sorted by falling score", ("unsorted-rows",)),
    ("scores lie in one range", ("stray-score",)),
)
"""What is required of rows, and the findings of `read_wider` that say that it is not so."""
_REMEDIES = {
    "counts equal the rows": "Line 1 is the image's name, line 2 the number of rows that follow",
    "rows are numbers that every reader takes alike": "Write plain decimal numbers, separated by one blank",
    "numbers are finite": "Leave out rows with NaN or infinity",
    "rows are sorted by falling score": "Sort the rows of every image, the highest score first",
    "scores lie in one range": "One score far from all others squashes them when the server normalises. Check it",
}


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission and what was checked of it; no figure, because the faces are not public.

    Attributes:
        path: The zip.
        split: The split whose list it is for.
        images: How many images the list has.
        detections: How many rows could be read.
        items: What was checked, in order.
        run: Folder of the run that it was written from, or None.
        warnings: What the run found.
    """

    __repr__ = short_repr

    path: Path
    split: str
    images: int
    detections: int
    items: tuple[CheckItem, ...]
    run: Path | None = None
    warnings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the server can take it."""
        return all(item.ok for item in self.items if item.needed)


def check_submission(path: str | Path, *, data: str | Path, split: str = "test") -> Submission:
    """Check that a zip is a submission to WIDER FACE's server.

    Args:
        path: The zip: `<event>/<image>.txt` for each image, and nothing else.
        data: The dataset's folder; it holds the list, `wider_face_test_filelist.txt` for `test`. No image is needed.
        split: `test`, `val` or `train`.

    Returns:
        What was checked: one file per image of the list, named as the list has it, and nothing else; counts equal to
        the rows; five plain, finite numbers x y w h score per row; no side below 0; rows by falling score.

    Raises:
        UsageError: It is no zip, or there is no such split.
        MissingDataError: The zip or the list does not exist.
        InputError: The zip is damaged.

    >>> import sshbench
    >>> sshbench.check_submission("submission.txt", data=".")
    Traceback (most recent call last):
    sshbench.errors.UsageError: a submission is a zip, not 'submission.txt'. Pack the event folders into a .zip
    """
    archive = Path(path).expanduser()
    check_name(archive, "Pack the event folders into a .zip")
    return check_files(archive, load_wider(data, split=split).keys, split)


def check_files(path: Path, keys: Sequence[str], split: str) -> Submission:
    """Check a zip against a list of images.

    Args:
        path: The zip.
        keys: Image keys `<event>/<image>`, in the list's order.
        split: The split that they are of.

    Raises:
        MissingDataError: The zip does not exist.
        InputError: It is damaged.
    """
    tree = FileTree(path)
    wanted = [f"{key}.txt" for key in keys]
    there = set(tree.names)
    known = [name for name in wanted if name in there]
    items = [
        _item(
            "every image has a file",
            [name for name in wanted if name not in there],
            "Write a file for every image of the list, with count 0 where there is no detection",
        ),
        _item(
            "no other file is there",
            sorted(there.difference(wanted)),
            "Files are named <event>/<image>.txt as in the list, with the events at the top of the zip",
        ),
    ]
    detections = DetectionSet.from_images([])
    if known:
        detections, findings = read_wider(path, keys, repair=False, tree=tree)
        items += [*_text_items(tree, known), *_row_items(findings), _box_item(detections, findings)]
    return Submission(path, split, len(keys), detections.total, tuple(items))


def _text_items(tree: FileTree, names: Sequence[str]) -> list[CheckItem]:
    read = tree.read_all(names)
    other_name, other_columns = [], []
    for i, name in enumerate(names):
        title, _, rest = read(i).decode("latin-1").partition("\n")
        image = strip_suffix(title.strip()).rpartition("/")[2]
        if image != name.removesuffix(".txt").rpartition("/")[2]:
            other_name.append(name)
        if any(len(row.split()) != COLUMNS for row in rest.rstrip().split("\n")[1:]):
            other_columns.append(name)
    return [
        _item("line 1 names the image", other_name, "Some readers take the image's name from line 1 of its file"),
        _item("rows have five columns", other_columns, "A row is 'x y w h score', separated by blanks"),
    ]


def _row_items(findings: Sequence[Finding]) -> list[CheckItem]:
    by_code = {finding.code: finding.files for finding in findings}
    return [
        _item(
            what,
            list(dict.fromkeys(file for code in codes for file in by_code.get(code, ()))),
            _REMEDIES[what],
            needed="stray-score" not in codes,
        )
        for what, codes in _ROWS
    ]


def _box_item(detections: DetectionSet, findings: Sequence[Finding]) -> CheckItem:
    boxes = detections.boxes
    negative = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))  # a side of 0 is one pixel to the tool
    images = np.unique(np.searchsorted(detections.offsets, negative, side="right") - 1)
    files = [f"{detections.keys[i]}.txt" for i in images.tolist()]
    corners = [file for finding in findings if finding.code == "xyxy-boxes" for file in finding.files]
    return _item(
        "boxes are x y w h, no side below 0", files + corners, "Columns 3 and 4 are width and height, not x2 y2"
    )


def _item(what: str, files: Iterable[str], remedy: str, *, needed: bool = True) -> CheckItem:
    """Return what was checked; it is right where no file is against it."""
    names = list(files)
    if not names:
        return CheckItem(what, True, needed, "yes")
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return CheckItem(
        what, False, needed, f"not so in {counted(len(names), 'file')}: {', '.join(names[:_SHOWN])}{more}", remedy
    )
