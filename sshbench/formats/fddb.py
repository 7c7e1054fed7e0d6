"""FDDB's text files: detections (rectangles or ellipses), annotations and lists of sizes.

One block per image: its name, a count, then one row per region, `x y w h score` or `major minor angle x y score`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sshbench.boxes import bounding_boxes, sides_of, xywh_of
from sshbench.errors import InputError, UsageError
from sshbench.files import FileTree, write_atomic
from sshbench.formats.base import (
    count_at,
    has_decimal_commas,
    lines_of,
    read_lines,
    read_size_list,
    shortest,
    whole_number,
)
from sshbench.formats.box_formats import BoxFormat, corners_of
from sshbench.formats.content import (
    Content,
    Format,
    Found,
    Known,
    Losses,
    Truth,
    attribute_losses,
    ignored_losses,
    size_losses,
)
from sshbench.formats.names import NameMatcher, is_litter
from sshbench.records import DetectionSet, FaceSet, Finding, FloatArray, IntArray, offsets_of

_RECTANGLE, _ELLIPSE = 5, 6
_REMEDY = "A block is: image name, count, then rows 'x y w h score' or 'major minor angle x y score'"


def read_fddb(
    path: str | Path, keys: Sequence[str], *, box_format: BoxFormat | None = None
) -> tuple[DetectionSet, list[Finding]]:
    r"""Read a file of detections, as FDDB's evaluation tool takes it (Jain and Learned-Miller, FDDB, 2010).

    Args:
        path: The file, plain or .gz; or a folder or zip of such files, read in the order of their names
            (`fold-01-out.txt` to `fold-10-out.txt`).
        keys: The dataset's image names, in order. Blocks in another order are matched by name, and that is reported.
        box_format: What the four numbers of a rectangle are; None: x y w h.

    Returns:
        Detections aligned with `keys`, those of each image in the order of the file, in pixels; and the findings.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid, or no image is in the dataset; the text names the line.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "d.txt").write_text("2002/a\n1\n10 20 30 40 0.9\n")
    ...     found, findings = read_fddb(Path(folder, "d.txt"), ["2002/a", "2002/b"])
    >>> found["2002/a"].boxes.tolist(), findings[0].code, findings[0].files
    ([[10.0, 20.0, 40.0, 60.0]], 'missing-image', ('2002/b',))
    """
    path = Path(path).expanduser()
    matcher = NameMatcher(keys)
    read = read_fddb_file(path, box_format=box_format, matcher=matcher)
    names = read.keys
    known, there = set(keys), set(names)
    findings = [] if (matched := matcher.finding()) is None else [matched]
    if missing := tuple(key for key in keys if key not in there):
        findings.append(
            Finding(
                "missing-image",
                f"{len(missing)} images have no block; they count as images without detections",
                missing,
            )
        )
    if [name for name in names if name in known] != [key for key in keys if key in there]:
        text = "the order of images differs from the dataset's; they were matched by name, unlike in the official tool"
        findings.append(Finding("image-order", text))
    if unknown := tuple(name for name in names if name not in known):
        text = f"{len(unknown)} blocks name images that the dataset does not have; they were not read"
        findings.append(Finding("unknown-image", text, unknown))
        if len(unknown) == len(names):
            remedy = f"Names are as in the dataset, for example {keys[0]}" if keys else _REMEDY
            raise InputError("none of its images is in the dataset", file=path, value=names[0], remedy=remedy)
    return read.aligned(keys), findings


def read_fddb_file(
    path: Path, *, box_format: BoxFormat | None = None, matcher: NameMatcher | None = None
) -> DetectionSet:
    """Read detections without a dataset: images, and the detections of each, in the order of the file.

    Args:
        path: The file; or a folder or zip of such files, read in the order of their names.
        box_format: What the four numbers of a rectangle are; None: x y w h.
        matcher: Gives images the names of the dataset.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid; the text names it.
        UsageError: The file has ellipses, and `box_format` is given.
    """
    blocks = Blocks((_RECTANGLE, _ELLIPSE), matcher)
    for file, lines in _texts(path):
        blocks.read(file, lines)
    names, counts, table = blocks.names, blocks.counts, blocks.table
    _check_numbers(path, names, counts, table)
    if table.shape[1] == _RECTANGLE:
        boxes, ellipses = corners_of(table[:, :4], box_format or "xywh"), None
    elif box_format is not None:
        raise UsageError(f"{path} has ellipses, not boxes", remedy="Leave --box-format out")
    else:
        ellipses = table[:, :5]
        boxes = bounding_boxes(ellipses)
    return DetectionSet(tuple(names), offsets_of(counts), boxes, table[:, -1].copy(), ellipses)


def read_annotation(paths: Sequence[Path]) -> FaceSet:
    """Read FDDB's annotation: the merged file, or the files of the folds in order.

    Returns:
        Faces as ellipses, with their bounding boxes, in pixels; none is ignored under `all`.

    Raises:
        MissingDataError: A file does not exist.
        InputError: A line is invalid; the text names it.
        UsageError: The file has ellipses, and `box_format` is given.
    """
    blocks = Blocks((_ELLIPSE,))
    for path in paths:
        first, rows = len(blocks.names), len(blocks.table)
        blocks.read(path, read_lines(path))
        _check_numbers(path, blocks.names[first:], blocks.counts[first:], blocks.table[rows:])
    names, counts, table = blocks.names, blocks.counts, blocks.table
    ellipses = table[:, :5]
    ignore = np.zeros(len(ellipses), dtype=np.bool_)
    return FaceSet(
        tuple(names), offsets_of(counts), bounding_boxes(ellipses), {"all": ignore}, ellipses=ellipses, sizes=None
    )


def read_sizes(path: Path, keys: Iterable[str]) -> IntArray:
    """Read the sizes of these images from a list of sizes (see `read_size_list`).

    Args:
        path: The list.
        keys: Image names without suffix.

    Returns:
        int64 (images, 2): width and height in pixels, in the order of `keys`.

    Raises:
        MissingDataError: There is no such file.
        InputError: A line is invalid, or an image is not in the list.
    """
    sizes = read_size_list(path)
    keys = tuple(keys)
    missing = [key for key in keys if key not in sizes]
    if missing:
        raise InputError(f"{len(missing)} images are not in the list", file=path, value=missing[0], remedy="Add them")
    return np.array([sizes[key] for key in keys], dtype=np.int64).reshape(-1, 2)


class Blocks:
    """The blocks of one or more files: a name, a count, and as many rows.

    Args:
        widths: How many numbers a row may have; all rows have the same number.
        matcher: Gives images the names of the dataset.

    Attributes:
        names: Name of each block's image.
        counts: int64 (blocks,), rows of each.
        table: float64 (rows, columns).
    """

    def __init__(self, widths: tuple[int, ...], matcher: NameMatcher | None = None) -> None:
        self._widths = widths
        self._matcher = matcher
        self._places: dict[str, tuple[Path, int]] = {}
        self.names: list[str] = []
        self.counts: IntArray = np.empty(0, dtype=np.int64)
        self.table: FloatArray = np.empty((0, widths[0]))

    def read(self, path: Path, lines: list[str]) -> None:
        """Add the blocks of a file.

        Raises:
            InputError: A count, a row or a number is invalid, or an image has two blocks; the text names the line.
        """
        counts: list[int] = []
        rows: list[tuple[int, str]] = []
        at = 0
        while at < len(lines):
            name = lines[at].strip()
            if not name:
                at += 1
                continue
            self._add_name(name, path, at + 1)
            count = count_at(lines, at + 1, path, _REMEDY)
            if len(lines) < at + 2 + count:
                text = f"{name} has {len(lines) - at - 2} of {count} rows"
                raise InputError(text, file=path, line=at + 2, remedy=_REMEDY)
            counts.append(count)
            rows += [(number + 1, lines[number]) for number in range(at + 2, at + 2 + count)]
            at += 2 + count
        self.counts = np.append(self.counts, np.array(counts, dtype=np.int64))
        if rows:
            table = _table(rows, self._widths if not len(self.table) else (self.table.shape[1],), path)
            self.table = np.concatenate((self.table, table)) if len(self.table) else table

    def _add_name(self, name: str, path: Path, line: int) -> None:
        key = name if self._matcher is None else self._matcher.match(name) or name
        if key in self._places:
            other, first = self._places[key]
            where = f"line {first}" + (f" of {other}" if other != path else "")
            raise InputError(
                f"duplicate image, also in {where}",
                file=path,
                line=line,
                value=name,
                remedy="Keep one block per image; was the file written twice?",
            )
        self._places[key] = path, line
        self.names.append(key)


def holds_folds(tree: FileTree) -> bool:
    """Return whether the files of a folder or zip hold the blocks of many images, as FDDB's ten output files do."""
    names = [name for name in tree.names if name.endswith(".txt") and not is_litter(name)]
    read = tree.read_all(names)
    for i in range(min(20, len(names))):
        lines = lines_of(read(i))
        count = whole_number(lines[1].strip()) if len(lines) > 1 else None
        if count is not None and len(lines) > 2 + count:
            return "/" in lines[0] and len(lines[2 + count].split()) == 1
    return False


