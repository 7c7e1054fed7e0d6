"""Import of the official WIDER collection: `plot/baselines/<Val|Test>/setting_<int|ext>/<method>/*.mat`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.curves import wider_ap
from sshbench.errors import InputError, MissingDataError
from sshbench.formats.matlab import load_mat
from sshbench.published.compare import agrees, candidates, disagreements, published_figures
from sshbench.published.hdf5 import UnreadableError, read_matrices
from sshbench.published.records import ImportedCurve, ImportReport
from sshbench.published.store import store
from sshbench.records import Finding, FloatArray

_NAME = re.compile(r"wider_pr_info_(?P<method>.+?)_(?P<subset>easy|medium|hard)(?:_(?P<split>val|test))?\.mat")
_VARIABLE = "pr_cruve"
"""The tool's own spelling."""
_RESAVE = "Save it again in MATLAB with -v7, or leave the file out"


def import_wider(folder: Path) -> ImportReport:
    """Read every curve of the official collection below a folder into the local cache.

    Both versions of .mat files are read (5 to 7, and 7.3, which is HDF5). A method whose folder name has stood for
    more than one published method gets the name of the one whose published APs its curves have.

    Args:
        folder: A copy of the collection, or any folder above or inside it.

    Returns:
        The curves, each AP computed anew, the published figures that they do not bear out, and as findings the files
        that were left out.

    Raises:
        MissingDataError: There is no such folder, or no curve in it.
        InputError: No curve could be read; the text names the first file.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}", remedy="Name the folder plot/baselines of your copy")
    groups: dict[tuple[Path, str, str], list[ImportedCurve]] = {}
    misnamed: dict[str, list[str]] = {}
    left_out: list[Finding] = []
    unread: InputError | None = None
    for path in sorted(folder.rglob("wider_pr_info_*.mat")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            text = "left out: not named wider_pr_info_<method>_<subset>_<split>.mat"
            left_out.append(Finding("unread-curve", text, (path.relative_to(folder).as_posix(),)))
            continue
        # The tool names its test curves without a split: wider_pr_info_<method>_easy.mat.
        split = match["split"] or "test"
        method = match["method"]
        if "setting_ext" in path.resolve().parts:
            # Detectors trained on other data stand in a tree of their own, under the same folder names.
            method += "-ext"
        file = path.relative_to(folder).as_posix()
        try:
            variable, columns = read_pr_file(path)
        except InputError as error:
            unread = unread or error
            left_out.append(Finding("unread-curve", f"left out: {error.message}", (file,)))
            continue
        if variable != _VARIABLE:
            misnamed.setdefault(f"{method}: the curve is in the variable '{variable}', not '{_VARIABLE}'", []).append(
                file
            )
        groups.setdefault((path.parent, method, split), []).append(
            ImportedCurve(method, split, match["subset"], columns, wider_ap(columns[:, 1], columns[:, 0]), file)
        )
    if not groups and unread is not None:
        raise unread
    if not groups:
        raise MissingDataError(
            f"no file wider_pr_info_*.mat below {folder}",
            remedy="Name the folder plot/baselines of your copy",
        )
    kept: dict[tuple[str, str, str], ImportedCurve] = {}
    for (_, name, split), group in groups.items():
        for curve in _named(name, split, group):
            other = kept.setdefault(curve.key, curve)
            if not other.same_points(curve):
                text = f"left out: another curve of {' '.join(curve.key)} than {other.file}"
                left_out.append(Finding("second-curve", text, (curve.file,)))
    subsets = ("easy", "medium", "hard")
    curves = tuple(
        sorted(kept.values(), key=lambda c: (c.split != "val", c.method.casefold(), subsets.index(c.subset)))
    )
    compared, found = disagreements("wider", curves)
    store("wider", curves)
    findings = tuple(Finding("misnamed-variable", text, tuple(files)) for text, files in misnamed.items())
    return ImportReport("wider", curves, compared, found, (*findings, *left_out))


def read_pr_file(path: Path) -> tuple[str, FloatArray]:
    """Read the curve of one .mat file of the collection, of either version.

    Returns:
        The name of the variable it is in, and float64 (t, 2): precision and recall. The tool's own plotting code calls
        the columns the other way round, twice.

    Raises:
        InputError: The file cannot be read, or holds no curve.
    """
    content = path.read_bytes()
    variables = _hdf5_variables(path, content) if _is_hdf5(content) else _mat5_variables(path, content)
    shaped = {name: value for name, value in variables.items() if value.ndim == 2 and value.shape[1] == 2}
    # One method's files call it otherwise; a file's only matrix of two columns is its curve, whatever its name.
    name = _VARIABLE if _VARIABLE in shaped else next(iter(shaped), "")
    if not name or (name != _VARIABLE and len(shaped) > 1):
        raise InputError(
            f"holds no matrix of precision and recall named '{_VARIABLE}'",
            file=path,
            value=sorted(variables),
            remedy=_RESAVE,
        )
    columns = np.ascontiguousarray(shaped[name], dtype=np.float64)
    if not len(columns) or np.isnan(columns[:, 1]).any() or (columns < 0).any() or (columns > 1).any():
        raise InputError("precision and recall must lie between 0 and 1", file=path, field=name)
    return name, columns


def _named(name: str, split: str, group: list[ImportedCurve]) -> list[ImportedCurve]:
    """Return the curves of one method under its name in the published table."""
    methods = candidates("wider", name)
    method = methods[0]
    if len(methods) > 1:
        figures = {(f.method, f.subset): f.printed for f in published_figures("wider", split) if f.kind == "curve"}
        for candidate in methods:
            printed = [(figures.get((candidate, curve.subset)), curve.figure) for curve in group]
            if all(text is not None and agrees(text, figure) for text, figure in printed):
                method = candidate
                break
    return [ImportedCurve(method, c.split, c.subset, c.columns, c.figure, c.file, c.slack) for c in group]


def _is_hdf5(content: bytes) -> bool:
    return content[:10] == b"MATLAB 7.3" or b"\x89HDF\r\n\x1a\n" in content[:520]


def _hdf5_variables(path: Path, content: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        # HDF5 counts dimensions from the other end than MATLAB.
        return {name: value.T for name, value in read_matrices(content).items()}
    except UnreadableError as error:
        raise InputError(f"cannot be read as a MATLAB 7.3 file ({error})", file=path, remedy=_RESAVE) from error


def _mat5_variables(path: Path, content: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        found = load_mat(content, path)
    # scipy lets whatever a damaged file trips over through.
    except Exception as error:
        raise InputError(f"cannot be read as a MATLAB file ({error})", file=path, remedy=_RESAVE) from error
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("__") and isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
    }
