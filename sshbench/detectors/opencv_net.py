"""Opening published Caffe and Darknet networks through OpenCV, with the errors a user can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sshbench.errors import InputError


def read_caffe(definition: Path, weights: Path) -> Any:
    """A network out of a .prototxt and a .caffemodel.

    Raises:
        InputError: OpenCV cannot read the two together.
    """
    import cv2

    return _read(lambda: cv2.dnn.readNetFromCaffe(str(definition), str(weights)), weights)


def read_darknet(definition: bytes, weights: Path) -> Any:
    """A network out of the text of a .cfg and a .weights file.

    Raises:
        InputError: OpenCV cannot read the two together.
    """
    import cv2

    def buffer(content: bytes) -> npt.NDArray[np.uint8]:
        return np.frombuffer(content, dtype=np.uint8)

    return _read(lambda: cv2.dnn.readNetFromDarknet(buffer(definition), buffer(weights.read_bytes())), weights)


def _read(read: Any, weights: Path) -> Any:
    import cv2

    try:
        return read()
    except cv2.error as error:
        raise InputError(
            f"does not fit its definition ({error.msg})", file=weights, remedy="Check --weights"
        ) from error
