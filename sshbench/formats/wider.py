"""Detections in the WIDER FACE submission format: one text file per image, in a folder or a zip.

`<event>/<image>.txt`: line 1 is ignored, line 2 is the count n, then n rows `x y w h score`.

- Rows are those of the official tool (`wider_official.read_official`): what it takes is taken, also where another
  reader would see other numbers (finding `odd-text`), and what it drops is dropped, with a finding.
- One repair is made by default, in files that the tool drops: where the count and the first five fields of every row
  are numbers all the same, the file is read (finding `repaired-file`). This concerns words or comments after the
  numbers, several commas in a row, form feeds, and the spellings NAN, INF and infinity. The figure then differs
  from the official one, and the finding says so. `repair=False` gives the tool's own rows.
- In strict mode there is no repair, and any finding is an error.

Source: read_pred.m of the WIDER FACE evaluation tool.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sshbench.boxes import xywh_of
from sshbench.errors import CheckFailedError, InputError, MissingDataError, UsageError
from sshbench.files import FileTree, atomic_file
from sshbench.formats.base import has_decimal_commas, lines_of, shortest
from sshbench.formats.box_formats import BoxFormat as BoxFormat
from sshbench.formats.box_formats import corners_of
from sshbench.formats.names import NameMatcher, is_litter
from sshbench.formats.wider_findings import DROPPED, Repairs, find_unsorted, suspicions, with_files
from sshbench.formats.wider_rows import parse_batch
from sshbench.records import Detections, DetectionSet, Finding, FloatArray, IntArray, offsets_of

_DATE = (1980, 1, 1, 0, 0, 0)  # of every file that is written
_LOOKED_AT = 10  # files, for decimal commas
_BATCH_BYTES = 1 << 18  # the working arrays of a batch stay in the processor's cache


def read_wider(
    path: str | Path,
    keys: Sequence[str],
    *,
    known_keys: Iterable[str] | None = None,
    box_format: BoxFormat = "xywh",
    strict: bool = False,
    repair: bool = True,
    progress: Callable[[int], None] | None = None,
    tree: FileTree | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    r"""Read a folder or zip of WIDER FACE prediction files.

    Args:
        path: Folder or zip that holds `<event>/<image>.txt`, at any depth.
        keys: Image keys `<event>/<image>` to read, in the dataset's order.
        known_keys: All keys of the dataset if `keys` is a part of it: files of the other images are skipped without a
            finding; default `keys`.
        box_format: What the first four columns are.
        strict: Repair nothing, and raise an error where there would be a finding.
        repair: Read files that the official tool drops where that is possible (see the module's docstring); False
            gives the official tool's own rows.
        progress: Called with the number of files of each batch that was read.
        tree: The files of `path`, where they are listed already.

    Returns:
        The detections aligned with `keys`, rows in file order, corners in pixels; and the findings.

    Raises:
        MissingDataError: No file there belongs to the dataset.
        InputError: The zip or a file in it cannot be read.
        CheckFailedError: `strict`, and there was something to report.

    Source: read_pred.m of the WIDER FACE evaluation tool.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "0--Parade").mkdir()
    ...     _ = Path(folder, "0--Parade", "a.txt").write_text("a\n1\n10 20 30 40 0.9\n")
    ...     found, findings = read_wider(folder, ["0--Parade/a"])
    >>> found["0--Parade/a"].boxes.tolist(), findings
    ([[10.0, 20.0, 40.0, 60.0]], [])
    """
    path = Path(path).expanduser()
    repairs = Repairs()
    tree = tree or FileTree(path)
    names, images = _match_names(tree, keys, known_keys, repairs)
    if not names:
        there = next(iter(sorted(tree.names)), "")
        raise MissingDataError(
            f"no file in {path} belongs to an image of the dataset"
            + (f"; there is, for example, {there}" if there else "; it is empty"),
            remedy=f"Files are named <event>/<image>.txt, for example {keys[0]}.txt" if keys else "",
        )
    batches = _parsed_batches(tree, names, repairs, repair=repair and not strict)
    detections = _join(batches, images, keys, box_format, progress)
    if _have_decimal_commas(tree, names):
        repairs.add("decimal-commas", names[0])
    find_unsorted(detections, repairs)
    findings = repairs.findings() + suspicions(detections, box_format)
    if strict and findings:
        listed = "\n".join(f"  {finding.code}: {with_files(finding)}" for finding in findings)
        raise CheckFailedError(
            f"strict mode: {path} is not a clean submission:\n{listed}\n", remedy="Fix the files or use --lenient"
        )
    return detections, findings


def refuse_unreadable(path: Path, detections: DetectionSet, findings: Sequence[Finding]) -> None:
    """Raise an error where every file of a prediction set was dropped, which would give a figure of 0.

    Args:
        path: The folder or zip.
        detections: What was read from it.
        findings: What was found.

    Raises:
        InputError: No file could be read; the text shows the first lines of one beside the form that is wanted.
    """
    if detections.total:
        return
    dropped = {file for finding in findings if finding.code in DROPPED for file in finding.files}
    missing = sum(len(finding.files) for finding in findings if finding.code == "missing-file")
    if not dropped or len(dropped) + missing < len(detections.keys):
        return
    tree, name = FileTree(path), min(dropped)
    lines = lines_of(tree.read_all([name])(0))[:3]
    raise InputError(
        "no prediction file could be read; this one begins with",
        file=tree.path / name,
        value=" | ".join(lines),
        remedy="Line 1 is a name, line 2 the number of rows, and each row 'x y w h score' in pixels. "
        "`sshbench data formats` shows all formats, and `sshbench data convert` converts them",
    )


def _have_decimal_commas(tree: FileTree, names: Sequence[str]) -> bool:
    """Return whether the first files with rows have decimal commas, which the official tool takes for separators."""
    read = tree.read_all(names)
    rows = [row for i in range(min(_LOOKED_AT, len(names))) for row in read(i)[:2000].split(b"\n")[2:4]]
    rows = [row for row in rows if b"," in row]
    return bool(rows) and all(has_decimal_commas(row.decode("latin-1")) for row in rows)


def check_name(path: Path, remedy: str) -> None:
    """Check that a file has the name of a submission.

    Raises:
        UsageError: It does not end with `.zip`.
    """
    if path.suffix != ".zip":
        raise UsageError(f"a submission is a zip, not '{path.name}'", remedy=remedy)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a submission can be written, before anything is computed.

    Raises:
        UsageError: The name does not end with `.zip`, or the file exists, was not written by `write_wider`, and may not
            be replaced.
    """
    check_name(path, "Name it *.zip")
    if overwrite or not path.exists():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            own = all(info.date_time == _DATE and info.filename.endswith(".txt") for info in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        own = False
    if not own:
        raise UsageError(f"{path} exists, and sshbench did not write it", remedy="Name another file, or --overwrite")


def write_wider(path: Path, images: Iterable[tuple[str, Detections]]) -> None:
    """Write detections as an official submission zip, atomically.

    Numbers have the shortest decimal form that reads back as the same bits, and w is chosen so that `x + w` is the
    stored x2 again.

    Args:
        path: The zip to write.
        images: Pairs of image key and detections; rows are written by falling score.
    """
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for key, detections in images:
            # A fixed date: the same detections give the same bytes.
            info = zipfile.ZipInfo(f"{key}.txt", date_time=_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, format_wider(key, detections))


def format_wider(key: str, detections: Detections) -> str:
    r"""Return one image's detections as the text of its prediction file, rows by falling score.

    >>> format_wider("0--Parade/a", Detections([[1, 2, 31, 42.5], [5, 6, 12, 14]], [0.25, 0.5]))
    'a\n2\n5 6 7 8 0.5\n1 2 30 40.5 0.25\n'
    """
    order = np.argsort(-detections.scores, kind="stable")
    corners = detections.boxes[order]
    table = np.column_stack((xywh_of(corners), detections.scores[order]))
    rows = [" ".join(shortest(value) for value in row) for row in table.tolist()]
    return "\n".join([key.rsplit("/", 1)[-1], str(len(rows)), *rows]) + "\n"


def _match_names(
    tree: FileTree, keys: Sequence[str], known_keys: Iterable[str] | None, repairs: Repairs
) -> tuple[list[str], IntArray]:
    """Find the file of each image: names in the dataset's order, and the image each belongs to."""
    index = {key: i for i, key in enumerate(keys)}
    known = index.keys() if known_keys is None else set(known_keys)
    # WIDER's keys have two parts; those of other datasets that come in this format have their own number.
    depths = sorted({key.count("/") + 1 for key in known}) or [2]
    found: dict[int, str] = {}
    others: list[str] = []
    for name in sorted(tree.names):
        if not name.endswith(".txt") or is_litter(name):
            continue
        key = next((key for depth in depths if (key := _key_of(name, depth)) in known), _key_of(name, depths[-1]))
        image = index.get(key)
        if image is None:
            if key not in known:
                others.append(name)
        elif image in found:
            repairs.add("duplicate-file", name)
        else:
            found[image] = name
    # Files with the names of the dataset go first; others may take what they left.
    matcher = NameMatcher(known)
    for name in others:
        matched = matcher.match(name[: -len(".txt")])
        if matched is None:
            # Files such as a README.txt at the top are no predictions; those that sit in an event's folder may be.
            if "/" in name:
                repairs.add("unknown-file", name)
        elif (image := index.get(matched)) is None:
            continue
        elif image in found:
            repairs.add("duplicate-file", name)
        else:
            found[image] = name
            repairs.add("renamed-file", name)
    for i, key in enumerate(keys):
        if i not in found:
            repairs.add("missing-file", f"{key}.txt")
    images = sorted(found)
    return [found[i] for i in images], np.asarray(images, dtype=np.int64)


def _key_of(name: str, depth: int) -> str:
    return "/".join(name[: -len(".txt")].rsplit("/", depth)[-depth:])


def _join(
    batches: Iterable[tuple[FloatArray, IntArray]],
    images: IntArray,
    keys: Sequence[str],
    box_format: BoxFormat,
    progress: Callable[[int], None] | None,
) -> DetectionSet:
    """Join the tables of all batches; `images` says which image each file belongs to."""
    joined = _GrowingRows()
    counts = np.zeros(len(keys), dtype=np.int64)
    first = 0
    for rows, batch_counts in batches:
        counts[images[first : first + len(batch_counts)]] = batch_counts
        first += len(batch_counts)
        if box_format != "xywh":
            rows[:, :4] = corners_of(rows[:, :4], box_format)
        else:
            rows[:, 2:4] += rows[:, 0:2]
        joined.add(rows)
        if progress is not None:
            progress(len(batch_counts))
    boxes, scores = joined.cut()
    return DetectionSet(keys=tuple(keys), offsets=offsets_of(counts), boxes=boxes, scores=scores)


class _GrowingRows:
    """Boxes and scores that grow batch by batch; millions of detections are then held once, not twice."""

    def __init__(self) -> None:
        self._boxes, self._scores, self._total = np.empty((0, 4)), np.empty(0), 0

    def add(self, table: FloatArray) -> None:
        """Take over the rows of a table: float64 (n, 5)."""
        first, last = self._total, self._total + len(table)
        if last > len(self._scores):
            self._resize(last + last // 8)
        self._boxes[first:last] = table[:, :4]
        self._scores[first:last] = table[:, 4]
        self._total = last

    def cut(self) -> tuple[FloatArray, FloatArray]:
        """Return the boxes, float64 (n, 4), and the scores, float64 (n,)."""
        self._resize(self._total)
        return self._boxes, self._scores

    def _resize(self, rows: int) -> None:
        # In place: the system moves large arrays without copying them. Nothing else refers to them here.
        self._boxes.resize((rows, 4), refcheck=False)
        self._scores.resize(rows, refcheck=False)


def _parsed_batches(
    tree: FileTree, names: list[str], repairs: Repairs, *, repair: bool
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Yield rows and counts of the files, batch by batch."""
    for first, contents in _batches(tree, names):
        yield parse_batch(names[first : first + len(contents)], contents, repairs.add, repair=repair)


def _batches(tree: FileTree, names: list[str]) -> Iterator[tuple[int, list[bytes]]]:
    read = tree.read_all(names)
    first, size, contents = 0, 0, list[bytes]()
    for i in range(len(names)):
        content = read(i)
        contents.append(content)
        size += len(content)
        if size >= _BATCH_BYTES:
            yield first, contents
            first, size, contents = i + 1, 0, []
    if contents:
        yield first, contents
