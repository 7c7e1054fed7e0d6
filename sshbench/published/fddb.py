"""Import of published FDDB curves: `<method>DiscROC.txt` and `<method>ContROC.txt`, as the FDDB tool writes them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sshbench.errors import InputError, MissingDataError
from sshbench.published.compare import candidates, disagreements
from sshbench.published.records import ImportedCurve, ImportReport
from sshbench.published.store import store
from sshbench.records import Finding, FloatArray

# Copies of the results page carry versions behind the name: Linkface-DiscROC_v1.txt, DeepIRDiscROC(2).txt.
_NAME = re.compile(r"(?P<method>.*?)[-_ ]?(?P<kind>Disc|Cont)ROC(?:[-_]v?\d+|\(\d+\))?\.txt")
_SUBSETS = {"Disc": "discrete", "Cont": "continuous"}
_AT = 1000
_THINNED = 2000
"""The curves behind the published table were thinned to this number of points."""


def import_fddb(folder: Path) -> ImportReport:
    """Read every FDDB curve below a folder into the local cache.

    Files are named `<method>DiscROC.txt` or `<method>ContROC.txt`, with `-` or `_` between if at all; a file named
    `DiscROC.txt` alone belongs to the method its folder is named for.

    Args:
        folder: A folder of such files.

    Returns:
        The curves, each true positive rate at 1000 false positives computed anew, the published figures that they do
        not bear out, and as findings the files that were left out and second curves of a method, which get a name of
        their own.

    Raises:
        MissingDataError: There is no such folder, or no curve in it.
        InputError: No curve could be read; the text names the first file and line.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}", remedy="Name the folder with the *ROC.txt files")
    kept: dict[tuple[str, str, str], ImportedCurve] = {}
    findings: list[Finding] = []
    unread: InputError | None = None
    for path in sorted(folder.rglob("*ROC*.txt"), key=lambda path: (path.parent, path.stem)):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            columns = read_roc_file(path)
        except InputError as error:
            unread = unread or error
            findings.append(
                Finding("unread-curve", f"left out: {error.message}", (path.relative_to(folder).as_posix(),))
            )
            continue
        figure, slack = _rate(columns)
        name = match["method"] or path.resolve().parent.name
        file = path.relative_to(folder).as_posix()
        curve = ImportedCurve(candidates("fddb", name)[0], "all", _SUBSETS[match["kind"]], columns, figure, file, slack)
        other = kept.setdefault(curve.key, curve)
        if not other.same_points(curve):
            copy = _free_name(curve, kept)
            kept[copy.key] = copy
            text = f"another {curve.subset} curve of {curve.method} than {other.file}: imported as {copy.method}"
            findings.append(Finding("second-curve", text, (file,)))
    if not kept and unread is not None:
        raise unread
    if not kept:
        raise MissingDataError(
            f"no file *DiscROC.txt or *ContROC.txt below {folder}", remedy="Name the folder with these files"
        )
    curves = tuple(kept.values())
    compared, found = disagreements("fddb", curves)
    store("fddb", curves)
    return ImportReport("fddb", curves, compared, found, tuple(findings))


def _free_name(curve: ImportedCurve, kept: Mapping[tuple[str, str, str], ImportedCurve]) -> ImportedCurve:
    """Return the curve under a name of its own, or under that of a copy with the same points."""
    for number in itertools.count(2):
        copy = replace(curve, method=f"{curve.method}-{number}")
        if copy.key not in kept or kept[copy.key].same_points(copy):
            return copy
    raise AssertionError


def read_roc_file(path: Path) -> FloatArray:
    """Read `TPR FP [threshold]` lines.

    Returns:
        float64 (t, 2), false positives and true positive rate, in the file's order.

    Raises:
        InputError: A line is something else, or there is none.
    """
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            rate, false_positives = (float(word) for word in line.replace(",", " ").split()[:2])
        except ValueError:
            rate = false_positives = math.nan
        if not (0 <= rate <= 1 and 0 <= false_positives < math.inf):
            raise InputError(
                "expected 'TPR FP' with TPR between 0 and 1",
                file=path,
                line=number,
                value=line,
                remedy="Fix the line, or leave the file out",
            )
        rows.append((false_positives, rate))
    if not rows:
        raise InputError("holds no curve", file=path, remedy="Leave the file out")
    return np.array(rows, dtype=np.float64)


def _rate(columns: FloatArray) -> tuple[float, float]:
    """Return the largest rate with at most 1000 false positives, and how far below it that of a thinned copy may lie.

    A curve of n points thinned to 2000 keeps one in n / 2000: its last point within 1000 false positives is at most
    that many points before the curve's own.
    """
    within = np.sort(columns[columns[:, 0] <= _AT, 1])[::-1]
    if not len(within):
        return 0.0, 0.0
    step = math.ceil(len(columns) / _THINNED) if len(columns) > _THINNED else 0
    return float(within[0]), float(within[0] - within[: step + 1].min())
