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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from sshbench.boxes import xywh_of
from sshbench.errors import CheckFailedError, MissingDataError
from sshbench.files import FileTree, atomic_file
from sshbench.formats.base import shortest
from sshbench.formats.wider_rows import parse_batch
from sshbench.records import Detections, DetectionSet, Finding, FloatArray, IntArray, offsets_of

BoxFormat = Literal["xywh", "xyxy"]
_BATCH_BYTES = 1 << 18  # the working arrays of a batch stay in the processor's cache
_SHOWN_FILES = 10


@dataclass(slots=True)
class _Repairs:
    """The files in which something was repaired, dropped or unusual, by the finding's code."""

    files: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, file: str) -> None:
        self.files.setdefault(code, []).append(file)

    def findings(self) -> list[Finding]:
        return [
            Finding(code, f"{len(self.files[code])} {text}", tuple(self.files[code]))
            for code, text in _MESSAGES.items()
            if code in self.files
        ]


_MESSAGES = {
    "missing-file": "images have no prediction file: their faces count as missed, as in the official tool. "
    "Write a file with count 0 for an image without detections",
    "unknown-file": "files belong to no image of the dataset and were not read. Check their names",
    "duplicate-file": "files are the second or third of one image: only the first was read. Remove the others",
    "renamed-file": "files were matched although they are named '<image>.jpg.txt'. Name them '<image>.txt'",
    "empty-file": "files hold no count and were dropped, as by the official tool. Write line 1 (name), line 2 (count)",
    "bad-count": "files have a count that is no whole number >= 0 and were dropped, as by the official tool",
    "too-few-rows": "files hold fewer rows than their count says and were dropped, as by the official tool. "
    "Fix the count in line 2",
    "bad-row": "files have a row that is not five or more numbers and were dropped, as by the official tool. "
    "Rows are 'x y w h score'",
    "repaired-file": "files were read although the official tool drops them, so these figures are not the official "
    "ones: each has a comment, a word, an empty field or a spelling of a number that the tool cannot read. Write plain "
    "decimal numbers; --strict refuses such files",
    "odd-text": "files hold text that the official tool evaluates as an expression (for example 1/2, 0x10 or 9d-1); "
    "its numbers were taken, another reader would see other ones. Write plain decimal numbers",
    "extra-rows": "files hold more rows than their count says; the rows after it were ignored, as by the official tool",
    "unsorted-rows": "files are not sorted by falling score; they were sorted, as the official tool does",
    "not-finite": "files hold NaN or infinite numbers. One infinite score squashes all others to 0",
}


def read_wider(
    path: str | Path,
    keys: Sequence[str],
    *,
    known_keys: Iterable[str] | None = None,
    box_format: BoxFormat = "xywh",
    strict: bool = False,
    repair: bool = True,
    progress: Callable[[int], None] | None = None,
) -> tuple[DetectionSet, list[Finding]]:
    """Read a folder or zip of WIDER FACE prediction files.

    Args:
        path: Folder or zip that holds `<event>/<image>.txt`, at any depth.
        keys: Image keys `<event>/<image>` to read, in the dataset's order.
        known_keys: All keys of the dataset where `keys` is a part of it, so that files of the other images are passed
            over in silence; default `keys`.
        box_format: `xyxy` reads columns 3 and 4 as x2 and y2 instead of w and h.
        strict: Raise instead of reporting when anything was dropped, is unusual or looks wrong; nothing is repaired.
        repair: Read files that the official tool drops where that is possible (see the module's docstring); False
            gives the official tool's own rows.
        progress: Called with the number of files of each batch that was read.

    Returns:
        The detections aligned with `keys`, rows in file order; and what was found on the way.

    Raises:
        MissingDataError: No file there belongs to the dataset.
        InputError: The zip or a file in it cannot be read.
        CheckFailedError: `strict`, and there was something to report.
    """
    repairs = _Repairs()
    tree = FileTree(Path(path))
    names, images = _match_names(tree, keys, known_keys, repairs)
    if not names:
        raise MissingDataError(
            f"no file in {path} belongs to an image of the dataset",
            remedy=f"Files are named <event>/<image>.txt, for example {keys[0]}.txt" if keys else "",
        )
    batches = _parsed_batches(tree, names, repairs, repair=repair and not strict)
    detections = _join(batches, images, keys, box_format, progress)
    _find_unsorted(detections, repairs)
    findings = repairs.findings() + _suspicions(detections, box_format)
    if strict and findings:
        listed = "\n".join(f"  {finding.code}: {_with_files(finding)}" for finding in findings)
        raise CheckFailedError(
            f"strict mode: {path} is not a clean submission:\n{listed}\n", remedy="Fix the files or use --lenient"
        )
    return detections, findings


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
            info = zipfile.ZipInfo(f"{key}.txt", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, format_wider(key, detections))


def format_wider(key: str, detections: Detections) -> str:
    """Return one image's detections as the text of its prediction file."""
    order = np.argsort(-detections.scores, kind="stable")
    corners = detections.boxes[order]
    table = np.column_stack((xywh_of(corners), detections.scores[order]))
    rows = [" ".join(shortest(value) for value in row) for row in table.tolist()]
    return "\n".join([key.rsplit("/", 1)[-1], str(len(rows)), *rows]) + "\n"


