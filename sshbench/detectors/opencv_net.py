"""Open published Caffe and Darknet networks and cascades through OpenCV, with errors that a user can act on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError
from sshbench.ssh.anchors import Float32Array

if TYPE_CHECKING:
    import cv2

NetInput = tuple[Float32Array, tuple[float, float]]
"""A batch of one for an OpenCV network, and the height and width in pixels of the image that its sides stand for."""
CascadeOutput = tuple[Sequence[Sequence[int]], Sequence[int], Sequence[float]]
"""Boxes x y w h, the stage that each reached, and its weight there."""


def read_caffe(definition: Path, weights: Path) -> cv2.dnn.Net:
    """Read a network from a .prototxt and a .caffemodel.

    Raises:
        InputError: OpenCV cannot read the two together.
    """
    import cv2

    return _read(lambda: cv2.dnn.readNetFromCaffe(str(definition), str(weights)), weights)


def read_darknet(definition: bytes, weights: Path) -> cv2.dnn.Net:
    """Read a network from the text of a .cfg and a .weights file.

    Raises:
        InputError: OpenCV cannot read the two together.
    """
    import cv2

    def buffer(content: bytes) -> npt.NDArray[np.uint8]:
        return np.frombuffer(content, dtype=np.uint8)

    return _read(lambda: cv2.dnn.readNetFromDarknet(buffer(definition), buffer(weights.read_bytes())), weights)


def cascade_path(name: str) -> Path:
    """Return the path of a cascade that OpenCV contains."""
    import cv2

    folder: str = cv2.data.haarcascades  # type: ignore[attr-defined]  # missing from OpenCV's stubs
    return Path(folder) / name


def read_cascade(path: Path) -> cv2.CascadeClassifier:
    """Read a cascade from an .xml file.

    Raises:
        InputError: OpenCV cannot read it.
    """
    import cv2

    try:
        cascade = cv2.CascadeClassifier(str(path))
        usable = not cascade.empty()
    except (cv2.error, SystemError):
        usable = False
    if not usable:
        raise InputError("not a cascade that OpenCV can read", file=path, remedy="Leave --weights out")
    return cascade


def _read(read: Callable[[], cv2.dnn.Net], weights: Path) -> cv2.dnn.Net:
    import cv2

    try:
        return read()
    except cv2.error as error:
        raise InputError(
            f"does not match its definition ({error.msg})", file=weights, remedy="Check --weights"
        ) from error
