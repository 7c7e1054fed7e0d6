"""What is reported of WIDER FACE prediction files: repaired and dropped ones, and numbers that look wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sshbench.formats.box_formats import BoxFormat
from sshbench.records import DetectionSet, Finding, FloatArray, IntArray

_SHOWN_FILES = 10
_BLOCK = 1 << 16  # detections that are looked at a time


@dataclass(slots=True)
class Repairs:
    """The files in which something was repaired, dropped or unusual, by the finding's code."""

    files: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, file: str) -> None:
        """Note that a file is one of those with this code."""
        self.files.setdefault(code, []).append(file)

    def findings(self) -> list[Finding]:
        """Return one finding per code, in the order of `_MESSAGES`."""
        return [
            Finding(code, f"{len(self.files[code])} {text}", tuple(self.files[code]))
            for code, text in _MESSAGES.items()
            if code in self.files
        ]


DROPPED = ("empty-file", "bad-count", "too-few-rows", "bad-row")
"""Codes of the findings on files of which no row was read."""

_MESSAGES = {
    "missing-file": "images have no prediction file: their faces count as missed, as in the official tool. "
    "Write a file with count 0 for an image without detections, or evaluate only those that have one by --only-listed",
    "unknown-file": "files belong to no image of the dataset and were not read. Check their names",
    "duplicate-file": "files belong to an image for which another file was read. Keep one file per image",
    "renamed-file": "files were matched although they are named in another way (suffix, case, folders or backslashes). "
    "Name them '<event>/<image>.txt'",
    "empty-file": "files hold no count and were dropped, as in the official tool. Write line 1 (name), line 2 (count)",
    "bad-count": "files have a count that is not a whole number of 0 or more and were dropped, as in the official tool",
    "too-few-rows": "files hold fewer rows than their count says and were dropped, as in the official tool. "
    "Fix the count in line 2",
    "bad-row": "files have a row that is not five or more numbers and were dropped, as in the official tool. "
    "Rows are 'x y w h score'",
    "repaired-file": "files were read although the official tool drops them, so these figures are not the official "
    "ones: each has a comment, a word, an empty field or a spelling of a number that the tool cannot read. Write plain "
    "decimal numbers; --strict refuses such files",
    "odd-text": "files hold text that the official tool evaluates as an expression (for example 1/2, 0x10 or 9d-1); "
    "its values were taken, other readers may take others. Write plain decimal numbers",
    "decimal-commas": "or more files have decimal commas (172,5), which the official tool reads as separators, so that "
    "its boxes are others. Write decimal points",
    "extra-rows": "files hold more rows than their count says; the rows after it were ignored, as in the official tool",
    "unsorted-rows": "files are not sorted by falling score; they were sorted, as the official tool does",
    "not-finite": "files hold NaN or infinite numbers. One infinite score squashes all others to 0",
}


def find_unsorted(detections: DetectionSet, repairs: Repairs) -> None:
    """Note the files whose rows are not sorted by falling score."""
    rising = np.flatnonzero(detections.scores[1:] > detections.scores[:-1]) + 1
    # From the last row of an image to the first row of the next, scores may rise.
    image = np.searchsorted(detections.offsets, rising, side="right") - 1
    for i in np.unique(image[detections.offsets[image] != rising]):
        repairs.add("unsorted-rows", f"{detections.keys[i]}.txt")


def suspicions(detections: DetectionSet, box_format: BoxFormat) -> list[Finding]:
    """Report what looks wrong but is not repaired, so that figures stay official: x2 y2 for w h, stray scores."""
    findings: list[Finding] = []
    boxes, scores = detections.boxes, detections.scores
    if box_format == "xywh" and len(boxes) >= 20:
        passes = np.empty(len(boxes), dtype=np.bool_)
        for first in range(0, len(boxes), _BLOCK):
            part = boxes[first : first + _BLOCK]
            with np.errstate(invalid="ignore"):
                # In `x y w h` a side is seldom longer than the distance to the image's edge; x2, y2 always pass x, y.
                passes[first : first + _BLOCK] = ((part[:, 2:] - part[:, :2]) > part[:, :2]).all(axis=1)
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
    is_finite = np.isfinite(scores)
    finite = scores if is_finite.all() else scores[is_finite]
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


def with_files(finding: Finding) -> str:
    """Return the text of a finding with the names of the first files."""
    files = ", ".join(finding.files[:_SHOWN_FILES])
    more = f" and {len(finding.files) - _SHOWN_FILES} more" if len(finding.files) > _SHOWN_FILES else ""
    return f"{finding.message} [{files}{more}]"