def _match_names(
    tree: FileTree, keys: Sequence[str], known_keys: Iterable[str] | None, repairs: _Repairs
) -> tuple[list[str], IntArray]:
    """Find the file of each image: names in the dataset's order, and the image each belongs to."""
    index = {key: i for i, key in enumerate(keys)}
    known = index.keys() if known_keys is None else set(known_keys)
    # WIDER's keys have two parts; those of other datasets that come in this format have their own number.
    depths = sorted({key.count("/") + 1 for key in known}) or [2]
    found: dict[int, str] = {}
    for name in sorted(tree.names):
        if not name.endswith(".txt"):
            continue
        key = next((key for depth in depths if (key := _key_of(name, depth)) in known), _key_of(name, depths[-1]))
        image = index.get(key)
        if image is None and key.endswith(".jpg"):
            image = index.get(key[: -len(".jpg")])
            if image is not None:
                repairs.add("renamed-file", name)
        if image is None:
            # Files such as a README.txt at the top are no predictions; those that sit in an event's folder may be.
            if key not in known and "/" in name:
                repairs.add("unknown-file", name)
        elif image in found:
            repairs.add("duplicate-file", name)
        else:
            found[image] = name
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
    tables: list[FloatArray] = []
    counts = np.zeros(len(keys), dtype=np.int64)
    first = 0
    for rows, batch_counts in batches:
        counts[images[first : first + len(batch_counts)]] = batch_counts
        first += len(batch_counts)
        if box_format == "xywh":
            rows[:, 2:4] += rows[:, 0:2]
        tables.append(rows)
        if progress is not None:
            progress(len(batch_counts))
    offsets = offsets_of(counts)
    boxes = np.empty((int(offsets[-1]), 4))
    scores = np.empty(int(offsets[-1]))
    at = 0
    # Freed batch by batch: millions of detections are then held once, not twice.
    tables.reverse()
    while tables:
        table = tables.pop()
        boxes[at : at + len(table)] = table[:, :4]
        scores[at : at + len(table)] = table[:, 4]
        at += len(table)
    return DetectionSet(keys=tuple(keys), offsets=offsets, boxes=boxes, scores=scores)


def _parsed_batches(
    tree: FileTree, names: list[str], repairs: _Repairs, *, repair: bool
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


def _find_unsorted(detections: DetectionSet, repairs: _Repairs) -> None:
    rising = np.flatnonzero(detections.scores[1:] > detections.scores[:-1]) + 1
    # A rise from the last row of an image to the first row of the next is none.
    image = np.searchsorted(detections.offsets, rising, side="right") - 1
    for i in np.unique(image[detections.offsets[image] != rising]):
        repairs.add("unsorted-rows", f"{detections.keys[i]}.txt")


def _suspicions(detections: DetectionSet, box_format: BoxFormat) -> list[Finding]:
    """Report what looks wrong but is not repaired, so that figures stay official: x2 y2 for w h, stray scores."""
    findings: list[Finding] = []
    boxes, scores = detections.boxes, detections.scores
    if box_format == "xywh" and len(boxes) >= 20:
        with np.errstate(invalid="ignore"):
            # In `x y w h` a side is seldom longer than the distance to the image's edge; x2, y2 always pass x, y.
            passes = ((boxes[:, 2:] - boxes[:, :2]) > boxes[:, :2]).all(axis=1)
        if passes.mean() > 0.9:
            files = _files_of(detections, np.flatnonzero(passes)[:: max(1, int(passes.sum()) // _SHOWN_FILES)])
            findings.append(
                Finding(
                    "xyxy-boxes",
                    f"columns 3 and 4 are larger than columns 1 and 2 in {passes.mean():.1%} of the rows: they look "
                    "like x2 y2, not w h. Use --box-format xyxy if they are",
                    files,
                )
            )
    findings += _stray_scores(detections, scores)
    return findings


def _stray_scores(detections: DetectionSet, scores: FloatArray) -> list[Finding]:
    finite = scores[np.isfinite(scores)]
    if len(finite) < 1000:
        return []
    few = max(1, len(finite) // 10_000)
    ranked = np.partition(finite, [few, len(finite) - 1 - few])
    low, high = ranked[few], ranked[len(finite) - 1 - few]
    span = high - low
    if span <= 0:
        return []
    stray = np.flatnonzero((scores > high + span) | (scores < low - span))
    if not len(stray):
        return []
    extreme = scores[stray[np.argmax(np.abs(np.nan_to_num(scores[stray]) - (low + high) / 2))]]
    return [
        Finding(
            "stray-score",
            f"{len(stray)} scores lie far outside the range of the others ({low:.6g} to {high:.6g}), for example "
            f"{extreme:.6g}: scores are normalised over the whole set, so they squash all others together. "
            "Check these files",
            _files_of(detections, stray),
        )
    ]


def _files_of(detections: DetectionSet, rows: IntArray) -> tuple[str, ...]:
    images = np.unique(np.searchsorted(detections.offsets, rows, side="right") - 1)
    return tuple(f"{detections.keys[i]}.txt" for i in images)


def _with_files(finding: Finding) -> str:
    files = ", ".join(finding.files[:_SHOWN_FILES])
    more = f" and {len(finding.files) - _SHOWN_FILES} more" if len(finding.files) > _SHOWN_FILES else ""
    return f"{finding.message} [{files}{more}]"