def _texts(path: Path) -> list[tuple[Path, list[str]]]:
    """Return the lines of a file, or of all text files in a folder or zip, in the order of their names."""
    if not path.is_dir() and path.suffix != ".zip":
        return [(path, read_lines(path))]
    tree = FileTree(path)
    names = sorted(name for name in tree.names if name.endswith(".txt") and not is_litter(name))
    read = tree.read_all(names)
    return [(path / name, lines_of(read(i))) for i, name in enumerate(names)]


def _table(rows: list[tuple[int, str]], widths: tuple[int, ...], path: Path) -> FloatArray:
    split = [line.split() if "," not in line else line.replace(",", " ").split() for _, line in rows]
    width = len(split[0])
    if width in widths and all(len(fields) == width for fields in split):
        try:
            return np.array([float(field) for fields in split for field in fields]).reshape(-1, width)
        except ValueError:
            pass
    raise _wrong_row(rows, split, widths, path)


def _wrong_row(rows: list[tuple[int, str]], split: list[list[str]], widths: tuple[int, ...], path: Path) -> InputError:
    """Return the error for the first row that is not like the others, with its line in the file."""
    width = len(split[0]) if len(split[0]) in widths else widths[0]
    wrong = (i for i, fields in enumerate(split) if len(fields) != width or not all(map(_is_number, fields)))
    number, line = rows[next(wrong, 0)]
    remedy = "Write decimal points, not commas" if has_decimal_commas(line) else _REMEDY
    allowed = " or ".join(map(str, widths))
    return InputError(f"expected {allowed} numbers", file=path, line=number, value=line, remedy=remedy)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_numbers(path: Path, names: list[str], counts: IntArray, table: FloatArray) -> None:
    bad = ~np.isfinite(table).all(axis=1)
    if table.shape[1] == _ELLIPSE:
        bad |= (table[:, :2] < 0).any(axis=1)  # the official tool aborts on a negative radius
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        image = int(np.searchsorted(np.cumsum(counts), row, side="right"))
        raise InputError(
            f"a region of {names[image]} is not finite or has a negative radius",
            file=path,
            value=table[row].tolist(),
            remedy="Fix or remove it",
        )


