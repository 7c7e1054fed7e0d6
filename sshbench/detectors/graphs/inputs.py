"""The input of a network, made of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.detectors.graphs.placing import Place
from sshbench.detectors.graphs.spec import InputSpec
from sshbench.records import Image

InputArray = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.uint8]


def input_array(image: Image, where: Place, spec: InputSpec) -> InputArray:
    """Return the input of a network: (1, 3, height, width), or (1, height, width, 3) for NHWC.

    Args:
        image: uint8 (height, width, 3) BGR.
        where: Where it lies in the input.
        spec: Order of channels and axes, mean, scale, dtype and value of the border.
    """
    if (where.inner_height, where.inner_width) != image.shape[:2]:
        import cv2

        inner = (where.inner_width, where.inner_height)
        image = np.asarray(cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    pixels = np.uint8 if spec.dtype == "uint8" else np.float32
    data = np.empty((1, 3, where.height, where.width), dtype=pixels)
    bordered = (where.inner_height, where.inner_width) != (where.height, where.width)
    rows = slice(where.top, where.top + where.inner_height)
    columns = slice(where.left, where.left + where.inner_width)
    for channel in range(3):
        plane = data[0, channel]
        if bordered:
            plane[...] = spec.pad_value[channel]
        plane[rows, columns] = image[:, :, channel if spec.channels == "BGR" else 2 - channel]
        if spec.mean[channel]:
            plane -= np.float32(spec.mean[channel])
        if spec.scale[channel] != 1:
            plane *= np.float32(spec.scale[channel])
    if spec.dtype == "float16":
        data = data.astype(np.float16)
    return np.ascontiguousarray(data.transpose(0, 2, 3, 1)) if spec.layout == "NHWC" else data
