"""Read parameters from Caffe files, and compare them with what a network needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sshbench.errors import InputError
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.caffe import read_caffemodel


def caffe_parameters(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Float32Array]:
    """Read a `.caffemodel` as parameters by name, `<layer>.weight` and `<layer>.bias`.

    Old files have four axes everywhere, such as (1, 1, 1, n) for a bias: leading axes of one are dropped where the
    shape that is needed has fewer.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a `.caffemodel`.
    """
    found: dict[str, Float32Array] = {}
    for layer, blobs in read_caffemodel(path).items():
        for part, blob in zip(("weight", "bias"), blobs, strict=False):
            name = f"{layer}.{part}"
            surplus = blob.ndim - len(shapes.get(name, blob.shape))
            ones = surplus > 0 and set(blob.shape[:surplus]) == {1}
            found[name] = blob.reshape(blob.shape[surplus:]) if ones else blob
    return found


def check_parameters(
    found: Mapping[str, Float32Array],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    remedy: str,
    names: Mapping[str, str] | None = None,
) -> None:
    """Compare parameters with the shapes that a network needs.

    Args:
        found: By name.
        shapes: By name.
        path: The file that they are from.
        remedy: What to do if they are of another network.
        names: Names in the file by those of `shapes`, where they differ.

    Raises:
        InputError: A parameter is missing, unknown, not finite or has a wrong shape; the message names it.
    """
    for name, shape in shapes.items():
        field = name if names is None else names[name]
        if name not in found:
            near = ", ".join(sorted(found)[:8])
            raise InputError("is missing", file=path, field=field, value=near, remedy=remedy)
        if found[name].shape != shape:
            what = f"has shape {found[name].shape}, not {shape}"
            raise InputError(what, file=path, field=field, remedy=remedy)
        if not np.isfinite(found[name]).all():
            raise InputError("is not finite", file=path, field=field, remedy="Get the file again")
    if unknown := sorted(found.keys() - shapes.keys()):
        raise InputError("does not belong to any layer", file=path, field=unknown[0], remedy=remedy)
