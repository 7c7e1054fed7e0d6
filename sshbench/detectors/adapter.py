"""Code that the adapters of published detectors share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sshbench.boxes import nms
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.detectors.cost import NetworkCost, onnx_cost
from sshbench.detectors.weights import find_weights
from sshbench.errors import UsageError
from sshbench.files import sha256_of
from sshbench.records import Detections, FloatArray, Image
from sshbench.runtimes.network import OnnxNetwork
from sshbench.runtimes.plan import ONNX_BACKENDS
from sshbench.ssh.anchors import Float32Array

if TYPE_CHECKING:
    from onnx import ModelProto


class WeightsAdapter:
    """Base of detectors with settings and, usually, a weights file.

    Args:
        settings: Default: the published ones.
        weights: The user's own weights file.

    Attributes:
        int8_file: The network that was quantized when the detector was loaded; None if none was.
    """

    info: DetectorInfo

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        self.settings = settings or self.info.defaults
        self.weights_sha256: str | None = None
        self._weights = weights
        self._weights_bytes: int | None = None
        self.int8_file: Path | None = None

    def _sized(self, cost: NetworkCost) -> NetworkCost:
        """Return the cost of the network with the size of its weights file."""
        return cost.model_copy(update={"weights_bytes": self._weights_bytes})

    def _find_weights(self) -> Path:
        """Return the path of the weights file, downloaded if necessary, and store its hash."""
        path = find_weights(str(self.info.weights), self._weights)
        self.weights_sha256 = sha256_of(path)
        self._weights_bytes = path.stat().st_size
        return path

    @classmethod
    def input_pixels(cls, settings: Settings, width: int, height: int) -> int:
        """Return how many pixels the network gets for an image of this width and height, padding not counted."""
        size = cls.info.fixed_size or resized_size(width, height, settings)[0]
        return size[0] * size[1]


class OnnxAdapter(WeightsAdapter):
    """Base of detectors that are one ONNX network with one input.

    Attributes:
        outputs: Names of the network's outputs that `postprocess` needs, in its order.
        free_size: The file declares a fixed height and width, although the network works at any.
        free_batch: With `free_size`: the file declares a fixed batch size too.
        network: The opened network, with how it runs.
    """

    outputs: ClassVar[Sequence[str]]
    free_size: ClassVar[bool] = False
    free_batch: ClassVar[bool] = False
    network: OnnxNetwork

    def preprocess(self, image: Image) -> Prepared[Any]:
        """Turn an image into the network's input."""
        raise NotImplementedError

    def load(self) -> None:
        """Find and open the network; the settings then hold what the library says really runs it."""
        from sshbench.detectors.execution import asked_plan, effective_settings, int8_network_of
        from sshbench.detectors.onnx_session import open_network, read_network

        asked = asked_plan(self.settings, ONNX_BACKENDS)
        self._path = self._find_weights()
        content, calibration = read_network(self._path, free_size=self.free_size, free_batch=self.free_batch), ""
        if asked.precision == "int8":
            int8 = int8_network_of(self, content, lambda prepared: [_network_input(prepared)])
            content, calibration, self.int8_file = int8.content, int8.calibration, int8.file
        self.network = open_network(content, self._path, self.outputs, asked)
        self._input = self.network.inputs[0].name
        self.settings = effective_settings(self.settings, self.network.plan, calibration)

    def cost(self, prepared: Prepared[Any]) -> NetworkCost | None:
        """Return size and work of the network for an input; None where its graph does not tell them."""
        counted = onnx_cost(self._graph, _network_input(prepared).shape)
        return counted and self._sized(counted)

    @cached_property
    def _graph(self) -> ModelProto:
        import onnx

        return onnx.load(self._path)

    def run_network(self, data: Float32Array) -> list[Float32Array]:
        """Return the outputs of the network, in the order of `outputs`."""
        return self.network.run(self.outputs, {self._input: data})


class OnnxBatchAdapter(OnnxAdapter):
    """Base of ONNX detectors whose network takes several images at once; the first axis of all outputs is the image."""

    def forward_batch(self, prepared: Sequence[Prepared[Any]]) -> list[list[Float32Array]]:
        """Run the network once for inputs of one size; return for each input what `forward` returns."""
        outputs = self.run_network(np.concatenate([_network_input(one) for one in prepared]))
        return [[out[i : i + 1] for out in outputs] for i in range(len(prepared))]


def _network_input(prepared: Prepared[Any]) -> Float32Array:
    """Return the array for the network, which stands alone in `data` or first in a tuple."""
    data: Float32Array = prepared.data[0] if isinstance(prepared.data, tuple) else prepared.data
    return data


def resize_image(image: Image, settings: Settings) -> tuple[Image, float]:
    """Resize an image, bilinear, by `settings.resize`; return it with its scale (new pixels per old pixel).

    Source of `MxN`: SSH release, SSH/test.py.
    """
    size, scale = resized_size(image.shape[1], image.shape[0], settings)
    if scale == 1.0:
        return image, 1.0
    import cv2

    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8), scale


def resized_size(width: int, height: int, settings: Settings) -> tuple[tuple[int, int], float]:
    """Return width and height after `resize_image`, and the scale (new pixels per old pixel).

    >>> resized_size(640, 480, Settings(resize="600x1000"))
    ((800, 600), 1.25)
    """
    scale = settings.scale(height, width)
    if scale == 1.0:
        return (width, height), 1.0
    # A side of a very long and thin image must not vanish.
    return (max(1, round(width * scale)), max(1, round(height * scale))), scale


def check_fixed_size(info: DetectorInfo, settings: Settings) -> None:
    """Refuse another input size for a network that accepts one size only.

    Raises:
        UsageError: The settings ask for another size.
    """
    if info.fixed_size is not None and settings.resize != "original":
        width, height = info.fixed_size
        raise UsageError(
            f"the input of '{info.name}' is fixed at {width} x {height} pixels, so resize cannot be {settings.resize}",
            remedy="Leave the input size at original",
        )


def fixed_input(image: Image, info: DetectorInfo, settings: Settings) -> Image:
    """Resize an image, bilinear and without keeping the aspect ratio, to the only size that the network accepts.

    Raises:
        UsageError: The settings ask for another size.
    """
    check_fixed_size(info, settings)
    assert info.fixed_size is not None
    import cv2

    return np.asarray(cv2.resize(image, info.fixed_size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def subtract_mean(image: Image | Float32Array, mean: tuple[float, float, float]) -> Float32Array:
    """Return an image minus the mean of each channel as a contiguous batch of one, float32 (1, 3, height, width)."""
    # Channel by channel into its place: a third of the time of subtracting first and moving channels then.
    data = np.empty((1, 3, *image.shape[:2]), dtype=np.float32)
    for channel, value in enumerate(mean):
        np.subtract(image[:, :, channel], np.float32(value), out=data[0, channel])
    return data


def select(boxes: FloatArray, scores: FloatArray, settings: Settings) -> Detections:
    """Apply score threshold, NMS and top_k; the result is sorted by falling score.

    Args:
        boxes: float64 (n, 4), corners in pixels of the original image.
        scores: float64 (n,).
        settings: Holds the three limits.
    """
    above = np.flatnonzero(scores >= settings.score_threshold)
    boxes, scores = boxes[above], scores[above]
    kept = np.argsort(-scores, kind="stable") if settings.nms_iou is None else nms(boxes, scores, settings.nms_iou)
    kept = kept[: settings.top_k]
    return Detections(boxes[kept], scores[kept])