def _read_truth(path: Path, known: Known) -> Truth:
    """Read one file: the merged annotation, or one fold."""
    faces = read_annotation([path])
    return known.complete(Content(faces.keys, faces))


def _read_detections(path: Path, known: Known) -> Found:
    """Read rectangles, or ellipses with their bounding boxes."""
    return known.found(read_fddb_file(path))


def _write_truth(content: Truth, path: Path) -> Losses:
    """Write ellipses; a face that is a box becomes the ellipse inscribed in it."""
    faces = content.rows
    losses: Losses = []
    ellipses = faces.ellipses
    if ellipses is None:
        ellipses = inscribed(faces.boxes)
        if len(ellipses):
            losses.append(f"{len(ellipses)} boxes became the upright ellipses inscribed in them")
    write_atomic(path, _blocks(content.keys, faces.offsets, np.column_stack((ellipses, np.ones(len(ellipses))))))
    return [*losses, *ignored_losses(content), *attribute_losses(content), *size_losses(content)]


def _write_detections(content: Found, path: Path) -> Losses:
    """Write ellipses where the detections have them, else rectangles."""
    detections = content.rows
    regions = xywh_of(detections.boxes) if detections.ellipses is None else detections.ellipses
    write_atomic(path, _blocks(content.keys, detections.offsets, np.column_stack((regions, detections.scores))))
    return []


def inscribed(boxes: FloatArray) -> FloatArray:
    """Compute the upright ellipses inscribed in boxes: float64 (n, 5), the major axis along the longer side.

    >>> inscribed(np.array([[0.0, 10.0, 40.0, 30.0]]))
    array([[20., 10.,  0., 20., 20.]])
    """
    sides = sides_of(boxes)
    upright = sides[:, 1] >= sides[:, 0]
    major, minor = sides.max(axis=1, initial=0) / 2, sides.min(axis=1, initial=np.inf) / 2
    return np.column_stack((major, minor, np.where(upright, np.pi / 2, 0.0), boxes[:, :2] + sides / 2))


def _blocks(keys: Sequence[str], offsets: IntArray, table: FloatArray) -> str:
    lines: list[str] = []
    for i, key in enumerate(keys):
        rows = table[offsets[i] : offsets[i + 1]].tolist()
        lines += [key, str(len(rows)), *(" ".join(map(shortest, row)) for row in rows)]
    return "\n".join(lines) + "\n"


FORMAT = Format(
    ("fddb",), "FDDB text", ("*ellipse*.txt",), _read_truth, _read_detections, _write_truth, _write_detections
)
