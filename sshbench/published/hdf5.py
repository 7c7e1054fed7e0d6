"""Matrices in a MATLAB 7.3 file, which is HDF5: read with h5py, within limits that no file can exceed.

A file of the WIDER collection holds a handful of small matrices in its root group. Whatever could lead out of the file
(links, external data) or cost memory or time (many members, large matrices, filters that are loaded as plugins) is
left out or refused.
"""

from __future__ import annotations

import io
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import UsageError

if TYPE_CHECKING:
    import h5py

MAX_MEMBERS = 256
MAX_BYTES = 1 << 28
"""Of a matrix or a chunk. No curve is larger; a header that says so is damaged and must not take all memory."""

_FILTERS = {1, 2, 3}
"""Deflate, shuffle and checksum: HDF5's own, which need no plugin."""

Matrix = npt.NDArray[Any]


class UnreadableError(ValueError):
    """Content that is no HDF5 file, is damaged, or exceeds a limit."""


def read_matrices(content: bytes) -> dict[str, Matrix]:
    """Read every numeric matrix in the root group.

    Args:
        content: The whole file.

    Returns:
        By name, integers or floats of the file's own type, dimensions in HDF5's order (the reverse of MATLAB's).
        Members of other kinds are left out: groups, links, text, references, empty matrices.

    Raises:
        UnreadableError: It is no HDF5 file, it is damaged, or it exceeds a limit.
        UsageError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            "MATLAB 7.3 files are read with h5py, which is not installed", remedy="pip install 'sshbench[curves]'"
        ) from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if len(file) > MAX_MEMBERS:
                raise UnreadableError(f"it has {len(file)} members, more than {MAX_MEMBERS}")
            hard = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
            members = {name: file[name] for name in hard if file.get(name, getclass=True) is h5py.Dataset}
            return {name: _matrix(dataset) for name, dataset in members.items() if _is_matrix(dataset)}
    # h5py raises whatever fits the C library's error: OSError, RuntimeError, KeyError, ValueError, ...
    except Exception as error:
        raise UnreadableError(str(error) or type(error).__name__) from error


def _is_matrix(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.kind in "iuf" and dataset.shape is not None and dataset.size > 0


def _matrix(dataset: h5py.Dataset) -> Matrix:
    if dataset.external or dataset.is_virtual:
        raise UnreadableError(f"{dataset.name} lies in another file")
    for size in (dataset.shape, dataset.chunks or ()):
        if prod(size) * dataset.dtype.itemsize > MAX_BYTES:
            raise UnreadableError(f"{dataset.name} is larger than {MAX_BYTES} bytes")
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise UnreadableError(f"{dataset.name} has a filter that is not read: {sorted(filters - _FILTERS)}")
    return np.asarray(dataset[()])
