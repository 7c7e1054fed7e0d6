"""S3FD with a VGG-16 trunk (Zhang et al., ICCV 2017): single stage and headless, as SSH is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from sshbench.detectors.adapter import WeightsAdapter, select
from sshbench.detectors.contract import PROBABILITY, DetectorInfo, Prepared, Settings
from sshbench.detectors.cost import NetworkCost
from sshbench.errors import UsageError, did_you_mean
from sshbench.records import Detections, FloatArray, Image
from sshbench.rivals.s3fd_decode import candidates, margins
from sshbench.rivals.s3fd_ellipses import FITTED_ON
from sshbench.rivals.s3fd_layers import Variant
from sshbench.rivals.s3fd_output import OUTPUTS, as_output
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.preprocess import network_input
from sshbench.ssh.random_weights import random_note, seed_of, with_candidates

MEAN = (104.0, 117.0, 123.0)
"""Of blue, green and red."""
_SMALLEST = 32  # pixels: the dilated variant's pools round down, and smaller inputs would vanish
Input = tuple[Float32Array, tuple[float, float]]
"""The network's input, float32 (1, 3, height, width), and the original's pixels per pixel of it, across and down."""
Outputs = list[tuple[Any, Any]]
"""For each source class scores (n, 2, h, w) and deltas (n, 4, h, w): arrays, or tensors on an accelerator."""


class S3fd(WeightsAdapter):
    """An SSD with six scales of square boxes.

    Attributes:
        narrow: Divisor of the network's widths; 1 for the published network.
        trained_on: Benchmarks that the settings bring in: those of the map to ellipses. None where nothing is known.
    """

    info = DetectorInfo(
        name="s3fd",
        title="S3FD (VGG-16)",
        source="Zhang et al., S3FD: Single Shot Scale-invariant Face Detector, ICCV 2017",
        licence="own code, Apache-2.0; weights: none stated by their authors",
        weights="SFD.caffemodel",
        training_data="WIDER FACE train",
        trained_on=("wider",),
        ranges={**PROBABILITY, "fc6_pad": (1, 3), "candidates": (1, 1_000_000)},
        defaults=Settings(
            score_threshold=0.05,
            nms_iou=0.3,
            top_k=750,
            extra={
                "backend": "auto",
                "precision": "fp32",
                "device": "cpu",
                "output": "rectangle",
                "fc6_pad": 3,
                "candidates": 1000,
            },
        ),
        defaults_source="the release's deploy.prototxt (score 0.05, NMS 0.3, best 750; fc6 pad 3); one pass at the "
        "size of the image, as on FDDB. WIDER FACE: --tta s3fd-wider. candidates: for --weights random alone",
    )
    trained_on: tuple[str, ...] | None = None
    narrow: ClassVar[int] = 1
    _variant = Variant()
    _seed: int | None = None

    def load(self) -> None:
        """Read the weights, or make random ones, and build the network."""
        from sshbench.rivals.s3fd_weights import random_s3fd, read_s3fd
        from sshbench.runtimes.plan import plan
        from sshbench.ssh import backends

        extra = self.settings.extra
        if extra["output"] not in OUTPUTS:
            raise UsageError(
                f"there is no output '{extra['output']}'", remedy=did_you_mean(str(extra["output"]), OUTPUTS)
            )
        chosen = plan(str(extra["backend"]), str(extra["precision"]), str(extra["device"]))
        self._variant = Variant(fc6_pad=int(extra["fc6_pad"]), narrow=self.narrow)
        self._seed = seed_of(self._weights)
        if self._seed is None:
            self._variant, parameters = read_s3fd(self._find_weights(), self._variant)
            note = {}
        else:
            parameters = random_s3fd(self._variant, self._seed)
            note = random_note(self._seed, int(extra["candidates"]))
        self._run = backends.build_network(
            lambda: _torch_network(self._variant, parameters), lambda: _onnx(self._variant, parameters), chosen
        )
        ran = self._run.plan
        effective = {"backend": ran.backend, "precision": ran.precision, "device": ran.device}
        self.settings = replace(self.settings, extra={**extra, **effective, "variant": self._variant.name, **note})
        if extra["output"] == "ellipse":
            self.trained_on = (*(() if note else self.info.trained_on or ()), *FITTED_ON)
        elif note:
            self.trained_on = ()

    def preprocess(self, image: Image) -> Prepared[Input]:
        """Resize as floating-point numbers and subtract the mean; BGR."""
        height, width = image.shape[:2]
        scale = self.settings.scale(height, width)
        data = network_input(image, scale, MEAN)
        back = (width / data.shape[3], height / data.shape[2])
        return Prepared((self._large_enough(data), back), scale)

    def preprocess_at(self, image: Image, scale: float) -> Prepared[Input]:
        """Make the input at a scale of test-time augmentation; boxes are then in pixels of the input."""
        return Prepared((self._large_enough(network_input(image, scale, MEAN)), (1.0, 1.0)), 1.0)

    def _large_enough(self, data: Float32Array) -> Float32Array:
        below, right = (max(_SMALLEST - side, 0) if self._variant.dilated else 0 for side in data.shape[2:])
        return np.pad(data, ((0, 0), (0, 0), (0, below), (0, right))) if below or right else data

    def cost(self, prepared: Prepared[Input]) -> NetworkCost:
        """Return size and work of the network for an input."""
        gflop = self._variant.gflop(*prepared.data[0].shape[2:])
        return self._sized(NetworkCost(parameters=self._variant.parameters(), gflop=gflop))

    def forward(self, prepared: Prepared[Input]) -> Outputs:
        """Return class scores and deltas of the six sources."""
        return self._run(prepared.data[0])

    def forward_batch(self, prepared: Sequence[Prepared[Input]]) -> list[Outputs]:
        """Run the network once for inputs of one size; return for each input what `forward` returns."""
        outputs = self._run(np.concatenate([one.data[0] for one in prepared]))
        return [[(scores[i : i + 1], deltas[i : i + 1]) for scores, deltas in outputs] for i in range(len(prepared))]

    def postprocess(self, outputs: Outputs, prepared: Prepared[Input]) -> Detections:
        """Decode the best boxes above the threshold, apply NMS and top_k."""
        return self.suppress(self.decode_boxes(outputs, prepared))

    def decode_boxes(self, outputs: Outputs, prepared: Prepared[Input]) -> tuple[FloatArray, FloatArray]:
        """Return boxes in original pixels and scores, before NMS; outputs on an accelerator are copied to the host."""
        host = [(_on_host(scores[0]), _on_host(deltas[0])) for scores, deltas in outputs]
        logits, threshold = margins(host), self.settings.score_threshold
        if self._seed is not None:
            logits = with_candidates(logits, int(self.settings.extra["candidates"]), threshold)
        boxes, scores = candidates(host, logits, threshold)
        return boxes * np.tile(prepared.data[1], 2), scores

    def suppress(self, decoded: tuple[FloatArray, FloatArray]) -> Detections:
        """Apply NMS and top_k, and give the boxes the form that a benchmark expects."""
        return as_output(select(*decoded, self.settings), str(self.settings.extra["output"]))


def _on_host(values: Any) -> Float32Array:
    array: Float32Array = values if isinstance(values, np.ndarray) else values.float().cpu().numpy()
    return array


def _torch_network(variant: Variant, parameters: dict[str, Float32Array]) -> Any:
    from sshbench.rivals.s3fd_network import network_of

    return network_of(variant, parameters.items())


def _onnx(variant: Variant, parameters: dict[str, Float32Array]) -> bytes:
    from sshbench.rivals.s3fd_onnx import onnx_model

    return onnx_model(variant, parameters)
